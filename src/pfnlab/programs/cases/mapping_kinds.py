"""The kinds of mapping that reviews, sweeps, random programs, failures and scopes try."""

import re
from importlib.resources import files
from typing import Literal, TypeVar

import msgspec

from pfnlab.base.toml_text import package_tables, toml_content
from pfnlab.programs.lang.device_ops import INSERTED, DriverHow
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import ANON

Form = TypeVar("Form")

_NAMED = re.compile(r"<([^<>\n]+)>")


class MappingKind(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of mapping.

    :param via: how to map it, as in a program line
    :param device: the kind of device that a sweep maps; ``anon`` for ordinary memory
    :param leaf: the number of pages in each of its leaves, if these are large
    :param shift: how many pages the frames are off the border of a leaf
    :param any_size: whether the guest driver can so fill a mapping of any size at any place
    :param touched: operations after the mapping that create its entries or make copies, in a review
    :param reaches: kernel functions that only this kind and others that name them reach
    :param says: its name in a review, which then tries it
    :param only_beside: whether the review only tries it as a neighbour
    :param scheduled: its name in a review's schedules, if leaves are tried there
    :param fails: the number of pages of a mapping in whose creation a sweep lets allocations fail, if any
    :param sweeps: the scopes of a sweep that contain it, with the operations on it
    """

    name: str
    via: str = ""
    sharing: Literal["shared", "private"] = "shared"
    device: str = "pci"
    leaf: int = 0
    shift: int = 0
    any_size: bool = False
    touched: tuple[str, ...] = ()
    reaches: tuple[str, ...] = ()
    says: str = ""
    only_beside: bool = False
    scheduled: str = ""
    fails: int = 0
    sweeps: dict[str, tuple[str, ...]] = {}

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def way(self) -> str:
        """The words that map it, with its sharing."""
        return f"{self.via} {self.sharing}".strip()

    @property
    def how(self) -> DriverHow | None:
        """The guest driver's method; None if the driver does not map it."""
        words = re.split(r"[ \[]", self.via)
        return msgspec.convert(words[1], DriverHow) if words[0] == "driver" else None

    @property
    def frames(self) -> bool:
        """True if it shows frames with a cache mode, rather than only counted pages."""
        return self.device != ANON and self.how not in INSERTED

    @property
    def revoked(self) -> bool:
        """True if it belongs to the guest driver's first file, whose mappings the driver revokes."""
        return self.how not in (None, "export")

    @property
    def alone(self) -> bool:
        """True if its programs must not use the guest driver's own operations."""
        return self.via == "vfio"

    @property
    def flushes_within(self) -> bool:
        """True if it has a shared page that was written, whose entry is flushed before others are cleared."""
        return self.sharing == "shared" and any(line.startswith("write ") for line in self.touched)

    def mapped(self, shown: Span) -> str:
        """The operation that maps *shown*, or as many pages of ordinary memory."""
        source = Span(ANON, 0, shown.pages) if self.device == ANON else shown
        return f"mmap {source} {self.way} rw"


class _KindTable(msgspec.Struct, forbid_unknown_fields=True):
    kinds: tuple[MappingKind, ...]


#: All kinds by name.
MAPPING_KINDS = {kind.name: kind for kind in package_tables(__package__, "kinds.toml", _KindTable).kinds}


def driver_ways() -> dict[DriverHow, MappingKind]:
    """The methods of the guest driver, each with the last kind mapped by it."""
    return {kind.how: kind for kind in MAPPING_KINDS.values() if kind.how is not None}


def with_kinds(text: str) -> str:
    """*text* with how to map a kind in place of ``<NAME>``; other words in brackets stay."""
    return _NAMED.sub(
        lambda found: MAPPING_KINDS[found[1]].way if found[1] in MAPPING_KINDS else found[0], text
    )


def case_tables(package: str, name: str, form: type[Form]) -> Form:
    """A data file of *package* that names kinds of mapping, as a structure whose fields are its tables."""
    text = with_kinds(files(package).joinpath(name).read_text(encoding="utf-8"))
    return msgspec.convert(toml_content(text, name), type=form)
