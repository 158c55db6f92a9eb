"""Which mappings have room for a leaf, and whether it is touched, by the text of a program."""

from __future__ import annotations

from for_each import for_each

from pfnlab.hunt.fuzz.ranges import touched_level
from pfnlab.programs.lang.load import load_text

HEADER = "pfnlab program 1\ndevice bar: pci, 2 GiB\narea a: 3 GiB\narea b: 3 GiB\n\n"


@for_each(
    ("level", "text"),
    [
        (2, "a = mmap bar[0:512] vfio shared rw\nread a[5]\n"),
        (1, "a = mmap bar[0:511] vfio shared rw\nread a[5]\n"),
        (1, "a = mmap bar[1:513] vfio shared rw\nread a[5]\n"),
        (3, "a = mmap bar[0:262144] vfio shared rw\nwrite a[5] 1\n"),
        (3, "a = mmap bar driver fault_pud shared rw\npagemap a[0:4]\n"),
        (2, "a = mmap bar driver fault_pmd shared rw\nread a[5]\n"),
        (1, "a = mmap bar driver fault shared rw\nread a[5]\n"),
        (1, "a = mmap bar wc shared rw\nread a[5]\n"),
        (2, "a = mmap bar[512:262144] driver fault_pud shared rw\nread a[5]\n"),
    ],
)
def test_the_largest_leaf_that_fits(level: int, text: str) -> None:
    """Pages and frames are aligned alike, and who fills the mapping makes leaves of that size."""
    assert level == touched_level(load_text(HEADER + text))


@for_each(
    "text",
    [
        "a = mmap bar[0:512] vfio shared rw\nmunmap a\n",
        "a = mmap bar[0:512] vfio shared rw\nread a[512]\n",
        "b = mmap anon[0:4] private rw\na = mmap bar[0:512] vfio shared rw\nread b[0]\n",
    ],
)
def test_a_leaf_is_made_when_it_is_touched(text: str) -> None:
    """Not by mmap, and not by an access elsewhere."""
    assert 1 == touched_level(load_text(HEADER + text))
