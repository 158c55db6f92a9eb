"""Meeting a kernel, or trying a tree: all programs, run on it and on its model or another kernel."""
