"""Whole boots of guests of our own: nothing to review, but where something is wrong (guests/README.md)."""

from __future__ import annotations

import lzma
from pathlib import Path

from for_each import for_each

from pfnlab.diagnosis.messages.explaining import PasteExplanation, explain
from pfnlab.diagnosis.messages.family_files import FamilyVerdict

_GUESTS = Path(__file__).parent / "guests"
_TO_REVIEW = (FamilyVerdict.LOOK, FamilyVerdict.DEPENDS)
#: Sets with a fault: the family and the device of what is to be reviewed, by kernel.
_FAULTS = {
    "pc-huge-6.1": [("bar_conflict", "0000:00:04.0")],
    "pc-huge-6.12": [("bar_conflict", "0000:00:04.0")],
    "pc-huge-7.3": [("bar_conflict", "0000:00:04.0")],
    # Up to 6.2 PAT needs MTRRs.
    "q35-nomtrr-6.1": [("pat_off_by_mtrr", None)],
}
NAMES = sorted(path.name.removesuffix(".log.xz") for path in _GUESTS.glob("*.xz"))


def log(name: str) -> PasteExplanation:
    """The explanation of a guest's console."""
    return explain([lzma.decompress((_GUESTS / f"{name}.log.xz").read_bytes())])


@for_each("name", NAMES)
def test_a_boot_has_its_faults_to_review_and_no_others(name: str) -> None:
    """A guest without a fault has none."""
    found = log(name)

    loud = [event for event in found.events if event.family.verdict in _TO_REVIEW]
    assert _FAULTS.get(name, []) == [(event.family.name, event.device) for event in loud]


@for_each("name", NAMES)
def test_a_boot_says_that_write_combining_exists_or_not(name: str) -> None:
    """In one event, whatever the lines about PAT and MTRRs are."""
    found = log(name)

    told = [event.family.verdict for event in found.events if event.family.group in ("pat_setup", "mtrr")]
    told = told[:1]
    loud = name == "q35-nomtrr-6.1"
    assert [FamilyVerdict.LOOK if loud else FamilyVerdict.HARMLESS] == told


def test_ports_without_room_are_one_event() -> None:
    """Of a dozen bridges."""
    found = log("q35-ports-6.12")

    titles = [event.family.title for event in found.events]
    assert 1 == titles.count("Ranges of I/O ports are not assigned")
