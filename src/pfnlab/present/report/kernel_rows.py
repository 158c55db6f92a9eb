"""One program on many kernels: a row for each, with the problems found there."""

from collections.abc import Iterator

from pfnlab.checker.scopes.state_judges import no_leak
from pfnlab.present.report.known_reasons import KnownReason, bugs_without_violation
from pfnlab.present.report.run_result import expect_text, leaked_at_end
from pfnlab.present.report.table import FAILED, HEAD, StyledText, paragraph
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.observation import Run


def kernel_rows(result: RunResult, width: int, *, name: str = "") -> StyledText:
    """Return a row for each kernel in *result*, in the order given: its problems, and how many misbehave.

    :param width: the terminal's width in columns
    :param name: the program's name, if several programs are printed
    """
    text = StyledText()
    paragraph(text, ": ".join(filter(None, (name, result.program.title))), width, HEAD)
    paragraph(text, result.program.asks, width)
    text.append("\n")
    label = max(len(run.machine) for run in result.runs)
    bad = undecided = 0
    for run in result.runs:
        wrong = "; ".join(_faults(result, run))
        bad += bool(wrong)
        undecided += run.unfinished is not None and not wrong
        shown = "".join(f"; known bug {one.number}" for one in bugs_without_violation(result, run))
        says = f"{wrong or run.unfinished or 'no leak, no violation'}{shown}"
        row = f"{run.machine.ljust(label)}   {says}"
        paragraph(text, row, width, FAILED if wrong else "", indent=label + 3)
    text.append("\n")
    more = f", {undecided} did not finish" if undecided else ""
    paragraph(text, f"{bad} of {len(result.runs)} kernels misbehave{more}; --full shows the steps", width)
    return text


def _faults(result: RunResult, run: Run) -> Iterator[str]:
    """Yield the faults in one run, each with the number of its reason."""
    reasons: dict[str, dict[str, None]] = {}
    for one in run.violations:
        known = KnownReason.of(one.known or "", [run])
        reasons.setdefault(one.name, {})[f"{known.number}{known.fixed}"] = None
    if left := leaked_at_end(run, result):
        yield f"LEAK {', '.join(left)}{_in_brackets(reasons.pop(no_leak.name, {}))}"
    for name, known_as in reasons.items():
        yield f"{name}{_in_brackets(known_as)}"
    yield from (f"alarm: {alarm.title}" for machine, alarm in result.alarms if machine == run.machine)
    failed = (one for one in result.expectations if one.machine == run.machine and one.holds is False)
    yield from (f"not as expected: {expect_text(one)}" for one in failed)


def _in_brackets(words: dict[str, None]) -> str:
    said = "; ".join(filter(None, words))
    return f" ({said})" if said else ""
