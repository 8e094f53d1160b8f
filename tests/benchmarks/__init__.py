"""Benchmarks: `python -m tests.benchmarks [NAME…] [--json FILE]` measures the runtime beside its peers."""
