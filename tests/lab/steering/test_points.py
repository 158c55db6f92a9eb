"""Points of a kernel's code as text, and who counts there."""

import pytest

from pfnlab.errors import Misuse
from pfnlab.lab.steering.points import Caller, Place


@pytest.mark.parametrize("text", ["free_pgtables", "untrack_pfn#2", "f:ret", "f#3:ret"])
def test_place_reads_what_it_writes(text: str):
    """
    A place is the same in text and as an object.
    """
    assert text == str(Place.parse(text))


@pytest.mark.parametrize("text", ["", "f#", "f#0", "f#x", "f:exit", "#1", "f:"])
def test_place_wrong(text: str):
    """
    What is no place is refused with what to write.
    """
    with pytest.raises(Misuse, match="write `f`"):
        Place.parse(text)


def test_caller_of_nobody():
    """
    Calls of everybody cannot be asked for.
    """
    with pytest.raises(Misuse, match="name the CPU or the process"):
        Caller()
