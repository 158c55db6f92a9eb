"""The ways in which a kernel's configuration changes its behaviour.

The rules read these fields, never an option by name; :mod:`pfnlab.kernel.policies.kconfig` reads them from a
``.config`` and lists the options behind each field. A field that no rule reads still affects what a program
finds at run time; :mod:`pfnlab.programs.lang.needs` reads it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Configuration:
    """The configuration of one kernel; without arguments, the one used by the distribution's kernels.

    :ivar soft_dirty: new VMAs are marked soft-dirty, ``sd`` (CONFIG_MEM_SOFT_DIRTY; S13.1)
    :ivar huge_pages: memory may be mapped by leaves, and advice about them is supported
        (CONFIG_TRANSPARENT_HUGEPAGE; S13.2)
    :ivar ksm: advice to merge pages is supported (CONFIG_KSM; S13.3)
    :ivar vma_locks: faults and walks take a per-VMA lock where possible (CONFIG_PER_VMA_LOCK, which
        depends on CONFIG_SMP; S13.4)
    :ivar protection_keys: execute-only memory cannot be read (CONFIG_X86_INTEL_MEMORY_PROTECTION_KEYS; S13.5)
    :ivar mem_forces: /proc/PID/mem reads and writes memory whatever its protection
        (CONFIG_PROC_MEM_ALWAYS_FORCE; S13.6); None: as in the distribution's kernels for that release
    :ivar pat_info_inlined: the compiler inlined get_pat_info() into its callers; None: as in the
        distribution's kernels for that release
    :ivar secret_memory: there can be pages that the kernel itself cannot read (CONFIG_SECRETMEM; S13.10)
    :ivar frees_tables: advice frees page tables (CONFIG_PT_RECLAIM; S13.11)
    :ivar strict_devmem: /dev/mem refuses RAM and claimed memory (CONFIG_STRICT_DEVMEM; S13.7)
    :ivar io_strict_devmem: /dev/mem refuses claimed device memory too, and a claim revokes mappings
        (CONFIG_IO_STRICT_DEVMEM; S13.8)
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
