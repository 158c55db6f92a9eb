"""The shared specification with a mistake in it, which searches find."""

from __future__ import annotations

import shared_book


class Shrinking(shared_book.Book):
    """The mistake of the old rule: a shrink takes the reservation along whoever else refers to it."""

    def broken(self, state: int) -> int:
        # As seen by somebody who takes two VMAs of process 1 with one reservation for broken.
        wrong = super().broken(state)
        owners = [(state >> (11 * slot)) & 2047 for slot in range(3)]
        mine = [vma >> 9 for vma in owners if vma & 3 == 1]
        return wrong | (2 if len(mine) > len(set(mine)) else 0)
