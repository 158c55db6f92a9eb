"""The verb ``run``: when a golden is made."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import PROGRAM, Fake, open_with

from pfnlab.programs.runs.golden import golden_path
from pfnlab.verbs.run import RunRequest, perform


def test_a_golden_is_made_once_the_results_were_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """So a result is not lost where the golden cannot be written."""
    open_with(monkeypatch, lambda named, *options: Fake(named.spec))
    path, said = tmp_path / "middle.pfn", list[str]()
    path.write_text(PROGRAM)
    request = RunRequest(programs=(str(path),), on=("qemu:6.1",), promote=True)

    results = perform(request, said.append)

    assert (1, False) == (len(next(results).of_programs), golden_path(path).exists())
    assert [] == list(results)
    assert [f"{golden_path(path)} written"] == said
