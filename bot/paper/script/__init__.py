"""The script of a session: faults, market moves and changes of the venue at set times, events or odds."""
