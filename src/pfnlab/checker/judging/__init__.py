"""Judging: checks each step of a run for properties, regardless of other machines."""
