"""One run of a program on any machine: the observations after every step, and the comparison of runs."""
