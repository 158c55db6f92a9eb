"""Holding a running kernel at its functions, and forcing their results, through QEMU's gdbstub."""
