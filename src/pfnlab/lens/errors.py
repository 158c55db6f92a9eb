"""The error of the lens."""

from __future__ import annotations

from pfnlab.errors import Undecided


class LensError(Undecided):
    """A kernel's types or memory are not as they should be; the message names structure and place."""
