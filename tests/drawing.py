"""Random programs for tests: those of the fuzzer."""

from __future__ import annotations

from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.grammar import draw
from pfnlab.programs.lang.ops import Program

#: An index whose programs are none of the rare ones: no large BAR, no device at its end.
_COMMON = 100


def drawn(seed: int, *, driver: bool = False) -> Program:
    """A program for every seed.

    :param driver: with operations of the guest driver
    """
    return draw(seed, _COMMON, Vocabulary(driver=driver))
