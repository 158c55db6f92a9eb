"""The page ``docs/kernel-coverage.md``: functions that programs reach, and why they do not reach others.

``reached.json`` has the functions reached (written by ``evidence/tools/record_coverage.py``), and
``reasons.toml`` has a reason for each function that never ran.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from evidence.pages.markdown import table
from pfnlab.base.errors import Misuse
from pfnlab.base.toml_text import toml_content
from pfnlab.base.units import number_of
from pfnlab.lab.running.kernel_blocks import kernel_files

_HERE = Path(__file__).parent
#: The functions reached.
REACHED = _HERE / "reached.json"
#: The reasons why functions never ran.
REASONS = _HERE / "reasons.toml"


class ReachedFunction(msgspec.Struct, frozen=True):
    """A function that ran.

    :param blocks: how many of its blocks ran
    :param programs: how many programs ran its most frequent block
    """

    blocks: int
    programs: int


class ReachedFunctions(msgspec.Struct, frozen=True):
    """The functions that programs reached.

    :param kernel: the kernel they ran on
    :param command: the command that records the same
    :param programs: how many ran, by kind: ``litmus``, or fuzzer options
    :param functions: by name
    """

    kernel: str
    command: str
    programs: dict[str, int]
    functions: dict[str, ReachedFunction]


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Functions that never ran, with one common reason.

    :param reason: the reason, a sentence
    :param functions: their names
    """

    reason: str
    functions: Sequence[str]


class _ReasonGroups(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    group: Sequence[Group]


def page() -> str:
    """The page.

    :raises Misuse: a function that never ran has no reason, or a reason names an unknown function
    """
    reached = msgspec.json.decode(REACHED.read_bytes(), type=ReachedFunctions)
    content = toml_content(REASONS.read_text(encoding="utf-8"), REASONS.name)
    groups = msgspec.convert(content, type=_ReasonGroups).group
    functions = kernel_files().functions
    reasons = reasons_of(functions, reached.functions, groups)
    return "\n".join([*_head(reached), *_counts(functions, reached), *_files(functions, reached, reasons)])


def reasons_of(
    functions: Mapping[str, Sequence[str]], ran: Mapping[str, object], groups: Sequence[Group]
) -> dict[str, str]:
    """Return the reason for every function that never ran.

    A function that did run may also have a reason, which is not printed.

    :param functions: by file
    :raises Misuse: one has none or two, or a reason names an unknown function
    """
    known = {name for names in functions.values() for name in names}
    reasons: dict[str, str] = {}
    for group in groups:
        for name in group.functions:
            if name not in known:
                raise Misuse(f"{REASONS.name} names {name}, which is no function of these files")
            if name in reasons:
                raise Misuse(f"{REASONS.name} names {name} twice")
            reasons[name] = group.reason
    lacking = sorted(known - ran.keys() - reasons.keys())
    if lacking:
        raise Misuse(f"never reached, and {REASONS.name} does not say why: {', '.join(lacking)}")
    return reasons


def _head(reached: ReachedFunctions) -> Iterator[str]:
    programs = ", ".join(f"{count:,} of `{kind}`" for kind, count in reached.programs.items())
    yield from (
        "# Coverage of the kernel",
        "",
        "This page lists the functions of a real kernel that the programs reach, by source file.",
        f"The kernel is `{reached.kernel}`, a stock kernel; nothing of it was rebuilt.",
        f"These programs ran: {programs} (random programs, by the options of the [fuzzer](fuzz.md)).",
        f"`{reached.command}` records it again.",
        "",
        "A plugin of QEMU's emulator counts the blocks of code that run.",
        "Counts are cleared before every program, so they leave out a guest's boot.",
        "They include the agent's work for a program: it forks the tasks, and they exit.",
        "An inlined function has no symbol and does not count.",
        "Neither does one of the boot alone, or one of several with the same name.",
        "`pfnlab fuzz --coverage kernel` steers random programs by the blocks of the same functions.",
        "",
    )


def _counts(functions: Mapping[str, Sequence[str]], reached: ReachedFunctions) -> Iterator[str]:
    rows = []
    for file, names in functions.items():
        ran = [name for name in names if name in reached.functions]
        blocks = sum(reached.functions[name].blocks for name in ran)
        rows.append((f"`{file}`", str(len(names)), str(len(ran)), str(len(names) - len(ran)), f"{blocks:,}"))
    yield table(("file", "functions", "ran", "never", "blocks that ran"), rows)


def _files(
    functions: Mapping[str, Sequence[str]], reached: ReachedFunctions, reasons: Mapping[str, str]
) -> Iterator[str]:
    for file, names in functions.items():
        ran = [name for name in names if name in reached.functions]
        never: dict[str, list[str]] = {}
        for name in names:
            if name not in reached.functions:
                never.setdefault(reasons[name], []).append(name)
        yield from (f"## {file}", "")
        if ran:
            yield from (f"{number_of(len(ran), 'function')} ran:", "", f"{_named(ran)}.", "")
        if never:
            yield table(
                ("never ran", "reason"), [(_named(missing), reason) for reason, missing in never.items()]
            )


def _named(functions: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in functions)
