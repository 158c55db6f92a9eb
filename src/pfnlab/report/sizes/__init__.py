"""Sizes of kernel structures: what was read from each series, and what a field more would cost."""
