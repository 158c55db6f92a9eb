"""Pages leaving locked memory, which a processor has batched (mm/mlock.c, S5.10.1)."""

from pfnlab.kernel.hw.pgtable import Page


class MlockBatch:
    """The pages batched by munlock_folio(): the batch keeps a reference to each page until it is drained.

    If the last process that maps such a page writes to it, the page is copied as if it had another user. The
    program alone does not determine whether the batch has been drained by then, since a fault by any process
    on that processor may drain it. :attr:`Page.batched` therefore means "possibly"; the calls modelled here
    are those that certainly drain it.

    :param drained_by_unmap: munmap, exit and zap drain it, as up to 6.12
    """

    def __init__(self, *, drained_by_unmap: bool) -> None:
        self._drained_by_unmap = drained_by_unmap
        self._pages: list[Page] = []

    def add(self, page: Page) -> None:
        """Record that *page* has lost an entry in a locked VMA but is still mapped."""
        if not page.batched:
            page.batched = True
            self._pages.append(page)

    def drain(self) -> None:
        """lru_add_drain()."""
        for page in self._pages:
            page.batched = False
        self._pages.clear()

    def unmapped(self) -> None:
        """Called after entries were cleared and their pages released."""
        if self._drained_by_unmap:
            self.drain()
