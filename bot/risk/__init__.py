"""Account rules, sizing and the risk gate: the only maker of approved intents."""
