"""The shadow: candidates fed with what the authority saw, compared call by call, until the evidence is in."""
