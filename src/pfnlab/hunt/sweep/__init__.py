"""Sweeps: enumerated programs, with every pair of operations on every kind of mapping."""
