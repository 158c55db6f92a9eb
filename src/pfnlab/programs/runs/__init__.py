"""A program's run on any machine: the observations after every step, and how runs are compared."""
