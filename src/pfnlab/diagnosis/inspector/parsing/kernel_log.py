"""The kernel's log: records of /dev/kmsg, or lines of dmesg or the journal; and its words on the machine."""

from __future__ import annotations

import re

from pfnlab.base.errors import Misuse
from pfnlab.diagnosis.inspector.parsing.mtrr_file import TYPES
from pfnlab.diagnosis.inspector.parsing.text_files import decoded, line_pieces
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.mtrr import MtrrType
from pfnlab.kernel.hw.pat import PatConfig

#: The file.
KMSG = "/dev/kmsg"

_RECORD = re.compile(rb"^[0-9]+,[0-9]+,([0-9]+),[^;\n]*;", re.MULTILINE)
_CONFIGURATION = re.compile(r"Configuration \[0-7\]: ((?:[A-Z-]+ *){8})")
_DEFAULT = re.compile(r"MTRR default type: ([a-z-]+)")
_BANNER = re.compile(r"Linux version (\S+)")
_HYPERVISOR = re.compile(r"Hypervisor detected: (.+?)\s*$")

_MODES = {mode.short.upper(): mode for mode in CacheMode}


def log_lines(data: bytes) -> tuple[str, ...]:
    """The lines of the log with their stamps; records of /dev/kmsg as dmesg prints them.

    Of a journal that has other lines too, those of the kernel alone.
    """
    of_records = _RECORD.match(data) is not None
    lines: list[str] = []
    for piece in line_pieces(data):
        text = _RECORD.sub(_stamp, piece) if of_records else piece
        skipped = " " if of_records else "-- "
        lines += [line for line in decoded(text).split("\n") if line and not line.startswith(skipped)]
    of_kernel = [] if of_records else [line for line in lines if " kernel: " in line]
    return tuple(of_kernel or lines)


def pat_configuration(lines: tuple[str, ...]) -> PatConfig | None:
    """The last configuration of the PAT that the log prints; None where it prints none that can be."""
    for line in reversed(lines):
        if (found := _CONFIGURATION.search(line)) and "PAT" in line:
            names = found[1].split()
            try:
                return PatConfig(tuple(_MODES[name] for name in names))
            except (KeyError, Misuse):
                return None
    return None


def mtrr_default(lines: tuple[str, ...]) -> MtrrType | None:
    """The type of memory in no MTRR, as the log says it."""
    found = next((found for line in lines if (found := _DEFAULT.search(line))), None)
    return TYPES.get(found[1].encode()) if found else None


def version(lines: tuple[str, ...]) -> str:
    """The version of the last banner in the log, empty where there is none."""
    return next((found[1] for line in reversed(lines) if (found := _BANNER.search(line))), "")


def hypervisor(lines: tuple[str, ...]) -> str:
    """The hypervisor that the kernel found, empty where it found none."""
    return next((found[1] for line in reversed(lines) if (found := _HYPERVISOR.search(line))), "")


def _stamp(found: re.Match[bytes]) -> bytes:
    microseconds = int(found[1])
    return b"[%5d.%06d] " % (microseconds // 1_000_000, microseconds % 1_000_000)
