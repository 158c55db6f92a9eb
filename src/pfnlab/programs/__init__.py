"""Programs: the language, one run of a program, and the model as a machine."""
