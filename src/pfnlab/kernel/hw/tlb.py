"""The translations that one processor has cached, which it uses until they are flushed (S8.3)."""

from pfnlab.kernel.hw.bits import PAGE_ACCESSED, PAGE_DIRTY
from pfnlab.kernel.hw.entry import pte_write
from pfnlab.kernel.hw.pgtable import EntryRun, PageTables


class Tlb:
    """A translation lookaside buffer of unlimited size: the translations used since the last flush.

    :ivar flushed: how many flushes there were, including those of an empty buffer;
        informational, not part of the state
    """

    def __init__(self) -> None:
        self._entries: dict[int, EntryRun] = {}
        self._aged: set[int] = set()
        self._spared: set[int] = set()
        self.flushed = 0

    def state(self) -> list[EntryRun]:
        """All translations, one page each, in the order in which they were filled."""
        return list(self._entries.values())

    def lookup(self, vpn: int, write: bool) -> EntryRun | None:
        """The translation for page *vpn*; None if missing, or if a first write has to walk the tables."""
        entry = self._entries.get(vpn)
        if entry is None or (write and not (pte_write(entry.bits) and entry.bits & PAGE_DIRTY)):
            return None
        return entry

    def remembers(self, vpn: int) -> bool:
        """True if page *vpn* has a translation, whatever access it allows."""
        return vpn in self._entries

    def fill(self, entry: EntryRun, *, unused: bool = False) -> None:
        """Cache the one-page *entry* that a walk found.

        :param unused: whether the entry has since lost its accessed mark
        """
        self._entries[entry.start] = entry
        (self._aged.add if unused else self._aged.discard)(entry.start)
        self._spared.discard(entry.start)

    def age(self, tables: PageTables) -> None:
        """Note which translations have an entry in *tables* that is no longer marked as accessed."""
        for vpn in self._entries:
            entry = tables.entry(vpn)
            if entry is not None and not entry.bits & PAGE_ACCESSED:
                self._aged.add(vpn)

    def seems_unused(self, vpn: int) -> bool:
        """True if the entry has lost its accessed mark since the walk cached it."""
        return vpn in self._aged

    def was_spared(self, vpn: int) -> bool:
        """True if the translation survived a flush of other pages."""
        return vpn in self._spared

    def flush(self, start: int | None = None, end: int | None = None) -> None:
        """Flush pages ``[start, end)``, or everything."""
        self.flushed += 1
        if not self._entries:
            return
        if start is None or end is None:
            self._entries.clear()
            self._aged.clear()
            self._spared.clear()
        else:
            for vpn in [vpn for vpn in self._entries if start <= vpn < end]:
                del self._entries[vpn]
                self._aged.discard(vpn)
            self._spared = set(self._entries)

    def stale(self, tables: PageTables) -> list[EntryRun]:
        """The translations that differ from *tables*, or whose entry is gone."""
        return [
            translation
            for vpn, translation in self._entries.items()
            if (entry := tables.entry(vpn)) is None
            or (entry.pfn, entry.page) != (translation.pfn, translation.page)
        ]
