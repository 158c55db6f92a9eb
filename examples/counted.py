"""A packed model for `pfnlab check --packed`: two mappings share a reservation, and one counts wrongly.

A state is one number: bits 0 and 1 say which of the two mappings are there, bits 2 to 4 how often the
reservation is counted. To map counts once, to unmap counts back, and by one way to unmap it is forgotten.
"""

from collections.abc import MutableSequence

COUNT = 2
MOST = 7


class Model:
    """The transition system; see docs/check.md, section Packed models."""

    most = 5
    symmetric = False
    properties = ("the count is the number of mappings", "nothing mapped means nothing counted")

    def initial(self) -> list[int]:
        """Nothing is mapped, nothing is counted."""
        return [0]

    def successors(self, state: int, into: MutableSequence[int]) -> int:
        """Map or unmap each of the two."""
        found = 0
        for mapping in range(2):
            bit = 1 << mapping
            if not state & bit and state >> COUNT < MOST:
                into[found] = (state | bit) + (1 << COUNT)
                found += 1
            elif state & bit:
                into[found] = (state & ~bit) - (1 << COUNT) if state >> COUNT else state & ~bit
                found += 1
        if state & 2:
            into[found] = state & ~2
            found += 1
        return found

    def canonical(self, states: MutableSequence[int], count: int) -> None:
        """Nothing is symmetric here."""

    def broken(self, state: int) -> int:
        """Bit 0 for the first property, bit 1 for the second."""
        mapped, counted = (state & 3).bit_count(), state >> COUNT
        return (mapped != counted) | (not mapped and counted > 0) << 1

    def action(self, before: int, after: int) -> str:
        """The name of a step."""
        changed = 0 if (before ^ after) & 1 else 1
        word = "map" if after & 3 > before & 3 else "unmap"
        forgets = word == "unmap" and before >> COUNT == after >> COUNT
        return f"{word} {'ab'[changed]}" + " by its middle" * forgets
