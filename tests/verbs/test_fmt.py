"""The verb ``fmt``: the outcome of a check, and what is given back."""

from __future__ import annotations

from pathlib import Path

from asking import PROGRAM

from pfnlab.base.result import Outcome
from pfnlab.verbs.fmt import FmtRequest, perform


def checked(path: Path, text: str) -> Outcome:
    path.write_text(text)
    (result,) = perform(FmtRequest(programs=(str(path),), check=True), print)
    return result.outcome


def test_the_outcome_of_a_check_is_that_of_its_worst_problem(tmp_path: Path) -> None:
    """A text that is no program is misuse, one in another form a discovery."""
    texts = [PROGRAM, f"{PROGRAM}\n\n", "mmap everything\n"]

    outcomes = [checked(tmp_path / "one.pfn", text) for text in texts]

    assert [Outcome.AS_EXPECTED, Outcome.DISCOVERY, Outcome.MISUSE] == outcomes


def test_a_file_that_is_rewritten_has_no_result(tmp_path: Path) -> None:
    """Its text is in the file."""
    path = tmp_path / "one.pfn"
    path.write_text(f"{PROGRAM}\n\n")

    results = list(perform(FmtRequest(programs=(str(path),)), print))

    assert ([], PROGRAM) == (results, path.read_text())
