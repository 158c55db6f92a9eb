"""Families are data: the files are read whole, and a wrong one is refused with the place."""

from __future__ import annotations

import pytest

from pfnlab.base.errors import Defect
from pfnlab.diagnosis.messages.family_files import families, read_families

_LEAST = """
[[family]]
name = "one"
title = "One"
group = "other"
verdict = "harmless"
meaning = "It is one. It is no more."
"""
_WORDING = """
[[family.wording]]
text = "one {pid}"
"""


def test_the_least_family_is_read() -> None:
    """Name, title, group, verdict, meaning and a wording are enough."""
    assert ["one"] == [one.name for one in read_families(_LEAST + _WORDING, "some.toml")]


def test_a_family_without_a_wording_is_refused() -> None:
    """No line could be of it."""
    with pytest.raises(Defect, match=r"some\.toml.*wording"):
        read_families(_LEAST, "some.toml")


def test_an_unknown_key_is_refused() -> None:
    """A key that is spelt wrongly is no silent nothing."""
    with pytest.raises(Defect, match=r"some\.toml.*radux"):
        read_families(_LEAST + _WORDING + "radux = 16", "some.toml")


def test_the_files_that_come_with_pfnlab_are_read() -> None:
    """Each name stands for one family."""
    assert len({one.name for one in families()}) == len(families()) > 1
