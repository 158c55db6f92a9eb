"""The small specification that many checkers were measured on, one 64-bit word a state.

A BAR of up to eight pages, at most three VMAs in two processes, and a memtype book of counted reservations.
Its rules (map, munmap whole, head, tail or middle, shrink, fork, exit) are the shared ones; so are the
numbers of states. Runs as it is, or compiled with the types in ``shared_book.pxd`` beside it.

A word, from bit 0: three VMAs of 11 bits (process 2, first page 3, pages 4, reservation 2; all zero is
free), three reservations of 10 bits (first page 3, pages 4, mode 1, count 2; all zero is free), and whether
process 2 lives.
"""

from array import array
from collections.abc import MutableSequence


def _word(bit: int) -> int:
    # Never a literal shifted: compiled, that would be a shift of a C int.
    return 2**bit


RULES = ("a VMA lies inside its reservation", "counts are right", "overlaps have one mode")


class Book:
    """The specification for a BAR of *pages*.

    :param symmetric: states that differ only in the order of VMAs and of reservations count as one
    :param modes: with *symmetric*, the two cache modes are interchangeable too
    """

    def __init__(self, pages: int, symmetric: bool = False, modes: bool = False) -> None:
        self.properties = RULES
        self.pages = pages
        self.symmetric = symmetric
        self.modes = modes
        self.alive = _word(63)
        self._make_maps()
        self._make_cuts()
        self.touched = array("Q", [0] * 1024)
        for mine in range(1024):
            if mine >> 8:
                self.touched[mine] = _pages_of(mine & 127)
        # All maps, and per VMA all cuts and shrinks of it, and the splits, a fork and two exits.
        self.most = 4 * self.ranges + 3 * (pages * (pages + 1)) + 3

    def _make_maps(self) -> None:
        """Every new range: its pages as bits, its VMA (process and reservation left out), its reservation."""
        every = [(off, size) for off in range(self.pages) for size in range(1, self.pages - off + 1)]
        self.ranges = len(every)
        self.map_pages = array("Q", [_pages_of(off | size << 3) for off, size in every])
        self.map_vma = array("Q", [(off | size << 3) << 2 for off, size in every])
        self.map_entry = array("Q", [(off | size << 3) | 256 for off, size in every])

    def _make_cuts(self) -> None:
        """What changes in a VMA, by its first page and pages: differences to be xored in."""
        cuts, splits, rests, shrinks = [], [], [], []
        self.cut_from, self.split_from, self.shrink_from = (array("Q", [0] * 129) for _ in range(3))
        for place in range(128):
            off, size = place & 7, place >> 3
            self.cut_from[place], self.split_from[place] = len(cuts), len(splits)
            self.shrink_from[place] = len(shrinks)
            if off + size > self.pages:
                continue
            for start in range(off, off + size):
                for end in range(start + 1, off + size + 1):
                    head = off | (start - off) << 3
                    tail = end & 7 | (off + size - end) << 3
                    if start == off and end == off + size:
                        continue
                    if start == off:
                        cuts.append((place ^ tail) << 2)
                    elif end == off + size:
                        cuts.append((place ^ head) << 2)
                    else:
                        splits.append((place ^ head) << 2)
                        rests.append(tail << 2)
            shrinks.extend(range(1, size))
        self.cut_from[128], self.split_from[128] = len(cuts), len(splits)
        self.shrink_from[128] = len(shrinks)
        self.cuts, self.splits = array("Q", cuts), array("Q", splits)
        self.rests, self.shrinks = array("Q", rests), array("Q", shrinks)

    def initial(self) -> list[int]:
        """Nothing mapped, one process."""
        return [0]

    def successors(self, state: int, into: MutableSequence[int]) -> int:
        """Write what *state* leads to; how many that is."""
        count = 0
        free = 3
        if state & 3 == 0:
            free = 0
        elif (state >> 11) & 3 == 0:
            free = 1
        elif (state >> 22) & 3 == 0:
            free = 2
        if free < 3:
            count = self._maps(state, free, into)
        for slot in range(3):
            at = 11 * slot
            vma = (state >> at) & 2047
            if vma & 3:
                count = self._cuts(state, at, vma, free, into, count)
        if state & self.alive == 0:
            after = self._forked(state)
            if after != state:
                into[count] = after
                count += 1
        else:
            into[count] = self._exited(state, 2) & (self.alive - 1)
            count += 1
        after = self._exited(state, 1)
        if after != state:
            into[count] = after
            count += 1
        return count

    def _maps(self, state: int, free: int, into: MutableSequence[int]) -> int:
        count = 0
        one = (state >> 33) & 1023
        two = (state >> 43) & 1023
        three = (state >> 53) & 1023
        entry_at = 33
        if one:
            entry_at = 43
            if two:
                entry_at = 53
        # A free entry has no pages; 128 is the mode.
        in_mode = self.touched[one & 895] if one & 128 else 0
        in_mode |= self.touched[two & 895] if two & 128 else 0
        in_mode |= self.touched[three & 895] if three & 128 else 0
        in_other = 0 if one & 128 else self.touched[one]
        in_other |= 0 if two & 128 else self.touched[two]
        in_other |= 0 if three & 128 else self.touched[three]
        vma_at = 11 * free
        base = state | ((entry_at - 33) // 10) << (vma_at + 9)
        size = self.ranges
        tasks = 3 if state & self.alive else 2
        mode = 128
        mode <<= entry_at
        for number in range(size):
            pages = self.map_pages[number]
            new = base | self.map_vma[number] << vma_at | self.map_entry[number] << entry_at
            for task in range(1, tasks):
                after = new | task << vma_at
                if pages & in_mode == 0:
                    into[count] = after
                    count += 1
                if pages & in_other == 0:
                    into[count] = after | mode
                    count += 1
        return count

    def _cuts(self, state: int, at: int, vma: int, free: int, into: MutableSequence[int], count: int) -> int:
        place = (vma >> 2) & 127
        entry_at = 33 + 10 * (vma >> 9)
        entry = (state >> entry_at) & 1023
        one = 256
        one <<= entry_at
        # The whole VMA, with its last reference the reservation.
        whole = state ^ vma << at
        into[count] = whole ^ entry << entry_at if entry < 512 else whole - one
        count += 1
        for number in range(self.cut_from[place], self.cut_from[place + 1]):
            into[count] = state ^ self.cuts[number] << at
            count += 1
        if free < 3:
            more = (state + one) | (vma & 1539) << (11 * free)
            for number in range(self.split_from[place], self.split_from[place + 1]):
                into[count] = (more ^ self.splits[number] << at) | self.rests[number] << (11 * free)
                count += 1
        # A shrink takes the reservation along, when its owner is the only one and both end together.
        first = place & 7
        size = place >> 3
        base = entry & 7
        length = (entry >> 3) & 15
        along = entry < 512 and base + length == first + size
        for number in range(self.shrink_from[place], self.shrink_from[place + 1]):
            left = self.shrinks[number]
            after = state ^ ((size ^ left) << 5) << at
            if along:
                after ^= ((length ^ (first + left - base)) << 3) << entry_at
            into[count] = after
            count += 1
        return count

    def _forked(self, state: int) -> int:
        """Process 1 and a copy of it; *state* when there is no room."""
        mine = 0
        free = 0
        for slot in range(3):
            task = (state >> (11 * slot)) & 3
            mine += task == 1
            free += task == 0
        if mine > free:
            return state
        after = state | self.alive
        free = 0
        for slot in range(3):
            vma = (state >> (11 * slot)) & 2047
            if vma & 3 == 1:
                while (state >> (11 * free)) & 3:
                    free += 1
                vma += 1
                after |= vma << (11 * free)
                free += 1
                one = 256
                after += one << (33 + 10 * (vma >> 9))
        return after

    def _exited(self, state: int, task: int) -> int:
        """*state* without the VMAs of *task*."""
        for slot in range(3):
            vma = (state >> (11 * slot)) & 2047
            if vma & 3 == task:
                entry_at = 33 + 10 * (vma >> 9)
                entry = (state >> entry_at) & 1023
                gone = entry
                if entry >= 512:
                    gone = 256
                state ^= vma << (11 * slot)
                state -= gone << entry_at
        return state

    def canonical(self, states: MutableSequence[int], count: int) -> None:
        """Replace the first *count* of *states* by those that stand for them."""
        if not self.symmetric:
            return
        for number in range(count):
            state = self._sorted(states[number])
            if self.modes:
                # A free reservation has no mode to change.
                other = state
                for slot in range(3):
                    if (state >> (33 + 10 * slot)) & 1023:
                        mode = 128
                        other ^= mode << (33 + 10 * slot)
                other = self._sorted(other)
                if other < state:
                    state = other
            states[number] = state

    def _sorted(self, state: int) -> int:
        """*state* with its slots in order: reservations by what they are and who uses them, VMAs by
        reservation."""
        first = self._group(state, 0)
        second = self._group(state, 1)
        third = self._group(state, 2)
        if first < second:
            first, second = second, first
        if second < third:
            second, third = third, second
        if first < second:
            first, second = second, first
        after = state & self.alive
        slot = 0
        for rank in range(3):
            group = first if rank == 0 else second if rank == 1 else third
            after |= (group >> 27) << (33 + 10 * rank)
            for part in range(3):
                vma = (group >> (18 - 9 * part)) & 511
                if vma:
                    vma |= rank << 9
                    after |= vma << (11 * slot)
                    slot += 1
        return after

    def _group(self, state: int, entry: int) -> int:
        """A reservation and its VMAs, largest first, without the numbers of any."""
        group = (state >> (33 + 10 * entry)) & 1023
        if group == 0:
            return 0
        large = middle = small = 0
        for slot in range(3):
            vma = (state >> (11 * slot)) & 2047
            if vma & 3 and vma >> 9 == entry:
                vma &= 511
                if vma > large:
                    large, middle, small = vma, large, middle
                elif vma > middle:
                    middle, small = vma, middle
                else:
                    small = vma
        return group << 27 | large << 18 | middle << 9 | small

    def broken(self, state: int) -> int:
        """Which rules *state* breaks: 1 a VMA is outside its reservation, 2 a wrong count, 4 two modes
        overlap."""
        wrong = 0
        counts = 0
        for slot in range(3):
            vma = (state >> (11 * slot)) & 2047
            if vma & 3:
                entry = (state >> (33 + 10 * (vma >> 9))) & 1023
                first = (vma >> 2) & 7
                base = entry & 7
                if entry == 0 or first < base or first + (vma >> 5 & 15) > base + (entry >> 3 & 15):
                    wrong |= 1
                counts += 1 << 2 * (vma >> 9)
        one = (state >> 33) & 1023
        two = (state >> 43) & 1023
        three = (state >> 53) & 1023
        if counts != (one >> 8) + (two >> 8) * 4 + (three >> 8) * 16:
            wrong |= 2
        if (
            ((one ^ two) & 128 and self.touched[one] & self.touched[two])
            or ((one ^ three) & 128 and self.touched[one] & self.touched[three])
            or ((two ^ three) & 128 and self.touched[two] & self.touched[three])
        ):
            wrong |= 4
        return wrong

    def action(self, before: int, after: int) -> str:
        """The VMAs before and after."""
        return f"{_vmas(before)} -> {_vmas(after)}"


def _vmas(state: int) -> str:
    words = ((state >> (11 * slot)) & 2047 for slot in range(3))
    return " ".join(
        f"p{vma & 3}[{vma >> 2 & 7}:{(vma >> 2 & 7) + (vma >> 5 & 15)}]r{vma >> 9}"
        for vma in words
        if vma & 3
    )


def _pages_of(place: int) -> int:
    """The pages of a range, as bits."""
    return (2 ** (place >> 3) - 1) << (place & 7)
