"""The coverage of earlier programs, as a bias for the next: what they have not reached comes more often."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from pfnlab.hunt.fuzz.call_kinds import rows_of
from pfnlab.hunt.fuzz.ranges import touched_level
from pfnlab.programs.lang.ops import Program

#: The factor for the weight of a kind that never followed the last one in its area.
_UNREACHED = 5.0

#: The same under one of the :data:`.call_kinds.CONDITIONS`; and where only the triple is new.
_UNREACHED_UNDER, _UNREACHED_TRIPLE = 3.0, 1.5


class Bias(msgspec.Struct, frozen=True):
    """The coverage of earlier programs, as a bias for the next.

    :param pairs: pairs of kinds in one area that were reached, ``munmap > mremap``
    :param under: by condition, kinds, pairs and triples of kinds that were reached under it
    :param prefixes: programs with new coverage; some of the next programs begin with one of them
    """

    pairs: frozenset[str] = frozenset()
    prefixes: tuple[Program, ...] = ()
    under: dict[str, frozenset[str]] = {}

    def factor(self, before: Iterable[str], kind: str, conditions: Iterable[str]) -> float:
        """The factor for the weight of *kind* where it may follow one of *before* under *conditions*."""
        if not self.pairs:
            return 1.0
        rows = [tuple(rows_of(last, kind)) for last in before]
        factor = _UNREACHED if any(pair not in self.pairs for pair, *_ in rows) else 1.0
        for condition in conditions:
            reached = self.under.get(condition, frozenset())
            if any(pair not in reached for pair, *_ in rows):
                factor *= _UNREACHED_UNDER
            elif any(row not in reached for _, *triple in rows for row in triple):
                factor *= _UNREACHED_TRIPLE
        return factor

    def prefixes_of(self, leaves: bool) -> list[Program]:
        """The prefixes with leaves, or those without: a program with leaves needs a large BAR."""
        return [program for program in self.prefixes if (touched_level(program) > 1) is leaves]


#: Nothing was tried yet.
NO_BIAS = Bias()
