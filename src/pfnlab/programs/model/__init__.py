"""The model as a machine: a program's operations are system calls of the modelled kernel."""
