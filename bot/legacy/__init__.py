"""The authoritative Python implementations of the five components."""
