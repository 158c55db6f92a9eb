"""The result of a check, as text and as one JSON object (``pfnlab-check/1``)."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from pfnlab.checker.check import HOLDS, UNDECIDED, VIOLATED, CheckResult, PropertyResult
from pfnlab.checker.differ import DifferResult
from pfnlab.checker.kernel.scope import Scope
from pfnlab.made import made
from pfnlab.programs.lang.layout import format_text
from pfnlab.programs.lang.ops import Program, is_held
from pfnlab.programs.lang.printer import format_program, op_lines
from pfnlab.programs.model.machine import ModelMachine
from pfnlab.units import number_of

#: The value of ``format``.
FORMAT = "pfnlab-check/1"
DIFFER_FORMAT = "pfnlab-differ/1"

_INDENT = " " * 14


def program_text(program: Program) -> str:
    """A program as a file of its own."""
    return format_text(format_program(program), "counterexample")


def check_object(checked: CheckResult, confirmed: dict[str, dict[str, str]] | None = None) -> dict[str, Any]:
    """The object for one machine; keys are only ever added.

    :param confirmed: for every property with a counterexample, the statement of each real machine
    """
    return {
        "format": FORMAT,
        "made": made(),
        "machine": checked.machine,
        "scope": checked.scope,
        "states": checked.states,
        "transitions": checked.transitions,
        "depth": checked.depth,
        "complete": checked.complete,
        "cut": list(checked.cut),
        "properties": [
            _answer_item(answer, (confirmed or {}).get(answer.name)) for answer in checked.answers
        ],
        "fired": checked.fired,
        "untaken": None if checked.untaken is None else list(checked.untaken),
        "growth": list(checked.growth),
        "ended": checked.ended,
        "swarm": [msgspec.to_builtins(member) for member in checked.swarm],
        "seconds": round(checked.seconds, 3),
    }


def _answer_item(answer: PropertyResult, confirmed: dict[str, str] | None) -> dict[str, Any]:
    item: dict[str, Any] = {
        "name": answer.name,
        "kind": answer.kind,
        "asks": answer.asks,
        "verdict": answer.verdict,
        "arose": answer.arose,
        "path": answer.path,
        "schedule": list(answer.schedule),
        "replay": answer.replay,
        "program": None if answer.program is None else program_text(answer.program),
    }
    if confirmed is not None:
        item["confirmed"] = confirmed
    return item


def check_lines(checked: CheckResult, confirmed: dict[str, dict[str, str]] | None = None) -> Iterator[str]:
    """The report as lines: the search, the verdicts, and the gaps of the search."""
    yield f"{checked.machine}, scope {checked.scope}: {_bound(checked)}"
    yield (
        f"{number_of(checked.states, 'state')}, {number_of(checked.transitions, 'step')}, "
        f"{checked.seconds:.1f} s ({checked.rate:,.0f} states/s)"
    )
    yield ""
    width = max(len(answer.name) for answer in checked.answers)
    for answer in checked.answers:
        yield f"{_word(answer, checked):<12}  {answer.name:<{width}}  {answer.asks}"
        yield from (f"{_INDENT}{line}" for line in answer.schedule)
        if answer.schedule and answer.program is not None:
            held = "with one held task" if is_held(answer.program) else "without a held task"
            yield f"{_INDENT}as a program {held}:"
        if answer.program is not None:
            yield from (f"{_INDENT}{line}" for line in op_lines(answer.program))
        for machine, verdict in (confirmed or {}).get(answer.name, {}).items():
            yield f"{_INDENT}{machine}: {verdict}"
        if answer.verdict == VIOLATED and answer.replay is not None:
            # A line of its own from its first column on: who selects that line has the command.
            yield "  again:"
            yield f"pfnlab replay {answer.replay}"
    yield from _emptiness(checked)
    for number, member in enumerate(checked.swarm):
        without = f", without {', '.join(member.without)}" if member.without else ""
        violated = f"; violated {', '.join(member.violated)}" if member.violated else ""
        yield f"search {number}: {number_of(member.states, 'state')}{without}{violated}"
    for reason in checked.cut:
        yield f"cut: {reason}"


def differ_object(machines: Sequence[ModelMachine], scope: Scope, result: DifferResult) -> dict[str, Any]:
    """The object of a difference search."""
    difference = result.difference
    return {
        "format": DIFFER_FORMAT,
        "made": made(),
        "machines": [f"model:{machine.spec}" for machine in machines],
        "scope": scope.name,
        "states": result.states,
        "transitions": result.transitions,
        "depth": result.depth,
        "complete": result.complete,
        "cut": list(result.cut),
        "differ": [] if difference is None else list(difference.fields),
        "program": None if difference is None else program_text(difference.program),
        "seconds": round(result.seconds, 3),
    }


def differ_lines(machines: Sequence[ModelMachine], scope: Scope, result: DifferResult) -> Iterator[str]:
    """The result of a difference search, before the program's runs."""
    names = " and ".join(f"model:{machine.spec}" for machine in machines)
    yield f"{names}, scope {scope.name}: {number_of(result.states, 'state')}, {result.seconds:.1f} s"
    if result.difference is None:
        word = "do the same" if result.complete else "did the same as far as the search came"
        yield f"they {word} in every sequence of at most {number_of(result.depth, 'operation')}"
    else:
        yield f"they part in {', '.join(result.difference.fields)}"
        yield ""
    yield from (f"cut: {reason}" for reason in result.cut)


def _bound(checked: CheckResult) -> str:
    if checked.ended:
        return f"every sequence of operations, for no state is farther than {checked.depth}"
    return f"at most {number_of(checked.depth, 'operation')}"


def _word(answer: PropertyResult, checked: CheckResult) -> str:
    if answer.kind == "sometimes":
        return {HOLDS: "reached", VIOLATED: "NEVER", UNDECIDED: "undecided"}[answer.verdict]
    if answer.vacuous:
        return "never asked"
    if answer.verdict == HOLDS and checked.ended:
        return "always"
    return answer.verdict.upper() if answer.verdict == VIOLATED else answer.verdict


def _emptiness(checked: CheckResult) -> Iterator[str]:
    """The gaps of the search: operations that never succeeded, and branches not taken."""
    kinds = [kind for kind, results in checked.fired.items() if "ok" not in results]
    yield ""
    for kind in kinds:
        results = ", ".join(f"{result} {count:,}" for result, count in checked.fired[kind].items())
        yield f"never ok: {kind} ({results})"
    counts = (f"{kind} {sum(results.values()):,}" for kind, results in checked.fired.items())
    yield from (f"not taken: {branch}" for branch in checked.untaken or ())
    yield from textwrap.wrap("steps: " + ", ".join(counts), 110, subsequent_indent="       ")
