"""Benchmarks: `python -m tests.benchmarks [NAME…] [--json FILE]` measures the runtime and its peers."""
