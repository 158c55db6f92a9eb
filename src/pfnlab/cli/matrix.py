"""``pfnlab matrix``: recorded behaviour of real kernels against the model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pfnlab.inert import one_line
from pfnlab.progress import working
from pfnlab.units import number_of


def predict(files: Sequence[Path], *, as_json: bool, jobs: int | None = None) -> int:
    """Print how many recorded cases the model predicts; 1 when one is predicted wrongly.

    :param jobs: processes at a time; None for as many as there are processors
    """
    from pfnlab.programs.recorded.matrix import predict_files

    with working("predicting recorded cases") as work:
        result = predict_files(files, jobs, work)
    if as_json:
        print(result.as_json())
    else:
        print(
            f"{number_of(result.cases, 'case')}: "
            f"{result.exact:,} exact, {result.waiting:,} waiting, {result.wrong:,} wrong"
        )
        for detail in result.details:
            print(one_line(detail))
    return result.outcome.value
