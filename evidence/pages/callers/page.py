"""The page ``docs/callers.md``: in-tree callers that meet tracked mappings, each with a similar program.

``calls.json`` has the calls in one kernel source (written by ``evidence/tools/read_callers.py``);
``callers.toml`` explains each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from evidence.pages.markdown import code, table
from pfnlab.base.errors import Misuse
from pfnlab.base.toml_text import toml_content
from pfnlab.programs.lang.library import find_program
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.model.model_machine import ModelMachine

_HERE = Path(__file__).parent
#: The calls in a source.
CALLS = _HERE / "calls.json"
#: The groups of callers.
CALLERS = _HERE / "callers.toml"

#: The models that run the programs: one before contexts (with that era's vfio-pci), one with contexts, and
#: the proposal in discussion 000.
MODELS = ("6.1", "7.3", "6.1,tracker=unmap_only")


class Call(msgspec.Struct, frozen=True):
    """A call in a kernel source.

    :param file: ``kernel/resource.c``
    :param function: the function that contains it
    :param called: the function that removes entries
    """

    file: str
    function: str
    called: str

    @property
    def place(self) -> str:
        """``kernel/resource.c: revoke_iomem``, the name of a caller."""
        return f"{self.file}: {self.function}"


class Calls(msgspec.Struct, frozen=True):
    """The calls in one source.

    :param source: ``linux-source-7.3 7.3.4-1~bpo13+1``
    """

    source: str
    calls: Sequence[Call]


class Caller(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Callers that encounter tracked mappings on x86.

    :param places: the calling functions, ``file: function``
    :param title: the subject
    :param mapped: how the mapping is made, and by which driver
    :param when: the event that removes the entries
    :param after: the next access by the task
    :param program: a program in ``litmus/`` that does the same
    """

    places: Sequence[str]
    title: str
    mapped: str
    when: str
    after: str
    program: str


class Other(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Callers that never encounter tracked mappings on x86.

    :param why: the reason
    """

    places: Sequence[str]
    why: str


class CallerTables(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All explained callers."""

    caller: Sequence[Caller]
    other: Sequence[Other]


class ProgramEnd(NamedTuple):
    """A program's end on a model: operations that failed, lines logged, and entries left in the book."""

    refused: str
    logged: str
    left: str

    def __str__(self) -> str:
        left = f"leaves {self.left}" if self.left else ""
        return "; ".join(filter(None, (self.refused, self.logged, left))) or "nothing"


def calls() -> Calls:
    """The calls found in a source."""
    return msgspec.json.decode(CALLS.read_bytes(), type=Calls)


def explained() -> CallerTables:
    """The explained callers.

    :raises Misuse: the file is malformed
    """
    try:
        return msgspec.convert(toml_content(CALLERS.read_text(encoding="utf-8"), CALLERS.name), CallerTables)
    except msgspec.ValidationError as wrong:
        raise Misuse(f"{CALLERS.name}: {wrong}") from None


def faults(found: Calls, read: CallerTables) -> list[str]:
    """List calls with no explanation or with two, and explained calls that do not exist."""
    groups = (*(caller.places for caller in read.caller), *(other.places for other in read.other))
    places = [place for group in groups for place in group]
    there = {call.place for call in found.calls}
    return [
        *(f"{place}: explain it in {CALLERS.name}" for place in sorted(there.difference(places))),
        *(f"{place}: {found.source} has no such call" for place in sorted(set(places) - there)),
        *(f"{place}: explained twice" for place in sorted(set(places)) if places.count(place) > 1),
    ]


def program_end(program: str, model: str) -> ProgramEnd:
    """Run a program from ``litmus/`` on a model; return its failures, log lines and leftovers."""
    run = ModelMachine(model).run_one(load_program(find_program(program)))
    refused = dict.fromkeys(
        f"`{step.op}` {step.result}" for step in run.steps if not step.result.startswith("ok")
    )
    logged = dict.fromkeys(line for step in run.steps for line in step.log)
    return ProgramEnd(", ".join(refused), ", ".join(logged), ", ".join(map(str, run.steps[-1].book or ())))


_INTRO = """\
# Callers that take entries out of mappings which stay

A driver or the memory core may take page-table
entries away while the mapping stays: with zap_vma_ptes() (zap_special_vma_range() and zap_vma() since 7.1),
or with unmap_mapping_range() for all mappings of a file. Where remap_pfn_range() has filled the whole
mapping, its range is in the memtype book, and that is the case in which trackers differ. Kernels up to 6.15
forget the reservation there (A08), later ones keep it until the mapping goes, and the patch of
[discussion 000](story/000.md) loses the way to it.

"""


def page() -> str:
    """The page.

    :raises Misuse: if a call is not explained, or an explained call does not exist
    """
    found, read = calls(), explained()
    for fault in faults(found, read):
        raise Misuse(fault)
    parts = [
        _INTRO,
        f"All {len(found.calls)} calls of {found.source} were read "
        "(`python evidence/tools/read_callers.py`).\n\n",
        "## Tracked mappings\n\n",
        table(("mappings, callers", "made by", "entries go", "next access"), map(_row, read.caller)),
        "\nA program of each shape, with what fails, is logged and left on three models:\n\n",
        table(("mappings", "program", *MODELS), map(_ends, read.caller)),
        "\n## Others\n\nOn x86 these meet no tracked mapping.\n\n",
        table(("callers", "why"), ((_places(other.places), other.why) for other in read.other)),
    ]
    return "".join(parts)


def _row(caller: Caller) -> Sequence[str]:
    return f"{caller.title}<br>{_places(caller.places)}", caller.mapped, caller.when, caller.after


def _ends(caller: Caller) -> Sequence[str]:
    path = find_program(caller.program)
    link = f"[{caller.program}](../litmus/{path.parent.name}/{path.name})"
    return caller.title, link, *(str(program_end(caller.program, model)) for model in MODELS)


def _places(places: Iterable[str]) -> str:
    return code(places)
