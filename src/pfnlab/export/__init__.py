"""Reproducers: programs written in other forms (C, kselftest, syzkaller and drgn), and read from them."""
