"""The pages a processor has batched on their way out of locked memory (mm/mlock.c, S5.10.1)."""

from pfnlab.kernel.hw.pgtable import Page


class MlockBatch:
    """The pages batched by munlock_folio(): each page keeps a reference until the batch is drained.

    If the last process that maps such a page writes to it, the page is copied as if it had another user.
    The program alone does not determine whether the batch has been drained by then: a fault of any process
    on that processor may do it. :attr:`Page.batched` therefore means "possibly"; the calls modelled
    here are those that certainly drain it.

    :param drained_by_unmap: munmap, exit and zap drain it, as up to 6.12
    """

    def __init__(self, *, drained_by_unmap: bool) -> None:
        self._drained_by_unmap = drained_by_unmap
        self._pages: list[Page] = []

    def add(self, page: Page) -> None:
        """Record that *page* lost an entry in a locked VMA but is still mapped."""
        if not page.batched:
            page.batched = True
            self._pages.append(page)

    def drain(self) -> None:
        """lru_add_drain()."""
        for page in self._pages:
            page.batched = False
        self._pages.clear()

    def unmapped(self) -> None:
        """Called when entries were cleared and their pages released."""
        if self._drained_by_unmap:
            self.drain()
