"""Programs: the language, one run of a program, the model as a machine, and recorded runs of real kernels."""
