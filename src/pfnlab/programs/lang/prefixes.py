"""Reading the prefixes of an operation line, before its task: ``fail``, ``skip`` and ``hold``."""

from __future__ import annotations

from pfnlab.programs.lang.forced import Fail, Hold, Skip
from pfnlab.programs.lang.lines import Line
from pfnlab.programs.lang.words import PREFIXES


def read_prefixes(line: Line, at: dict[str, int]) -> tuple[Fail | None, Skip | None, Hold | None]:
    """Read all prefixes of an operation line, each at most once and in their order.

    :param at: the columns of the line's fields; those of the prefixes are added
    """
    fail: Fail | None = None
    skip: Skip | None = None
    hold: Hold | None = None
    while line.next in PREFIXES and line.after() != "=":  # before `=` it is refused as a name
        prefix = line.next
        _in_order(line, prefix, [word for word in PREFIXES if word in at])
        at[prefix] = line.column
        line.take()
        function = _function(line, at, prefix)
        if prefix == "fail":
            fail = _fail(line, at, function)
        elif prefix == "skip":
            skip = Skip(function, _nth(line, at, prefix))
        else:
            hold = Hold(function, _nth(line, at, prefix), line.accept("return"))
        line.need(":", PREFIXES[prefix])
    return fail, skip, hold


def _in_order(line: Line, prefix: str, before: list[str]) -> None:
    """Refuse a prefix that is there already, or one that comes too late."""
    if prefix in before:
        line.fail(f"`{prefix}` stands there already: leave out one")
    order = list(PREFIXES)
    later = [word for word in before if order.index(word) > order.index(prefix)]
    if later:
        line.fail(f"`{prefix}` comes before `{later[0]}`: write `{prefix} ...: {later[0]} ...:`")


def _function(line: Line, at: dict[str, int], prefix: str) -> str:
    at[f"{prefix} function"] = line.column
    return line.word("kernel function", PREFIXES[prefix])


def _fail(line: Line, at: dict[str, int], function: str) -> Fail:
    """Read the rest of a forced refusal, whose number must be given."""
    at["fail nth"] = line.column
    nth = line.number_of("number of the call", PREFIXES["fail"])
    inside = None
    if line.accept("in"):
        at["fail inside"] = line.column
        inside = line.word("kernel function", "`fail __pte_alloc 1 in copy_page_range: c = fork`")
    return Fail(function, nth, inside)


def _nth(line: Line, at: dict[str, int], prefix: str) -> int:
    """Read the number of the call; the first one is the default."""
    at[f"{prefix} nth"] = line.column
    return line.number_of("number of the call", PREFIXES[prefix]) if line.kind == "number" else 1
