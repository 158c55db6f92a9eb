"""The parts of a picture: their content, descriptions and relations, without positions.

A part has the same id in every step, on every machine and in every picture.
"""

import msgspec

from pfnlab.base.inert import id_word
from pfnlab.programs.lang.span import Span


def part_id(kind: str, *words: str | int) -> str:
    """Return an id such as ``vma:main:a:0``: a kind and words, in which separators are escaped."""
    return ":".join([kind, *map(id_word, words)])


def pages_part(kind: str, task: str, span: Span) -> str:
    """Return the id of a task's part that begins at *span*: vma, run of entries, link to frames, or tlb."""
    return part_id(kind, task, span.name, span.start)


def device_part(name: str) -> str:
    """Return the id of a device."""
    return part_id("mem", name)


def reserved_part(kind: str, span: Span, nth: int) -> str:
    """Return the id of a reservation (book) or its context (ctx), the *nth* (from 0) with those pages."""
    return part_id(kind, span.name, span.start, span.end, *([nth] if nth else []))


class ScenePart(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that every part has.

    :param says: a one-sentence description for screen readers
    :param rule: steps or sections in docs/semantics, separated by spaces; may be empty
    :param beside: the ids of related parts, separated by spaces
    :param changed: whether it is new, or differs from before this step
    """

    part: str
    says: str
    rule: str = ""
    beside: str = ""
    changed: bool = False


class VmaPart(ScenePart, frozen=True, kw_only=True):
    """A VMA; ``gone`` if it existed only before this step."""

    task: str
    span: Span
    perms: str
    flags: str
    gone: bool = False


class EntryPart(ScenePart, frozen=True, kw_only=True):
    """A run of page-table entries, a gap with no entries, or a translation cached by a processor.

    :param task: the task whose page tables it is in, or came from
    :param mode: e.g. ``WC``; empty if there is no entry
    :param level: 1, 2 or 3; without entries, the depth of the tables
    :param marks: ``W`` writable, ``D`` dirty, ``A`` accessed, ``!P`` not present
    :param stale: whether it is cached, but the page tables say otherwise
    """

    task: str
    span: Span
    target: Span | None
    mode: str
    level: int
    marks: str
    absent: str = ""
    stale: bool = False


class DevicePart(ScenePart, frozen=True, kw_only=True):
    """Physical memory: a device, ordinary RAM, or memory elsewhere.

    :param modes: the pages that are not write-back in the direct map, with their modes
    """

    name: str
    ram: bool
    modes: tuple[tuple[Span, str], ...] = ()


class BookPart(ScenePart, frozen=True, kw_only=True):
    """A reservation.

    :param owner: a description of its owner; empty if unknown
    :param refs: the number of references to its context; None without a context
    """

    span: Span
    mode: str
    owner: str = ""
    leaked: bool = False
    refs: int | None = None
    context: str = ""
    context_says: str = ""
    gone: bool = False


class StateScene(msgspec.Struct, frozen=True):
    """One step on one machine.

    :param tasks: the tasks that have an address space
    :param vmas: None if they were not observed; the same for ``runs`` and ``book``
    :param tlbs: the cached translations by processor; None if the machine cannot report them
    :param flushes: None if they were not counted
    :param unreached: why the machine did not get to this step; empty if it did
    """

    number: int
    steps: int
    machine: str
    op: str
    result: str
    rule: str
    tasks: tuple[str, ...]
    vmas: tuple[VmaPart, ...] | None
    runs: tuple[EntryPart, ...] | None
    devices: tuple[DevicePart, ...]
    book: tuple[BookPart, ...] | None
    tlbs: dict[str, tuple[EntryPart, ...]] | None
    log: tuple[tuple[str, str], ...]
    flushes: int | None
    unreached: str = ""

    @property
    def says(self) -> str:
        """Describe the state in sentences, from top to bottom."""
        parts: list[ScenePart] = [*(self.vmas or ()), *(self.runs or ()), *(self.book or ())]
        parts += [part for parts in (self.tlbs or {}).values() for part in parts]
        said = [f"Step {self.number} of {self.steps} on {self.machine}: {self.op}, {self.result}"]
        said += [part.says for part in parts if not getattr(part, "gone", False)]
        said += [f"log: {line}" for line, _ in self.log]
        said += [] if self.flushes is None else [f"{self.flushes} TLB flushes"]
        return ". ".join(said) + "."
