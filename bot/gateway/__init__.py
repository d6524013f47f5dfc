"""The shell around the venue: session, rate budget, REST and hubs (gateway.md §3 to §8, §10 to §14)."""
