"""pfnlab: the rules of Linux PFN mappings as a program, held against real kernels."""

__version__ = "0.1.0"
