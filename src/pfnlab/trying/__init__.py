"""Trying a tree: its kernel held against a model, and the report that goes under a cover letter."""
