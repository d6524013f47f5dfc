"""Benchmarks against the Python authority and named peers: `python -m perf.run`."""
