"""Benchmarks and long trials. `make bench` measures the speed figures."""
