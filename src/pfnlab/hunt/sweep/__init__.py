"""Sweeps: every pair of operations on every kind of mapping, on several machines, with a letter for each."""
