"""Holding a running kernel at its functions, and forcing what they return, through QEMU's gdbstub."""
