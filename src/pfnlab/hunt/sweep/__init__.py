"""Sweeps: the cells that a hunt enumerates, every pair of operations on every kind of mapping."""
