"""The whole bot and the paper gateway in one process and in virtual time, from one seed."""
