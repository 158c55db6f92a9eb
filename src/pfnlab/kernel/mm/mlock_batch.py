"""The pages a processor has put aside on their way out of locked memory (mm/mlock.c, S5.10.1)."""

from pfnlab.kernel.hw.pgtable import Page


class MlockBatch:
    """The pages that munlock_folio() put aside: each page keeps a reference until the batch is drained.

    A write to such a page by the last process that maps it copies the page, as if it had another user.
    The program alone does not decide whether the batch has been drained by then: a fault of any process on
    that processor may do it. Hence :attr:`Page.batched` is a question, not an answer; the calls modelled
    here are those that drain it for certain.

    :param drained_by_unmap: munmap, exit and zap drain it, as they did up to 6.12
    """

    def __init__(self, *, drained_by_unmap: bool) -> None:
        self._drained_by_unmap = drained_by_unmap
        self._pages: list[Page] = []

    def add(self, page: Page) -> None:
        """*page* lost an entry in a locked VMA, and others still map it."""
        if not page.batched:
            page.batched = True
            self._pages.append(page)

    def drain(self) -> None:
        """lru_add_drain()."""
        for page in self._pages:
            page.batched = False
        self._pages.clear()

    def unmapped(self) -> None:
        """Entries were cleared and their pages given back."""
        if self._drained_by_unmap:
            self.drain()
