"""A tracker of our own: every VMA has its own reservation, of what it covers.

A mapping that is cut has two entries in the book afterwards, and a child has entries beside its parent's.
"""

from pfnlab.design import PAGE_SIZE, PfnRange, Tracked, lookup_prot, pfn_to_phys


class PerVma:
    """``vma.pfnmap`` is ours to use: here the frames a VMA has reserved, or None."""

    END_MATCH = False
    BYTES_PER_VMA = 16
    BYTES_PER_CONTEXT = 0

    def __init__(self, kernel):
        self.kernel = kernel

    # A mapping is made.

    def remap_pfn_range(self, vma, start, pfns, prot):
        if start == vma.start and pfns.nr == vma.nr:
            prot = self.reserve(pfns, prot)
            vma.pfnmap = pfns
            return prot
        return lookup_prot(self.kernel.book, pfns, prot)

    def remap_pfn_range_failed(self, vma, pfns):
        if vma.pfnmap == pfns:
            self.vm_area_free(vma)

    def vmf_insert_pfn(self, vma, vpn, pfns, prot):
        return lookup_prot(self.kernel.book, PfnRange(pfns.start, pfns.start + 1), prot)

    # It is taken apart, copied, moved.

    def may_split(self, vma, at):
        pass

    def vm_area_dup(self, orig, new):
        if orig.pfnmap is None:
            return
        first = orig.pfnmap.start + new.pgoff - orig.pgoff
        new.pfnmap = PfnRange(first, first + new.nr)
        self.reserve(new.pfnmap, lookup_prot(self.kernel.book, new.pfnmap, 0))

    def split_vma(self, lower, upper):
        if lower.pfnmap is None:
            return
        whole = lower.pfnmap
        middle = whole.start + lower.nr
        lower.pfnmap = self.shrink(whole, PfnRange(whole.start, middle))
        upper.pfnmap = self.shrink(whole, PfnRange(middle, whole.end))

    def copy_page_range(self, dst, src):
        pass

    def copy_page_range_failed(self, dst, src):
        pass

    # It goes.

    def zap_page_range_single(self, vma, start, end):
        pass

    def zap_page_range_single_flushed(self, vma, start, end):
        pass

    def unmap_vmas(self, vma):
        pass

    def move_vma(self, old, new):
        pass

    def vm_area_free(self, vma):
        if vma.pfnmap is not None:
            self.shrink(vma.pfnmap, None)
            vma.pfnmap = None

    # There is no VMA: a driver makes struct pages of a device.

    def memremap_pages(self, pfns, prot):
        return self.reserve(pfns, prot)

    def memunmap_pages(self, pfns):
        self.shrink(pfns, None)

    # What an observer and a test may ask.

    def tracked(self, vmas):
        return [Tracked([vma], vma.pfnmap) for vma in vmas if vma.pfnmap is not None]

    def _check(self, vmas):
        for vma in vmas:
            assert vma.pfnmap is None or vma.pfnmap.nr == vma.nr, vma

    # The book counts in bytes.

    def reserve(self, pfns, prot):
        book, who = self.kernel.book, self.kernel.who
        size = pfns.nr * PAGE_SIZE
        return book.reserve_pfn_range(pfn_to_phys(pfns.start), size, prot, strict=False, who=who)

    def shrink(self, pfns, rest):
        book, who = self.kernel.book, self.kernel.who
        kept = [rest] if rest is not None else []
        book.shrink_pfn_range(pfn_to_phys(pfns.start), pfns.nr * PAGE_SIZE, kept, who=who)
        return rest
