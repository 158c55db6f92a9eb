"""Reproducers: programs written in other forms (C, kselftest and drgn), and read from strace logs."""
