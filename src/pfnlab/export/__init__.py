"""Reproducers: programs in other forms (C, kselftest, syzkaller and drgn), and the reverse."""
