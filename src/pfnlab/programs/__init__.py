"""Programs: the language, the runs of a program, and the model as a machine."""
