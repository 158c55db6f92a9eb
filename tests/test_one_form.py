"""A result has one structure: what is stored is what is printed, and what the Python interface gives.

Two structures are copies of each other if they declare the same facts: at least four fields of one, and three
quarters of the fields that it declares, have the same name in the other, in Python or in JSON. Fields from a
common base are declared once.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from collections.abc import Iterable, Iterator

import msgspec

import pfnlab

#: Where results are made, stored, printed and given.
ROOMS = ("api", "campaign", "checker.check", "explorer", "hunt", "present", "programs.runs", "verbs")

#: The fewest fields, and the smallest part of them, that make a copy.
FEWEST, PART = 4, 0.75

#: Pairs that do not go, each with the reason.
_APART = {
    ("CatalogueTable", "FuzzTable"): "tables of a campaign's file, with options of their own",
    ("CheckResult", "CheckWork"): "what was asked, and what was found",
    ("DeviceSpan", "Spot"): "pages of a mapping in an area, and pages of a device",
}

#: Pairs that are still two forms of one thing; whoever makes them one takes them off the list.
_STILL_TWO = {
    ("BugEntry", "BugRunResult"),
    ("IsolatedShard", "Shard"),
}


def records(rooms: Iterable[str] = ROOMS) -> Iterator[type]:
    """Every structure declared in these rooms, except for requests, which repeat what they pass on."""
    for module in pkgutil.walk_packages(pfnlab.__path__, "pfnlab."):
        name = module.name.removeprefix("pfnlab.")
        if any(name == room or name.startswith(f"{room}.") for room in rooms):
            for one in vars(importlib.import_module(module.name)).values():
                own = isinstance(one, type) and one.__module__ == module.name
                if own and fields_of(one) and not one.__name__.endswith("Request"):
                    yield one


def fields_of(kind: type) -> frozenset[str]:
    """The names of a structure's fields, in Python and in JSON; none if it is no structure."""
    if issubclass(kind, msgspec.Struct):
        return frozenset((*kind.__struct_fields__, *kind.__struct_encode_fields__))
    if dataclasses.is_dataclass(kind):
        return frozenset(field.name for field in dataclasses.fields(kind))
    return frozenset(getattr(kind, "_fields", ()))


def is_copy(one: type, other: type) -> bool:
    """Whether *other* has the facts of *one* once more."""
    if issubclass(one, other) or issubclass(other, one):
        return False
    shared = [fields_of(base) for base in one.__mro__ if base in other.__mro__ and base is not object]
    own = fields_of(one).difference(*shared)
    common = own & fields_of(other)
    return len(common) >= FEWEST and len(common) >= PART * len(own)


def copies(found: list[type]) -> set[frozenset[str]]:
    """The pairs of copies among structures."""
    return {
        frozenset((one.__name__, other.__name__))
        for one in found
        for other in found
        if one is not other and is_copy(one, other)
    }


def test_no_result_has_a_second_structure() -> None:
    """A structure that only copies another one goes; the lists name no others, and none that went."""
    assert {frozenset(pair) for pair in (*_APART, *_STILL_TWO)} == copies(list(records()))


def test_a_copy_is_noticed() -> None:
    """With other names in Python, and with one fact more; a subclass declares nothing twice."""

    class Seen(msgspec.Struct):
        machine: str
        steps: tuple[str, ...]
        lost: str
        alarm: str

    class PrintedSeen(msgspec.Struct):
        name: str = msgspec.field(name="machine")
        steps: tuple[str, ...]
        lost: str
        alarm: str
        hash: str

    class SeenTwice(Seen):
        again: bool

    assert {frozenset(("Seen", "PrintedSeen")), frozenset(("SeenTwice", "PrintedSeen"))} == copies(
        [Seen, PrintedSeen, SeenTwice]
    )
