"""The ordered structure alone: many blocks, long among short entries, and a cost that stays low."""

from memtype_machine import UC_MINUS, WC

from pfnlab.kernel.mm.memtype_interval import LOAD, MemtypeEntry, MemtypeIntervals

SHORT = [MemtypeEntry(i * 8, i * 8 + 4, WC) for i in range(5 * LOAD)]
LONG = MemtypeEntry(0, len(SHORT) * 8, WC)


def test_loading_keeps_the_order_of_equals() -> None:
    """Entries read from a kernel stay in its order where they start together."""
    twins = [MemtypeEntry(0, 8, WC), MemtypeEntry(0, 6, WC), MemtypeEntry(0, 7, WC)]

    intervals = MemtypeIntervals(twins)

    assert twins == list(intervals)
    intervals._check()


def test_loading_and_inserting_agree() -> None:
    """Five blocks full make the same sequence at once and one by one, from either end."""
    forwards, backwards = MemtypeIntervals(), MemtypeIntervals()

    for entry in SHORT:
        forwards.insert(*entry)
    for entry in reversed(SHORT):
        backwards.insert(*entry)

    assert SHORT == list(MemtypeIntervals(SHORT)) == list(forwards) == list(backwards)
    forwards._check()
    backwards._check()


def test_a_long_entry_is_found_from_every_block() -> None:
    """A gap between short entries overlaps the one long entry that began far before."""
    intervals = MemtypeIntervals(SHORT)
    intervals.insert(*LONG)

    found = {intervals.first_overlap(entry.end, entry.end + 4) for entry in SHORT}

    assert {LONG} == found
    intervals._check()


def test_without_the_long_entry_gaps_are_gaps() -> None:
    """Taking the long entry out leaves no trace of its end in any block."""
    intervals = MemtypeIntervals(SHORT)
    intervals.insert(*LONG)

    removed = intervals.remove(LONG.start, LONG.end)

    assert LONG == removed
    assert {None} == {intervals.first_overlap(entry.end, entry.end + 4) for entry in SHORT}
    intervals._check()


def test_the_one_of_another_type_is_found_blocks_away() -> None:
    """Blocks of one type are passed over to the only entry that differs."""
    intervals = MemtypeIntervals(SHORT[:-3])
    odd = MemtypeEntry(SHORT[-1].start, SHORT[-1].end, UC_MINUS)
    intervals.insert(*odd)

    assert odd == intervals.first_other(0, LONG.end, WC)
    assert None is intervals.first_other(0, odd.start, WC)
    intervals._check()


def test_nothing_is_left_when_everything_is_removed() -> None:
    """Blocks that run empty go, and the structure works on from nothing."""
    intervals = MemtypeIntervals(SHORT)

    for entry in SHORT:
        intervals.remove(entry.start, entry.end)

    assert (0, []) == (len(intervals), list(intervals))
    intervals.insert(*LONG)
    assert [LONG] == list(intervals)
    intervals._check()
