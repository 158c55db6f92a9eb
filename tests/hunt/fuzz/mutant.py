"""The definition of a mutant."""

from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """A change of one place of the model.

    :param breaks: what no longer holds
    :param file: below src/pfnlab
    :param old: what stands there, once in the file
    :param new: what stands there instead
    :param series: whose model is broken
    """

    breaks: str
    file: str
    old: str
    new: str
    series: str = "7.2"
