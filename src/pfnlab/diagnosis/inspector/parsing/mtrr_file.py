"""The variable MTRRs: /proc/mtrr, in the forms of all versions."""

from __future__ import annotations

import re

from pfnlab.diagnosis.inspector.host_snapshot import MtrrRegister
from pfnlab.kernel.hw.mtrr import MtrrType

#: The file.
PATH = "/proc/mtrr"

#: Types as the kernel words them (mtrr_attrib_to_str).
TYPES = {
    b"uncachable": MtrrType.UC,
    b"write-combining": MtrrType.WC,
    b"write-through": MtrrType.WT,
    b"write-protect": MtrrType.WP,
    b"write-back": MtrrType.WB,
}

_UNITS = {b"": 20, b"K": 10, b"M": 20, b"G": 30}

#: Newer kernels write the count before the type, older ones after it; some old ones leave MB out.
LINE = re.compile(
    rb"^reg[0-9]+: base=0x([0-9a-f]{1,16}) \( *[0-9]+ ?[KMG]?B?\), size= *([0-9]{1,12}) ?([KMG]?)B?"
    rb"(?:, count=[0-9]+: ([a-z-]+)|: ([a-z-]+), count=[0-9]+)[ \r]*$",
    re.MULTILINE,
)


def mtrr_ranges(data: bytes) -> tuple[MtrrRegister, ...]:
    """The registers in use, in the order of their numbers; a type the kernel does not name is left out."""
    found = []
    for base, size, unit, new, old in LINE.findall(data):
        kind = TYPES.get(new or old)
        if kind is not None:
            start = int(base, 16)
            found.append(MtrrRegister(start, start + (int(size) << _UNITS[unit]), kind))
    return tuple(found)
