"""A property is one declaration, which is refused if it lacks a part."""

from __future__ import annotations

from types import ModuleType

import pytest
from for_each import for_each

from pfnlab.base.errors import Defect
from pfnlab.programs.runs.kernel_property import KernelProperty, declared, documented

_WHOLE = {"asks": "It holds", "happens": "it does not hold", "noticed": "the reader"}


@for_each("part", list(_WHOLE))
def test_a_declaration_without_a_part_is_refused(part: str) -> None:
    """The message names the property and the part."""
    with pytest.raises(Defect, match=f"property kept: its declaration lacks `{part}`"):
        KernelProperty("kept", **_WHOLE | {part: ""})


def test_a_docstring_says_what_a_property_asks() -> None:
    """Its first paragraph does; the others are for documentation, without the parameters."""

    def kept(step: int) -> bool:
        """It
        holds.

        Not
        everywhere.

        :param step: the step
        """
        return bool(step)

    assert ("kept", "It holds", "Not everywhere.") == documented(kept)


def test_declarations_are_listed_in_their_order() -> None:
    """A second name for one of them is not a second property."""
    module = ModuleType("judges")
    second, first = KernelProperty("second", **_WHOLE), KernelProperty("first", **_WHOLE)
    vars(module).update(first=first, number=1, second=second, again=first)

    assert (first, second) == declared(KernelProperty, module)
