"""Whole boots of guests of our own: nothing to review but what a set breaks (guests/README.md)."""

from __future__ import annotations

from functools import cache

from for_each import for_each
from guest_consoles import consoles, guest_sets

from pfnlab.diagnosis.messages.explaining import PasteExplanation, explain
from pfnlab.diagnosis.messages.family_files import FamilyVerdict

_TO_REVIEW = (FamilyVerdict.LOOK, FamilyVerdict.DEPENDS)
_PAT_OFF = ("pat_off_by_mtrr", "pat_off_by_processor", "pat_off_by_option")
_SETS = {one.name: one for one in guest_sets()}
NAMES = sorted(consoles())


@cache
def log(name: str) -> PasteExplanation:
    """The explanation of a guest's console."""
    return explain([consoles()[name].encode()])


def faults(name: str) -> list[tuple[str, str | None]]:
    """What the set breaks on the kernel."""
    guest, _, series = name.rpartition("-")
    return _SETS[guest].faults_on(series)


def test_each_set_booted_on_ten_kernels() -> None:
    """At least ten sets."""
    series = {name.rpartition("-")[2] for name in NAMES}

    assert len(series) >= 10 <= len(_SETS)
    assert sorted(f"{guest}-{one}" for guest in _SETS for one in series) == NAMES


@for_each("name", NAMES)
def test_a_boot_has_its_faults_to_review_and_no_others(name: str) -> None:
    """A guest without a fault has none."""
    loud = [event for event in log(name).events if event.family.verdict in _TO_REVIEW]

    assert faults(name) == [(event.family.name, event.device) for event in loud]


@for_each("name", NAMES)
def test_a_boot_says_that_write_combining_exists_or_not(name: str) -> None:
    """In one event, whatever the lines about PAT and MTRRs are."""
    told = [event.family.verdict for event in log(name).events if event.family.group in ("pat_setup", "mtrr")]

    off = any(family in _PAT_OFF for family, _ in faults(name))
    assert [FamilyVerdict.LOOK if off else FamilyVerdict.HARMLESS] == told[:1]


def test_ports_without_room_are_one_event() -> None:
    """Of a dozen bridges."""
    titles = [event.family.title for event in log("q35-ports-6.12").events]

    assert 1 == titles.count("Ranges of I/O ports are not assigned")
