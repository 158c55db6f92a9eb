"""Steps that owners have met recently, in memory shared by forked processes."""

import mmap

#: The number of slots, 16 bytes each; the system allocates memory only for used ones.
_PLACES = 1 << 20

# Fibonacci hashing, which also spreads small ints, as these are their own fingerprints.
_SPREAD, _WORD = 0x9E37_79B9_7F4A_7C15, (1 << 64) - 1


def spread(mark: int) -> int:
    """A 32-bit number that depends on the lower half of *mark*, so that it differs for small ints."""
    return (mark * _SPREAD & _WORD) >> 32


class KnownSteps:
    """For each state's fingerprint, a known step that leads there; old entries are forgotten.

    All processes forked from its creator share it without locks. A slot holds a step's tag, and the
    fingerprint mixed with that tag: if two processes write a slot concurrently, the result matches no
    fingerprint.
    """

    def __init__(self) -> None:
        self._places = _PLACES
        # 0 marks an empty slot, so tags are stored plus one.
        self._words = memoryview(mmap.mmap(-1, 16 * self._places)).cast("B").cast("Q")

    def known(self, mark: int, tag: int) -> bool:
        """True if a step before *tag* is known to lead to the state with fingerprint *mark*.

        Otherwise store *tag*, replacing the entry in its slot.
        """
        words, stored = self._words, tag + 1
        at = spread(mark) % self._places * 2
        other = words[at]
        if other and other < stored and words[at + 1] ^ (other * _SPREAD & _WORD) == mark:
            return True
        words[at] = stored
        words[at + 1] = mark ^ (stored * _SPREAD & _WORD)
        return False
