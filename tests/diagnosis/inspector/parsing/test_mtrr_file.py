"""The registers of /proc/mtrr in the forms of all versions."""

from __future__ import annotations

from for_each import for_each

from pfnlab.diagnosis.inspector.host_snapshot import MtrrRegister
from pfnlab.diagnosis.inspector.parsing.mtrr_file import LINE, mtrr_ranges
from pfnlab.kernel.hw.mtrr import MtrrType


@for_each(
    ("line", "register"),
    [
        (
            b"reg00: base=0x0c0000000 ( 3072MB), size= 1024MB, count=1: uncachable",
            MtrrRegister(0xC0000000, 0x1_0000_0000, MtrrType.UC),
        ),
        (
            b"reg01: base=0xe5000000 (3664MB), size=  16MB: uncachable, count=1",
            MtrrRegister(0xE5000000, 0xE6000000, MtrrType.UC),
        ),
        (
            b"reg03: base=0x0ffde0000 ( 4093MB), size=  128KB, count=1: write-protect",
            MtrrRegister(0xFFDE0000, 0xFFE00000, MtrrType.WP),
        ),
        (
            b"reg00: base=0x000000000 (    0MB), size=131072MB, count=1: write-back",
            MtrrRegister(0, 128 << 30, MtrrType.WB),
        ),
        (
            b"reg00: base=0x00000000 (0 MB), size= 512: write-back, count=1",
            MtrrRegister(0, 512 << 20, MtrrType.WB),
        ),
    ],
)
def test_a_register_is_read_in_every_form(line: bytes, register: MtrrRegister) -> None:
    """With the count before or after the type, and with KB, MB or no unit."""
    assert (register,) == mtrr_ranges(line + b"\n")


def test_other_lines_are_no_registers() -> None:
    """As where the file says that there are none."""
    assert LINE.fullmatch(b"reg00: base=0xzz") is None
