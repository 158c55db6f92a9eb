"""Defects planted in the model at borders: of mappings, of ranges, and of what fails halfway.

Each is right for one mapping alone, or for all pages but one. It takes two mappings next to each other, a
call over both, a last page, a flag or a path of errors.
"""

from __future__ import annotations

from typing import NamedTuple

from mutant import Mutant

from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.sweep.failing_cells import FAILURES
from pfnlab.hunt.sweep.neighbouring_cells import NEIGHBOURS


class BesideMutant(NamedTuple):
    """A defect, and the hunt that looks for it.

    :param options: the options of the hunt, as for ``pfnlab fuzz``
    :param scope: the scope of the sweep that looks for it instead
    """

    mutant: Mutant
    options: tuple[str, ...] = ()
    scope: str = ""

    @property
    def vocabulary(self) -> Vocabulary:
        """The operations that programs may contain."""
        return Vocabulary(**{option.removeprefix("--"): True for option in self.options})


_DRIVER = ("--driver", "--neighbours")


def _defect(breaks: str, file: str, old: str, new: str, *options: str) -> BesideMutant:
    """A defect of 7.3; without options of a hunt, the last word is the scope of a sweep."""
    *words, last = options
    scope = "" if last.startswith("--") else last
    return BesideMutant(Mutant(breaks, file, old, new, "7.3"), tuple(words) if scope else options, scope)


BESIDE: tuple[BesideMutant, ...] = (
    _defect(
        "munmap unmaps what is behind a hole",
        "mm/unmap.py",
        "    vmas = mm.vmas_in(start, end)\n    mm.start_write(*vmas)\n",
        "    vmas = mm.vmas_in(start, end)\n"
        "    vmas = [vma for at, vma in enumerate(vmas) if not at or vmas[at - 1].end == vma.start]\n"
        "    mm.start_write(*vmas)\n",
        "--neighbours",
    ),
    _defect(
        "a revocation reaches both of two mappings that touch on the device",
        "mm/zap.py",
        "        for vma in vmas:\n            start = max(",
        "        for vma in [v for v in vmas if not any(w.pgoff + w.nr == v.pgoff for w in vmas)]:\n"
        "            start = max(",
        *_DRIVER,
    ),
    _defect(
        "a revocation that ends with a mapping has its last page",
        "mm/zap.py",
        "end = min(pages.end, vma.pgoff + vma.nr) - vma.pgoff + vma.start",
        "end = min(pages.end, vma.pgoff + vma.nr - (vma.nr > 1 and pages.end == vma.pgoff + vma.nr))"
        " - vma.pgoff + vma.start",
        *_DRIVER,
    ),
    _defect(
        "a fault on the last page inserts its frame where another mapping follows",
        "mm/users/driver.py",
        "            pfn = vma.pgoff + vpn - vma.start\n            if self.how",
        "            pfn = vma.pgoff + vpn - vma.start\n"
        "            pfn += vpn + 1 == vma.end and vma.mm.vma_lookup(vma.end) is not None\n"
        "            if self.how",
        *_DRIVER,
    ),
    _defect(
        "a look-up does not see the reservation that begins behind the page",
        "mm/memtype.py",
        "overlap = self._entries.first_overlap(paddr, paddr + PAGE_SIZE + self._overhang)",
        "overlap = self._entries.first_overlap(paddr, paddr + PAGE_SIZE + 1)",
        NEIGHBOURS,
    ),
    _defect(
        "a move takes the last entry along where another mapping follows",
        "mm/move_tables.py",
        "            for run in runs:\n"
        "                mm.tables.set(_moved(mm, run, shift))\n"
        "            if runs:",
        "            for run in runs:\n"
        "                if run.end - run.start > 1 and mm.vma_lookup(last + shift) is not None:\n"
        "                    run = run.cut(run.start, run.end - 1)\n"
        "                mm.tables.set(_moved(mm, run, shift))\n"
        "            if runs:",
        "--neighbours",
    ),
    _defect(
        "a mapping stays within the BAR, to its last page",
        "mm/users/pci.py",
        "if not self.bar.contains(pfns):",
        "if not self.bar.contains(pfns._replace(end=max(pfns.start + 1, pfns.end - 1))):",
        "--fixed",
        "--neighbours",
    ),
    _defect(
        "a remap that fails halfway gives its reservation back",
        "policies/trackers/track_ctx.py",
        "        if pfns.nr == vma.nr and vma.pfnmap is not None:\n            vma.pfnmap = None\n"
        "            pfnmap_untrack(self._kernel, pfns)",
        "        if pfns.nr == vma.nr and vma.pfnmap is not None:\n            vma.pfnmap = None",
        "--failures",
    ),
    _defect(
        "a move that fails puts its last page back",
        "mm/mremap.py",
        "_move_entries(new, vma, replace(call, start=to, old=moved), call.start)",
        "_move_entries(new, vma, replace(call, start=to, old=max(0, moved - 1)), call.start)",
        FAILURES,
    ),
    _defect(
        "mlock locks both of two mappings",
        "mm/more/mlock.py",
        "            _mlock_fixup(vma, at, stop, locked)\n            at = stop",
        "            _mlock_fixup(vma, at, stop, locked)\n"
        "            at = end if mm.vma_lookup(stop) is not None and locked else stop",
        "--neighbours",
    ),
    _defect(
        "msync says that there is a hole between two mappings",
        "mm/more/mlock.py",
        "            hole = hole or vma.start > at\n",
        "",
        "--neighbours",
    ),
)
