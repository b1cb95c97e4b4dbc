"""Benchmarks of Graft: suites of runs, and comparisons with other libraries' trainers."""
