"""VM_PAT with the base pfn supplied by the driver through a hook in its vm_ops (discussion 003).

No VMA grows. When a mapping is unmapped or copied, its driver's hook is called (here sysfs, /proc/bus/pci,
/dev/mem and vfio-pci have it). If the driver has no hook, like the out-of-tree driver in our guests, the pfn
is read from the page tables, as with ``unmap_only``, and is lost once the first entry has been zapped.
"""

from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.unmap_only import UnmapOnly


class DriverHook(UnmapOnly):
    """vm_pat that calls the driver; the hook itself costs one pointer per vm_operations_struct."""

    def _get_pat_info(self, vma: Vma, caller: str) -> tuple[int, int | None]:
        """The pfn that the driver supplies."""
        hook = vma.file.base_pfn if vma.file is not None else None
        if hook is None:
            return super()._get_pat_info(vma, caller)
        return hook(vma), self._prot_of_first(vma)
