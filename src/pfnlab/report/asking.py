"""The questions behind a claim: the result of a program, the verdict of a search, the cost of a policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from pfnlab.policies.trackers import TRACKERS
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.model.machine import ModelMachine
from pfnlab.programs.runs.observation import Step
from pfnlab.report.markdown import code
from pfnlab.report.searches import searched
from pfnlab.units import number_of

_HEAD = "pfnlab program 1\ndevice bar: pci, 16 pages\n\n"


class QuestionResult(NamedTuple):
    """The answer to one question.

    :param machine: the machine asked
    :param asked: the program, or the property and its scope
    :param shown: the result
    :param right: whether it equals the prediction of the claim
    """

    machine: str
    asked: str
    shown: str
    right: bool


Asks = Callable[[], QuestionResult]


def shows(machine: str, lines: Sequence[str], observed: Callable[[Step], str], predicted: str) -> Asks:
    """The last operation of a program shows *predicted*."""

    def ask() -> QuestionResult:
        text = "\n".join(lines)
        run = ModelMachine(machine).run_one(load_text(f"{_HEAD}{text}\n"), check=True)
        shown = observed(run.steps[-2])
        return QuestionResult(machine, code(lines), shown, shown == predicted)

    return ask


def property_is(machine: str, name: str, predicted: str, scope: str = "standard") -> Asks:
    """A search finds *predicted* of a property: holds or violated."""

    def ask() -> QuestionResult:
        (answer,) = (candidate for candidate in searched(machine, scope).answers if candidate.name == name)
        shown = f"{name} {answer.verdict}"
        if answer.schedule and answer.length is not None:
            shown += f" by {number_of(answer.length, 'turn')}"
        elif answer.program is not None:
            shown += f" by {code(op_lines(answer.program))}"
        return QuestionResult(machine, f"`{name}` in the scope `{scope}`", shown, answer.verdict == predicted)

    return ask


def costs(tracker: str, predicted: int) -> Asks:
    """A tracker needs so many bytes in every VMA."""

    def ask() -> QuestionResult:
        price = TRACKERS[tracker].BYTES_PER_VMA
        return QuestionResult(f"7.2,tracker={tracker}", "bytes a VMA", str(price), price == predicted)

    return ask


# The parts of a step to compare.


def result(step: Step) -> str:
    """``ok`` or an errno."""
    return step.result


def value(step: Step) -> str:
    """The value it returned."""
    return str(step.value)


def book(step: Step) -> str:
    """The book."""
    return ", ".join(map(str, step.book or ())) or "nothing"


def log(step: Step) -> str:
    """The kernel's log lines."""
    return "; ".join(step.log) or "nothing"


def entry(step: Step) -> str:
    """The mode of the first entry of a."""
    return next((pte.entry.split()[1] for pte in step.ptes or () if pte.span.start == 0), "none")


def counted(step: Step) -> str:
    """Anonymous memory in smaps."""
    return f"{sum(vma.anonymous for vma in step.vmas or ())} kB"


def flushes(step: Step) -> str:
    """How often it flushed."""
    return str(step.flushes)
