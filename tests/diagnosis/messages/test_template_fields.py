"""Numbers of messages as values: half-open ranges, modes and names of errors."""

from __future__ import annotations

from for_each import for_each

from pfnlab.diagnosis.messages.family_files import RangeEnd, Wording
from pfnlab.diagnosis.messages.template_fields import TOP, error_of, mode_of, range_of
from pfnlab.kernel.hw.cachemode import CacheMode

MODES = {
    "write-combining": CacheMode.WC,
    "write- combining": CacheMode.WC,
    "uncachable": CacheMode.UC,
    "UC-": CacheMode.UC_MINUS,
    "UC": CacheMode.UC,
    "2": CacheMode.UC_MINUS,
    "0x0": CacheMode.WB,
    "0x8": CacheMode.WC,
    "0x10": CacheMode.UC_MINUS,
    "0x18": CacheMode.UC,
    "write-protect": CacheMode.WP,
    "broken": None,
    "7": None,
}


@for_each("text, mode", MODES.items())
def test_a_mode_is_a_name_a_number_or_bits(text: str, mode: CacheMode | None) -> None:
    """Page bits are those of old kernels."""
    assert mode == mode_of(text)


ERRORS = {
    "-16": "EBUSY",
    "16": "EBUSY",
    "-EINVAL": "EINVAL",
    "Cannot allocate memory": "ENOMEM",
    "-4095": None,
}


@for_each("text, name", ERRORS.items())
def test_an_error_has_a_name(text: str, name: str | None) -> None:
    """Whether it is a number, a name or a sentence."""
    assert name == error_of(text)


RANGES = [
    ("0xfd000000-0xfd003fff", RangeEnd.INCLUSIVE, (0xFD000000, 0xFD004000)),
    ("fd000000-fd004000", RangeEnd.EXCLUSIVE, (0xFD000000, 0xFD004000)),
    ("fd000000,4000", RangeEnd.SIZE, (0xFD000000, 0xFD004000)),
    ("f0000->100000", RangeEnd.EXCLUSIVE, (0xF0000, 0x100000)),
    ("fffffffff9000000-fffffffff9e00000", RangeEnd.EXCLUSIVE, (0xF9000000, 0xF9E00000)),
    ("ffffffffe0000000-fffffffff0000000", RangeEnd.EXCLUSIVE, (0xE0000000, 0xF0000000)),
    ("0x3ffffff00000-0xffffffffffffffff", RangeEnd.INCLUSIVE, (0x3FFFFFF00000, TOP)),
]


@for_each("text, end, expected", RANGES)
def test_a_range_is_half_open_bytes(text: str, end: RangeEnd, expected: tuple[int, int]) -> None:
    """Whatever its second number is, and without the sign of an address of 32 bits."""
    said = range_of({"range": text}, Wording("{range}", end=end))

    assert said is not None
    assert expected == (said.start, said.end)


def test_a_wrapped_end_is_a_doubt() -> None:
    """The line does not say where the range ends."""
    said = range_of({"range": "0x3ffffff00000-0xffffffffffffffff"}, Wording("{range}"))

    assert said is not None
    assert said.doubts
