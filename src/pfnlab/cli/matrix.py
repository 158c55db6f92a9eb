"""The output of ``pfnlab matrix``."""

from __future__ import annotations

from collections.abc import Iterable

from pfnlab.inert import one_line
from pfnlab.programs.recorded.matrix import MatrixResult
from pfnlab.units import number_of
from pfnlab.verbs.matrix import MatrixRequest


def show_cases(request: MatrixRequest, results: Iterable[MatrixResult]) -> None:
    """Print how many recorded cases the model predicts, and a line for each that it does not."""
    for result in results:
        if request.as_json:
            print(result.as_json())
            continue
        print(
            f"{number_of(result.cases, 'case')}: "
            f"{result.exact:,} exact, {result.waiting:,} waiting, {result.wrong:,} wrong"
        )
        for detail in result.details:
            print(one_line(detail))
