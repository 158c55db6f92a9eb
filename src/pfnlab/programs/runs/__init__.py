"""One run of a program on any machine: what is observed after every step, and comparing two runs."""
