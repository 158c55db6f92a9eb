"""Lines of the kernel log."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable

import pytest

from pfnlab.base.trace import LogLine


@pytest.mark.parametrize(
    "copied",
    [copy.copy, copy.deepcopy, lambda line: pickle.loads(pickle.dumps(line))],
    ids=["copy", "deep", "pickle"],
)
def test_a_line_is_copied_with_its_level(copied: Callable[[LogLine], LogLine]) -> None:
    """It went to other processes as a plain text does, and could not."""
    line = copied(LogLine("freeing invalid memtype", "info"))

    assert ("freeing invalid memtype", "info") == (line, line.level)
