"""The effects of a kernel's configuration on its behaviour.

The rules ask these fields and no option by name; they are read from a ``.config`` by
:mod:`pfnlab.kernel.policies.kconfig`. A field that says what a program finds, and changes no rule, is asked
    by
:mod:`pfnlab.programs.lang.needs`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Configuration:
    """The configuration of one kernel; without arguments that of the distribution's kernels.

    :ivar soft_dirty: new VMAs are marked soft-dirty, ``sd`` (CONFIG_MEM_SOFT_DIRTY; S13.1)
    :ivar huge_pages: memory is mapped by leaves, and advice about them is known
        (CONFIG_TRANSPARENT_HUGEPAGE; S13.2)
    :ivar ksm: advice to merge pages is known (CONFIG_KSM; S13.3)
    :ivar vma_locks: faults and walks take the lock of a VMA where they can (CONFIG_PER_VMA_LOCK, which
        depends on CONFIG_SMP; S13.4)
    :ivar protection_keys: memory that may be executed alone can be read by nobody
        (CONFIG_X86_INTEL_MEMORY_PROTECTION_KEYS; S13.5)
    :ivar mem_forces: /proc/PID/mem reads and writes memory of any protection
        (CONFIG_PROC_MEM_ALWAYS_FORCE; S13.6); None: as the distribution's kernels of that release
    :ivar pat_info_inlined: the compiler has put get_pat_info() into its callers; None: as in the
        distribution's kernels of that release
    :ivar secret_memory: pages that the kernel itself cannot read (CONFIG_SECRETMEM; S13.10)
    :ivar frees_tables: advice frees page tables (CONFIG_PT_RECLAIM; S13.11)
    :ivar strict_devmem: /dev/mem refuses RAM and claimed memory (CONFIG_STRICT_DEVMEM; S13.7)
    :ivar io_strict_devmem: claimed device memory too, and a claim revokes (CONFIG_IO_STRICT_DEVMEM; S13.8)
    :ivar pat: page attributes, without which there is no book (CONFIG_X86_PAT)
    :ivar memtype_list: the book can be read (CONFIG_DEBUG_FS)
    :ivar devmem: /dev/mem (CONFIG_DEVMEM)
    :ivar page_monitor: smaps and pagemap (CONFIG_PROC_PAGE_MONITOR)
    :ivar nodes: numa_maps and mbind(2) (CONFIG_NUMA)
    :ivar moves_pages: move_pages(2) (CONFIG_NUMA and CONFIG_MIGRATION, CONFIG_NUMA_MIGRATION since 7.2)
    :ivar userfaultfd: userfaultfd(2) (CONFIG_USERFAULTFD)
    :ivar cross_memory: process_vm_writev(2) (CONFIG_CROSS_MEMORY_ATTACH)
    :ivar futex: futex(2) (CONFIG_FUTEX)
    :ivar advice: madvise(2) (CONFIG_ADVISE_SYSCALLS)
    :ivar shmem: shared anonymous memory is shmem (CONFIG_SHMEM)
    :ivar pids_controller: control groups limit processes (CONFIG_CGROUP_PIDS)
    :ivar processors: more than one (CONFIG_SMP)
    :ivar modules: a driver can be loaded (CONFIG_MODULES)
    :ivar zone_device: struct pages for device memory, memremap_pages (CONFIG_ZONE_DEVICE)
    :ivar vfio: devices through vfio-pci (CONFIG_VFIO_PCI)
    :ivar slots: devices come and go (CONFIG_HOTPLUG_PCI_PCIE)
    :ivar kasan: memory and mappings of the kernel have a shadow, which itself needs memory (CONFIG_KASAN)
    """

    soft_dirty: bool = True
    huge_pages: bool = True
    ksm: bool = True
    vma_locks: bool = True
    protection_keys: bool = True
    mem_forces: bool | None = None
    pat_info_inlined: bool | None = None
    secret_memory: bool = True
    frees_tables: bool = True
    strict_devmem: bool = True
    io_strict_devmem: bool = True
    pat: bool = True
    memtype_list: bool = True
    devmem: bool = True
    page_monitor: bool = True
    nodes: bool = True
    moves_pages: bool = True
    userfaultfd: bool = True
    cross_memory: bool = True
    futex: bool = True
    advice: bool = True
    shmem: bool = True
    pids_controller: bool = True
    processors: bool = True
    modules: bool = True
    zone_device: bool = True
    vfio: bool = True
    slots: bool = True
    kasan: bool = False


#: The configuration of the distribution's kernels.
DISTRIBUTION = Configuration()
