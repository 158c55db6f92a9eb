"""Words that every machine may have, so that they say nothing of one: a redacted bundle keeps these alone.

Whoever adds one asks if it could say whose a machine is.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: Drivers and modules that many machines have, of devices with memory, and the frameworks below them.
#: A name with hyphens and one with underscores are the same.
DRIVERS = _words(
    """
    vfio-pci vfio vfio_iommu_type1 vfio_virqfd vfio_pci_core vfio_mdev mdev iommufd pci-stub pciback
    xen-pciback uio uio_pci_generic uio_hv_generic igb_uio kvm kvm_intel kvm_amd irqbypass efifb
    vesafb simplefb simpledrm vesadrm efidrm simple-framebuffer bootfb fb fbcon nouveau nvidia
    nvidia_drm nvidia_modeset nvidia_uvm nvidiafb amdgpu radeon radeonfb i915 xe gma500 intelfb
    mgag200 ast bochs bochs-drm qxl virtio_gpu virtio-pci virtio_pci vmwgfx vboxvideo cirrus
    hyperv_drm hyperv_fb xen-fbfront drm drm_kms_helper drm_ttm_helper drm_vram_helper
    drm_shmem_helper drm_display_helper drm_buddy drm_exec drm_client_lib drm_gpuvm gpu_sched ttm
    agpgart intel_agp amd64_agp intel-gtt video wmi nvme nvme_core ahci libahci libata ata_piix
    ata_generic xhci_hcd xhci_pci ehci_hcd ehci-pci uhci_hcd ohci_hcd ohci-pci sdhci sdhci-pci
    megaraid_sas mpt3sas aacraid hpsa smartpqi lpfc qla2xxx e1000 e1000e igb igc ixgbe ixgbevf i40e
    iavf ice idpf r8169 tg3 bnx2 bnx2x bnxt_en be2net mlx4_core mlx4_en mlx4_ib mlx5_core mlx5_ib
    ib_core ib_uverbs rdma_cm irdma hfi1 qedr efa ena gve virtio_net atlantic sfc iwlwifi ath9k
    ath10k_pci ath11k_pci snd_hda_intel snd_hda_codec snd snd_pcm pcieport shpchp i2c_i801
    i801_smbus i2c_piix4 piix4_smbus lpc_ich ioatdma idxd dsa habanalabs ivpu intel_vpu amdxdna qaic
    gasket hpet serial parport_pc pata_acpi mei mei_me iTCO_wdt intel-lpss proc_thermal amdkfd msr
    nvram dax device_dax kmem nd_pmem dimm efivars edac_core amd_iommu intel_iommu dmar
    """
)

#: Beginnings of names of resources by which the inspector knows whose they are.
TELLING = ("System RAM", "vfio", "pci-stub", "pciback", "uio_pci_generic", "xen-pciback")

#: Names of resources of memory, as an expression; those of drivers count too.
RESOURCES = (
    r"System RAM(?: \(kmem\))?|System ROM|Video ROM|Video RAM area|Adapter ROM|Extension ROM|ROM"
    r"|[Rr]eserved|Unknown E820 type|RAM buffer|PCI Bus [0-9a-f]{4,8}:[0-9a-f]{2}|PCI Bus #[0-9a-f]{2}"
    r"|PCI (?:MMCONFIG|ECAM) [0-9a-f]{4} \[bus [0-9a-f]{2}-[0-9a-f]{2}\]"
    r"|[0-9a-f]{4,8}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"
    r"|Kernel (?:code|rodata|data|bss)|Crash kernel|Soft Reserved|Persistent Memory(?: \(legacy\))?"
    r"|ACPI (?:Tables|Non-volatile Storage)|Local APIC|IOAPIC [0-9]{1,3}|HPET [0-9]{1,2}|dmar[0-9]{1,3}"
    r"|pnp [0-9a-f]{2}:[0-9a-f]{2}|BOOTFB|TPM|Graphics Stolen Memory|vfio sub-page reserved|<BAD>"
    r"|CXL Window [0-9]{1,3}|region[0-9]{1,3}|dax[0-9]{1,3}\.[0-9]{1,3}|namespace[0-9]{1,3}\.[0-9]{1,3}"
)

#: Files of which page frames can be mapped, and areas that are no file; the whole path.
FILES = (
    r"/dev/(?:mem|kfd|hpet|fb[0-9]{1,2}|dri/(?:card|renderD|controlD)[0-9]{1,3}"
    r"|nvidia(?:[0-9]{1,3}|ctl|-modeset|-uvm|-uvm-tools|-nvlink|-nvswitchctl|-caps/nvidia-cap[0-9]{1,3})"
    r"|uio[0-9]{1,3}|infiniband/(?:(?:uverbs|umad|issm)[0-9]{1,3}|rdma_cm)"
    r"|vfio/(?:vfio|(?:noiommu-)?[0-9]{1,5}|devices/vfio[0-9]{1,4})|accel/accel[0-9]{1,3})"
    r"|/proc/bus/pci/(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}/[0-9a-f]{2}\.[0-7]"
    r"|anon_inode:\[vfio-device\]|\[(?:heap|stack|vdso|vvar|vvar_vclock|vsyscall|uprobes)\]"
)

#: Options of the kernel's command line, each with its values.
OPTIONS = (
    r"nopat|nomtrr|nomodeset|(?:disable|enable)_mtrr_cleanup|mtrr_(?:gran|chunk)_size=[0-9]{1,6}[KMG]?"
    r"|mtrr_spare_reg_nr=[0-9]{1,3}|mtrr=debug|iomem=(?:relaxed|strict)"
    r"|debugfs=(?:on|off|no-mount)|lockdown=(?:integrity|confidentiality)|mem=[0-9]{1,6}[KMG]"
    r"|default_hugepagesz=(?:2M|1G)|video=(?:efifb|vesafb|simplefb):off"
    r"|(?:intel|amd)_iommu=(?:on|off|pt|sm_on|sm_off|igfx_off|force_enable|fullflush)"
    r"|iommu=(?:pt|nopt|on|off|force|soft|strict)|iommu\.(?:passthrough|strict)=[01]"
    r"|pci=(?:(?:realloc|realloc=on|realloc=off|nocrs|use_crs|noaer|nomsi|noats|nommconf|assign-busses"
    r"|big_root_window|pcie_bus_perf|pcie_bus_safe),?){1,8}"
    r"|vfio[-_]pci\.ids=[0-9a-f]{4}:[0-9a-f]{4}(?:,[0-9a-f]{4}:[0-9a-f]{4}){0,15}"
    r"|vfio[-_]pci\.(?:disable_vga|disable_idle_d3|nointxmask|enable_sriov)=[01YN]"
    r"|vfio_iommu_type1\.allow_unsafe_interrupts=[01YN]"
)

#: Options of the kernel's configuration, without CONFIG_.
CONFIGURATION = _words(
    """
    X86_PAT MTRR MTRR_SANITIZER STRICT_DEVMEM IO_STRICT_DEVMEM DEVMEM DEBUG_FS DEBUG_FS_ALLOW_ALL
    DEBUG_FS_DISALLOW_MOUNT DEBUG_FS_ALLOW_NONE DEBUG_VM DEBUG_VM_PGTABLE DEBUG_VM_PGFLAGS
    DEBUG_VM_RB DEBUG_VM_MAPLE_TREE VFIO VFIO_PCI VFIO_PCI_CORE VFIO_PCI_VGA VFIO_PCI_MMAP
    VFIO_PCI_INTX VFIO_PCI_IGD VFIO_IOMMU_TYPE1 VFIO_NOIOMMU VFIO_GROUP VFIO_CONTAINER
    VFIO_DEVICE_CDEV VFIO_MDEV VFIO_VIRQFD UIO UIO_PCI_GENERIC UIO_HV_GENERIC FB FB_EFI FB_VESA
    FB_SIMPLE FB_CORE FB_DEVICE SYSFB SYSFB_SIMPLEFB DRM_I915 DRM_XE DRM_AMDGPU DRM_RADEON
    DRM_NOUVEAU DRM_AST DRM_MGAG200 DRM_BOCHS DRM_QXL DRM_VIRTIO_GPU DRM_VMWGFX DRM_SIMPLEDRM
    DRM_TTM DRM_FBDEV_EMULATION DRM_ACCEL PROC_KCORE PROC_PAGE_MONITOR PROC_VMCORE XEN XEN_PV
    XEN_PVH XEN_PVHVM XEN_DOM0 HYPERVISOR_GUEST KVM_GUEST SECURITY_LOCKDOWN_LSM
    SECURITY_LOCKDOWN_LSM_EARLY TRANSPARENT_HUGEPAGE TRANSPARENT_HUGEPAGE_ALWAYS
    TRANSPARENT_HUGEPAGE_MADVISE AMD_MEM_ENCRYPT INTEL_TDX_GUEST HAVE_IOREMAP_PROT GENERIC_IOREMAP
    KPTI RANDOMIZE_MEMORY
    """
)

#: A release of a kernel as distributions name theirs; what follows it is somebody's own.
RELEASE = (
    r"[0-9]{1,2}\.[0-9]{1,3}(?:\.[0-9]{1,3})?(?:-rc[0-9]{1,2})?(?:\+deb[0-9]{1,2})?(?:-[0-9]{1,4}(?:\.[0-9]{1,3}){0,4})?"
    r"(?:-(?:cloud-amd64|rt-amd64|amd64|generic|lowlatency|default|pve|aws|azure|gcp|kvm|oracle|lts|zen|arch1))?"
    r"(?:\.(?:fc|el)[0-9]{1,2}(?:_[0-9]{1,2})?\.x86_64)?"
)

#: Hypervisors as the kernel names them in its log.
HYPERVISORS = frozenset(
    ("KVM", "VMware", "Microsoft Hyper-V", "Xen HVM", "Xen PV", "Xen PVH", "ACRN", "Jailhouse", "Bhyve")
)

#: Folders of debugfs, by which it is seen to be mounted.
DEBUGFS = _words(
    """
    x86 tracing sched bdi block dri kprobes slab swiotlb acpi usb clk extfrag memblock
    """
)

#: Source files of the kernel that warnings of PFN mappings name.
SOURCES = _words(
    """
    mm/memory.c mm/mmap.c mm/mremap.c mm/vma.c mm/huge_memory.c mm/memremap.c mm/rmap.c mm/gup.c
    mm/mprotect.c include/linux/mmap_lock.h kernel/resource.c kernel/iomem.c kernel/memremap.c
    kernel/fork.c arch/x86/mm/pat.c arch/x86/mm/pat/memtype.c arch/x86/mm/pat/set_memory.c
    arch/x86/mm/ioremap.c arch/x86/mm/pageattr.c arch/x86/mm/pgtable.c
    drivers/vfio/pci/vfio_pci_core.c
    """
)

#: Reasons of the system for what is not read, and ours.
REASONS = frozenset(
    (
        *("No such file or directory", "Permission denied", "Operation not permitted", "Is a directory"),
        *("Not a directory", "No such process", "No such device", "Input/output error", "not collected"),
        *(
            "not in the bundle",
            "not in the report",
            "no journalctl",
            "the journal shows nothing of the kernel",
        ),
    )
)
