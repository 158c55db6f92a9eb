"""Meeting a kernel: all programs, run on it and on its model or another kernel, and the differences."""
