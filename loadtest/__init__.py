"""Load generators, peers and benchmarks, and their report."""
