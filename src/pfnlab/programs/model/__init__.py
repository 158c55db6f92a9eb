"""The model as a machine: operations of a program are system calls of the modelled kernel."""
