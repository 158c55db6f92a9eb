"""One program on many kernels: a row for each, with what is wrong there."""

from pfnlab.present.report.run_result import RunResult, conclusions
from pfnlab.present.report.table import FAILED, HEAD, StyledText, paragraph


def kernel_rows(result: RunResult, width: int, *, name: str = "") -> StyledText:
    """The kernels of *result* in the order given: what is wrong on each, and how many misbehave.

    :param width: columns of the terminal
    :param name: the program's name, where several are printed
    """
    text = StyledText()
    paragraph(text, ": ".join(filter(None, (name, result.program.title))), width, HEAD)
    paragraph(text, result.program.asks, width)
    text.append("\n")
    found = list(conclusions(result))
    label = max(len(run.machine) for run, _ in found)
    for run, wrong in found:
        row = f"{run.machine.ljust(label)}   {wrong or 'nothing is wrong'}"
        paragraph(text, row, width, FAILED if wrong else "", indent=label + 3)
    bad = sum(bool(wrong) for _, wrong in found)
    text.append("\n")
    paragraph(text, f"{bad} of {len(found)} kernels misbehave; --full shows the steps", width)
    return text
