"""What the lens says when it cannot see."""

from __future__ import annotations

from pfnlab.errors import Undecided


class LensError(Undecided):
    """A kernel's types or memory cannot be read as what they should be; the message says what and where."""
