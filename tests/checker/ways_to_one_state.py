"""A program whose operations lead to one state on several ways, for reviews."""

from pfnlab.programs.lang.load import load_text

#: The middle is unmapped on two ways, and nothing is left on two.
PROGRAM = load_text(
    """pfnlab program 1
title   Ways to one state
device  bar: pci, 16 pages
a = mmap bar[0:3] wc shared rw
munmap a[1]
munmap a[0]
munmap a[2]
read a[2]
""",
    "ways",
)
MAP, MIDDLE, FIRST, LAST, READ = PROGRAM.ops
