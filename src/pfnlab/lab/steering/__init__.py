"""Holding and forcing a running kernel at its functions, through QEMU's gdbstub."""
