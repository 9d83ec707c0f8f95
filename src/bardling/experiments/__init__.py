"""Comparisons of runs: values that say which, and loops over ordinary runs; no training code."""
