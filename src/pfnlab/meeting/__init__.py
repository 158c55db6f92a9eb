"""Meeting a kernel: everything there is, run on it and on its model or another kernel, and what differs."""
