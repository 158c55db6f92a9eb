"""The batch of pages that left locked memory."""

from pfnlab.kernel.hw.pgtable import Page
from pfnlab.kernel.mm.mlock_batch import MlockBatch


def test_a_page_is_batched_until_the_batch_is_drained() -> None:
    """However often it left locked memory."""
    batch, page = MlockBatch(drained_by_unmap=False), Page(0)

    batch.add(page)
    batch.add(page)
    batch.unmapped()
    held = page.batched
    batch.drain()

    assert (True, False) == (held, page.batched)


def test_unmapping_may_drain_it() -> None:
    """As it did up to 6.12."""
    batch, page = MlockBatch(drained_by_unmap=True), Page(0)

    batch.add(page)
    batch.unmapped()

    assert not page.batched
