"""The steps that owners have recently met, in memory shared by forked processes."""

import mmap

#: Places, of 16 bytes each; the system allocates memory only for used ones.
_PLACES = 1 << 20

# Fibonacci hashing: this also spreads small ints, which are their own fingerprints.
_SPREAD, _WORD = 0x9E37_79B9_7F4A_7C15, (1 << 64) - 1


def spread(mark: int) -> int:
    """A 32-bit number that depends on the lower half of *mark*, so that it differs for small ints."""
    return (mark * _SPREAD & _WORD) >> 32


class KnownSteps:
    """A known step to each state, by the state's fingerprint; old entries are forgotten.

    It is shared, without locks, by all processes forked from its maker. A place has the tag of a step, and
    the fingerprint mixed with that tag: if two processes write one place concurrently, the result matches no
    fingerprint.
    """

    def __init__(self) -> None:
        self._places = _PLACES
        # 0 is an empty place, so tags are stored plus one.
        self._words = memoryview(mmap.mmap(-1, 16 * self._places)).cast("B").cast("Q")

    def known(self, mark: int, tag: int) -> bool:
        """True if a step before *tag* is known to lead to the state with fingerprint *mark*.

        Otherwise *tag* is stored, replacing the entry at its place.
        """
        words, stored = self._words, tag + 1
        at = spread(mark) % self._places * 2
        other = words[at]
        if other and other < stored and words[at + 1] ^ (other * _SPREAD & _WORD) == mark:
            return True
        words[at] = stored
        words[at + 1] = mark ^ (stored * _SPREAD & _WORD)
        return False
