"""The parts of a picture: what each shows, says, and belongs with, and nothing of where it stands.

The same part has the same id in every step, on every machine and in every picture.
"""

import msgspec

from pfnlab.base.inert import id_word
from pfnlab.programs.lang.span import Span


def part_id(kind: str, *words: str | int) -> str:
    """``vma:main:a:0``: a kind and words; characters that would end a word are escaped."""
    return ":".join([kind, *map(id_word, words)])


def pages_part(kind: str, task: str, span: Span) -> str:
    """The id of what a task has from *span* on: vma, run of entries, link from it to frames, or tlb."""
    return part_id(kind, task, span.name, span.start)


def device_part(name: str) -> str:
    """The id of a device."""
    return part_id("mem", name)


def reserved_part(kind: str, span: Span, nth: int) -> str:
    """The id of a reservation (book) or its context (ctx), the *nth* with the same pages, from 0."""
    return part_id(kind, span.name, span.start, span.end, *([nth] if nth else []))


class ScenePart(msgspec.Struct, frozen=True, kw_only=True):
    """The fields that every part has.

    :param says: it in one sentence, for who does not see it
    :param rule: steps or sections of docs/semantics, separated by spaces; empty where there is none
    :param beside: the ids of the parts it belongs with, separated by spaces
    :param changed: it is new or other than before this step
    """

    part: str
    says: str
    rule: str = ""
    beside: str = ""
    changed: bool = False


class VmaPart(ScenePart, frozen=True, kw_only=True):
    """A VMA; ``gone``: it was there before this step."""

    task: str
    span: Span
    perms: str
    flags: str
    gone: bool = False


class RunPart(ScenePart, frozen=True, kw_only=True):
    """A run of entries, or of none.

    :param mode: ``WC``; empty where there is no entry
    :param level: 1, 2 or 3; of no entry how deep the tables go
    :param marks: ``W`` writable, ``D`` dirty, ``A`` accessed, ``!P`` not present
    """

    task: str
    span: Span
    target: Span | None
    mode: str
    level: int
    marks: str
    absent: str = ""
    gone: bool = False


class DevicePart(ScenePart, frozen=True, kw_only=True):
    """Physical memory: a device, ordinary RAM, or what lies elsewhere.

    :param modes: its pages that are not write-back in the direct map, and their modes
    """

    name: str
    ram: bool
    modes: tuple[tuple[Span, str], ...] = ()


class BookPart(ScenePart, frozen=True, kw_only=True):
    """A reservation.

    :param owner: who has it, in words; empty where nobody knows
    :param refs: the references to its context; None without one
    """

    span: Span
    mode: str
    owner: str
    leaked: bool
    refs: int | None = None
    context: str = ""
    context_says: str = ""
    gone: bool = False


class TlbPart(ScenePart, frozen=True, kw_only=True):
    """A translation that a processor remembers; *space* is the task whose page tables it came from."""

    task: str
    space: str
    span: Span
    target: Span | None
    mode: str
    marks: str
    stale: bool


class StateScene(msgspec.Struct, frozen=True):
    """One step of one machine.

    :param tasks: those with an address space
    :param vmas: None where nobody looked; likewise ``runs`` and ``book``
    :param tlbs: by processor; None where the machine cannot tell
    :param flushes: None where nobody counted
    :param unreached: why the machine did not get here; empty where it did
    """

    number: int
    steps: int
    machine: str
    op: str
    result: str
    rule: str
    tasks: tuple[str, ...]
    vmas: tuple[VmaPart, ...] | None
    runs: tuple[RunPart, ...] | None
    devices: tuple[DevicePart, ...]
    book: tuple[BookPart, ...] | None
    tlbs: dict[str, tuple[TlbPart, ...]] | None
    log: tuple[tuple[str, str], ...]
    flushes: int | None
    unreached: str = ""

    @property
    def says(self) -> str:
        """The state in sentences, from top to bottom."""
        parts: list[ScenePart] = [*(self.vmas or ()), *(self.runs or ()), *(self.book or ())]
        parts += [part for parts in (self.tlbs or {}).values() for part in parts]
        said = [f"Step {self.number} of {self.steps} on {self.machine}: {self.op}, {self.result}"]
        said += [part.says for part in parts if not getattr(part, "gone", False)]
        said += [f"log: {line}" for line, _ in self.log]
        said += [] if self.flushes is None else [f"{self.flushes} TLB flushes"]
        return ". ".join(said) + "."
