"""The translations that a processor remembers."""

from __future__ import annotations

from pfnlab.kernel.hw.bits import PAGE_ACCESSED, PAGE_DIRTY, PAGE_PRESENT, PAGE_RW
from pfnlab.kernel.hw.pgtable import EntryRun, PageTables
from pfnlab.kernel.hw.tlb import Tlb

READ = EntryRun(5, 6, 100, PAGE_PRESENT | PAGE_RW)
WRITTEN = READ._replace(bits=READ.bits | PAGE_DIRTY)


def test_a_translation_answers_when_the_entry_is_gone():
    """What was walked once is answered without the page tables."""
    tlb = Tlb()
    tlb.fill(READ)

    assert READ == tlb.lookup(5, write=False)


def test_a_first_write_walks():
    """A translation that was read cannot be written through: the entry has to be marked dirty."""
    tlb = Tlb()
    tlb.fill(READ)

    assert tlb.lookup(5, write=True) is None


def test_a_second_write_does_not_walk():
    """A translation of a dirty, writable entry serves writes."""
    tlb = Tlb()
    tlb.fill(WRITTEN)

    assert WRITTEN == tlb.lookup(5, write=True)


def test_what_seems_unused_is_known_until_it_is_walked():
    """A translation of an entry that is still marked as accessed does not seem so."""
    tlb, tables = Tlb(), PageTables()
    for vpn, bits in ((5, 0), (6, PAGE_ACCESSED)):
        used = EntryRun(vpn, vpn + 1, 100 + vpn, READ.bits | PAGE_ACCESSED)
        tables.set(used._replace(bits=READ.bits | bits))
        tlb.fill(used)

    tlb.age(tables)

    assert [True, False] == [tlb.seems_unused(vpn) for vpn in (5, 6)]
    tlb.fill(READ)
    assert not tlb.seems_unused(5)


def test_a_flush_of_the_range():
    """What lies in the range is forgotten."""
    tlb = Tlb()
    tlb.fill(READ)
    tlb.flush(5, 6)

    assert tlb.lookup(5, write=False) is None


def test_a_flush_beside_the_range():
    """What lies outside is kept."""
    tlb = Tlb()
    tlb.fill(READ)
    tlb.flush(6, 9)

    assert READ == tlb.lookup(5, write=False)


def test_a_whole_flush():
    """Everything is forgotten."""
    tlb = Tlb()
    tlb.fill(READ)
    tlb.flush()

    assert tlb.lookup(5, write=False) is None


def test_stale_where_the_entry_is_empty():
    """A translation whose entry was cleared is stale."""
    tlb = Tlb()
    tlb.fill(READ)

    assert [READ] == tlb.stale(PageTables())


def test_stale_where_the_frame_is_another():
    """A translation whose entry maps another frame is stale."""
    tlb, tables = Tlb(), PageTables()
    tlb.fill(READ)
    tables.set(READ._replace(pfn=101))

    assert [READ] == tlb.stale(tables)


def test_not_stale_where_only_bits_changed():
    """Permissions may be raised without a flush: the frame is what counts."""
    tlb, tables = Tlb(), PageTables()
    tlb.fill(READ)
    tables.set(WRITTEN)

    assert [] == tlb.stale(tables)


def test_every_flush_is_counted():
    """Of a part, and of everything, whatever there was to forget."""
    tlb = Tlb()
    tlb.flush(5, 6)
    tlb.flush()

    assert 2 == tlb.flushed


def test_a_translation_is_spared_by_a_flush_of_other_pages():
    """Until it is walked anew."""
    tlb = Tlb()
    tlb.fill(READ)
    before = tlb.was_spared(5)
    tlb.flush(6, 7)
    spared = tlb.was_spared(5)
    tlb.fill(READ)

    assert (False, True, False) == (before, spared, tlb.was_spared(5))


def test_nothing_is_spared_by_a_whole_flush():
    """Nor is what was flushed itself."""
    tlb = Tlb()
    tlb.fill(READ)
    tlb.flush(5, 6)
    alone = tlb.was_spared(5)
    tlb.fill(READ)
    tlb.flush(6, 7)
    tlb.flush()

    assert (False, False) == (alone, tlb.was_spared(5))
