"""Comparison of a kernel, or of a tree, with its model or another kernel, on all programs."""
