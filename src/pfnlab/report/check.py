"""The result of a check as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from pfnlab.checker.check import HOLDS, SHOWN_APART, VIOLATED, CheckResult, PropertyResult
from pfnlab.checker.differ import DifferResult
from pfnlab.programs.lang.ops import is_held
from pfnlab.programs.lang.printer import op_lines
from pfnlab.result import beside
from pfnlab.units import number_of

_INDENT = " " * 14


def check_lines(checked: CheckResult) -> Iterator[str]:
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
        program = answer.program
        if answer.schedule and program is not None:
            held = "with one held task" if is_held(program) else "without a held task"
            yield f"{_INDENT}as a program {held}:"
        if program is not None:
            yield from (f"{_INDENT}{line}" for line in op_lines(program))
        for machine, verdict in (answer.confirmed or {}).items():
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
    yield from (f"{name}: {value}" for name, value in beside(checked, SHOWN_APART).items() if value)


def differ_lines(result: DifferResult) -> Iterator[str]:
    """The result of a difference search, before the program's runs."""
    names = " and ".join(result.machines)
    yield f"{names}, scope {result.scope}: {number_of(result.states, 'state')}, {result.seconds:.1f} s"
    if not result.differ:
        word = "do the same" if result.complete else "did the same as far as the search came"
        yield f"they {word} in every sequence of at most {number_of(result.depth, 'operation')}"
    else:
        yield f"they part in {', '.join(result.differ)}"
        yield ""
    yield from (f"cut: {reason}" for reason in result.cut)


def _bound(checked: CheckResult) -> str:
    if checked.ended:
        return f"every sequence of operations, for no state is farther than {checked.depth}"
    return f"at most {number_of(checked.depth, 'operation')}"


def _word(answer: PropertyResult, checked: CheckResult) -> str:
    return "always" if answer.word == HOLDS and checked.ended else answer.word


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
