"""The limits of a check: each kind has its own."""

from __future__ import annotations

from typing import Any

import pytest

from pfnlab.checker.limits import Exhaustive, Walks


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Walks, {"count": 3, "states": 7}),
        (Walks, {"count": 3, "every_order": True}),
        (Exhaustive, {"seed": 1}),
    ],
    ids=str,
)
def test_a_limit_of_another_kind_cannot_be_written(kind: type[Any], fields: dict[str, Any]) -> None:
    """A combination that means nothing is no value."""
    with pytest.raises(TypeError, match="Unexpected keyword argument"):
        kind(**fields)
