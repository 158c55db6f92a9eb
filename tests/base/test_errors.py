"""The families of errors."""

from __future__ import annotations

import pickle
from pathlib import Path

from for_each import for_each

import pfnlab
from pfnlab.base.errors import Defect, LostGuest, Misuse, PolicyError, ProgramError, Undecided, no_rule
from pfnlab.base.files import Unreadable


@for_each(
    "error",
    [
        Misuse("no such scope"),
        ProgramError("what is `mmpa`?", source="a.pfn", line=3, column=5),
        PolicyError("own.py", "copied", "returned 3, not None"),
        PolicyError("own.py", None, "defines no tracker"),
        Undecided("no rule"),
        no_rule("a leaf of 1 GiB"),
        LostGuest("it does not answer", "panic", "ok"),
        Defect("cannot be"),
        Unreadable(Path("a.pfn"), "this is not UTF-8"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_an_error_of_another_process_is_the_same_here(error: Exception) -> None:
    """Processes send errors to the one that began them."""
    here = pickle.loads(pickle.dumps(error))

    assert (type(here), str(here), vars(here)) == (type(error), str(error), vars(error))


def test_one_place_says_that_there_is_no_rule() -> None:
    """Others say of what: the words and the kind belong together."""
    package = Path(pfnlab.__file__).parent

    saying = [
        path for path in package.rglob("*.py") if '"the model has no rule for ' in path.read_text("utf-8")
    ]

    assert [package / "base" / "errors.py"] == saying
