"""What walkers find, on kernels and with special bits: shared by the claims of discussion 001."""

from __future__ import annotations

from pages.asking import Finds
from pages.claims.kernels import CTX, LEAVES, Seen
from pages.observed import result
from pfnlab.checker.check import HOLDS

#: The series whose move_pages goes through folio_walk_start, and whose smaps counts copied pages.
FOLIOS = ("6.12", *CTX)

#: move_pages and pagemap of four device pages.
NO_FOLIO = "ok ENOENT ENOENT ENOENT ENOENT"
HIDDEN = "ok soft-dirty soft-dirty soft-dirty soft-dirty"


def move_pages(*, nth: int = 0, against: bool = False) -> Seen:
    """move_pages finds the copied page, and no device page, on each kernel with folio_walk_start."""
    found = "ok ENOENT node0 ENOENT ENOENT"
    return Seen("walkers/walk-move-pages", FOLIOS, "move_pages a", result, found, against=against, nth=nth)


def leaf_moved(level: str, *, against: bool = False) -> Seen:
    """No page of a leaf, ``pmd`` or ``pud``, has a folio."""
    return Seen(f"leaves/{level}-move-pages", LEAVES, "move_pages a[0:4]", result, NO_FOLIO, against=against)


def leaf_walked() -> list[Seen]:
    """What other walkers find in leaves of both sizes: nothing that counts, nothing to take hold of."""
    shown = (
        ("pmd-smaps", "smaps a", "ok a[0:1024] Rss=0"),
        ("pud-smaps", "smaps a", "ok a[0:262144] Rss=0"),
        ("pmd-numa-maps", "numa_maps a", "ok"),
        ("pud-numa-maps", "numa_maps a", "ok"),
        ("pud-pagemap", "pagemap a[0:4]", HIDDEN),
        ("pmd-vm-access", "process_vm_readv a[4]", "EFAULT"),
        ("pud-vm-access", "process_vm_readv a[4]", "EFAULT"),
    )
    return [Seen(f"leaves/{name}", LEAVES, op, result, expected) for name, op, expected in shown]


def special_bits(name: str, *scopes: str) -> list[Finds]:
    """A property with special bits at every place."""
    return [Finds("7.2,walker=special_bits", name, HOLDS, scope=scope) for scope in scopes]
