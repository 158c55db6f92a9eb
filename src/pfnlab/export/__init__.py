"""Reproducers: programs in the forms other people run, C, kselftest, syzkaller and drgn; and back."""
