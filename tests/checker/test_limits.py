"""The limits of a check: each kind has its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pfnlab.checker.limits import Exhaustive, Swarm, Walks


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Walks, {"count": 3, "memory": 1 << 20}),
        (Walks, {"count": 3, "checkpoint": Path("cut")}),
        (Walks, {"count": 3, "searches": 2}),
        (Swarm, {"searches": 3, "memory": 1 << 20}),
        (Swarm, {"searches": 3, "checkpoint": Path("cut")}),
        (Swarm, {"searches": 3, "guided": True}),
        (Exhaustive, {"seed": 1}),
        (Exhaustive, {"guided": True}),
    ],
    ids=str,
)
def test_a_limit_of_another_kind_cannot_be_written(kind: type[Any], fields: dict[str, Any]) -> None:
    """A combination that means nothing is no value."""
    with pytest.raises(TypeError, match="Unexpected keyword argument"):
        kind(**fields)
