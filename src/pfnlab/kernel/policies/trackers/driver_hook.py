"""VM_PAT with the base pfn supplied by the driver, through a hook in its vm_ops (discussion 003).

No VMA grows; a driver that has the hook (sysfs, /proc/bus/pci, /dev/mem, vfio-pci here) is called when its
mapping is unmapped or copied. For one without it, e.g. the out-of-tree driver of our guests, the pfn is read
from the page tables, as with ``unmap_only``, and lost once the first entry was zapped.
"""

from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.unmap_only import UnmapOnly


class DriverHook(UnmapOnly):
    """vm_pat that calls the driver; the hook itself costs each vm_operations_struct a pointer."""

    def _get_pat_info(self, vma: Vma, caller: str) -> tuple[int, int | None]:
        """The driver's pfn."""
        hook = vma.file.base_pfn if vma.file is not None else None
        if hook is None:
            return super()._get_pat_info(vma, caller)
        return hook(vma), self._prot_of_first(vma)
