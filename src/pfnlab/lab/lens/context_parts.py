"""The parts of contexts that VMAs cover, under a tracker that counts frames (``tracker-exact.patch``)."""

from collections.abc import Iterator

from pfnlab.lab.lens.view import KernelView

_VMA, _PART = "struct vm_area_struct", "struct pfnmap_part"


class ContextParts:
    """The parts of contexts that the VMAs of *view* cover.

    There a VMA has no pointer to one context but a tree of parts, ``pfnmap_parts``: of which context
    (``ctx``), from which frame (``first``) to which (``last``). A context is the frames of all its parts;
    every run of them without a gap is one reservation.
    """

    #: The member of ``struct vm_area_struct`` that holds the root of its tree.
    MEMBER = "pfnmap_parts.rb_node"

    def __init__(self, view: KernelView) -> None:
        self._view = view
        self._record = view.layouts.record(
            _PART, "ctx", "first", "last", "vma_node.rb_left", "vma_node.rb_right"
        )
        self._at = view.layouts.offset(_PART, "vma_node")

    @staticmethod
    def has(view: KernelView) -> bool:
        """True where this kernel's VMAs have parts."""
        return view.layouts.has(_VMA, "pfnmap_parts")

    def of(self, root: int) -> Iterator[tuple[int, int, int]]:
        """The parts below the ``rb_node`` *root* of one VMA: context, first frame, one behind the last."""
        for ctx, first, last in self._view.rb_tree(root, self._record, self._at, "part"):
            if first > last:
                raise self._view.error(f"a part of context {ctx:#x} reaches from pfn {first:#x} to {last:#x}")
            yield ctx, first, last + 1
