"""The reason why a task waits, by the functions it is in."""

from for_each import for_each

from pfnlab.lab.steering.waits import Obstacle, judge, judge_sleeping


@for_each(
    ("need", "functions"),
    [
        (Obstacle.CPU, "smp_call_function_many_cond on_each_cpu_cond_mask flush_tlb_mm_range tlb_finish_mmu"),
        (
            Obstacle.CPU,
            "_raw_spin_rq_lock_nested task_tick asm_sysvec smp_call_function_many_cond unmap_page_range",
        ),
        (Obstacle.MMAP_LOCK, "osq_lock rwsem_down_write_slowpath down_write_killable __vm_munmap"),
        (Obstacle.MMAP_LOCK, "osq_lock rwsem_down_write_slowpath down_write_killable dup_mmap copy_process"),
        (Obstacle.I_MMAP, "rwsem_spin_on_owner rwsem_down_write_slowpath down_write dup_mmap copy_process"),
        (Obstacle.I_MMAP, "rwsem_spin_on_owner rwsem_down_write_slowpath unlink_file_vma free_pgtables"),
        (Obstacle.I_MMAP, "rwsem_down_read_slowpath unmap_mapping_pages unmap_mapping_range pt_ioctl"),
        (Obstacle.PAGE_TABLE, "native_queued_spin_lock_slowpath _raw_spin_lock unmap_page_range unmap_vmas"),
        (
            Obstacle.PAGE_TABLE,
            "native_queued_spin_lock_slowpath _raw_spin_lock mincore_pte_range walk_pgd_range",
        ),
        (Obstacle.PAGE_TABLE, "native_queued_spin_lock_slowpath _raw_spin_lock swapin_walk_pmd_entry"),
        (Obstacle.VMA_LOCK, "__vma_start_write __split_vma vms_gather_munmap_vmas"),
        (Obstacle.BOOK, "native_queued_spin_lock_slowpath _raw_spin_lock memtype_reserve reserve_pfn_range"),
        (Obstacle.MMAP_LOCK, "rwsem_down_write_slowpath down_write_killable __x64_sys_munlock do_syscall_64"),
        (Obstacle.MMAP_LOCK, "rwsem_down_write_slowpath down_write_killable __x64_sys_munlockall"),
        (Obstacle.MMAP_LOCK, "rwsem_down_read_slowpath down_read_killable __x64_sys_msync do_syscall_64"),
        (Obstacle.OTHER_LOCK, "rwsem_down_write_slowpath down_write some_driver"),
        (Obstacle.MMAP_LOCK, "rwsem_down_read_slowpath down_read pfnlab_zap pfnlab_ioctl __x64_sys_ioctl"),
        (
            Obstacle.MEMORY,
            "rwsem_down_read_slowpath down_read vfio_pci_mmap_huge_fault __do_fault do_user_addr_fault",
        ),
        (Obstacle.VFIO_VMAS, "osq_lock __mutex_lock.constprop.0 vfio_pci_mmap_fault __do_fault"),
        (Obstacle.VFIO_VMAS, "mutex_spin_on_owner __mutex_lock vfio_pci_zap_and_vma_lock"),
        (Obstacle.MMAP_LOCK, "rwsem_down_read_slowpath down_read vfio_pci_zap_and_vma_lock vfio_pci_rw"),
        (Obstacle.MEMORY, "rwsem_down_read_slowpath down_read vfio_pci_mmap_fault __do_fault"),
        (Obstacle.NOTHING, "osq_lock __mutex_lock kernel_request pfnlab_ioctl __x64_sys_ioctl"),
        (Obstacle.DEVICE, "mutex_spin_on_owner __mutex_lock device_driver_attach bind_store vfs_write"),
        (Obstacle.DEVICE, "osq_lock __mutex_lock device_release_driver_internal unbind_store vfs_write"),
        (Obstacle.NOTHING, "native_queued_spin_lock_slowpath raw_spin_rq_lock_nested load_balance"),
        (Obstacle.I_MMAP, "rwsem_down_write_slowpath asm_sysvec unlink_file_vma exit_mmap begin_new_exec"),
        (Obstacle.EXEC_UPDATE, "rwsem_down_read_slowpath mm_access __do_sys_process_madvise"),
        (Obstacle.NOTHING, "default_idle do_idle"),
        (Obstacle.NOTHING, ""),
    ],
)
def test_judge(need: Obstacle, functions: str):
    """
    The functions a CPU is in say what it waits for.
    """
    assert need == judge(functions.split()).need


@for_each(
    ("need", "functions"),
    [
        (Obstacle.MMAP_LOCK, "__vm_munmap __x64_sys_munmap do_syscall_64"),
        (Obstacle.MMAP_LOCK, "__x64_sys_munlock do_syscall_64 entry_SYSCALL_64_after_hwframe"),
        (Obstacle.MMAP_LOCK, "lock_next_vma proc_get_vma seq_read_iter"),
        (Obstacle.MMAP_LOCK, "do_pagemap_scan __x64_sys_ioctl do_syscall_64 entry_SYSCALL_64_after_hwframe"),
        (Obstacle.MMAP_LOCK, "show_smaps_rollup seq_read_iter seq_read vfs_read ksys_read"),
        (Obstacle.MMAP_LOCK, "clear_refs_write vfs_write ksys_write do_syscall_64"),
        (Obstacle.MMAP_LOCK, "process_vm_rw_core.constprop.0 process_vm_rw __x64_sys_process_vm_writev"),
        (Obstacle.MMAP_LOCK, "pfnlab_zap pfnlab_ioctl __x64_sys_ioctl do_syscall_64"),
        (Obstacle.MMAP_LOCK, "pfnlab_remap_live pfnlab_ioctl __x64_sys_ioctl do_syscall_64"),
        (Obstacle.I_MMAP, "unmap_mapping_pages revoke_iomem kernel_request pfnlab_ioctl"),
        (Obstacle.VFIO_VMAS, "vfio_pci_mmap_fault __do_fault handle_mm_fault do_user_addr_fault"),
        (Obstacle.VFIO_VMAS, "vfio_pci_mmap_close remove_vma __do_munmap __vm_munmap"),
        (Obstacle.I_MMAP, "unmap_mapping_pages unmap_mapping_range vfio_pci_zap_and_down_write_memory_lock"),
        (
            Obstacle.MEMORY,
            "vfio_pci_zap_and_down_write_memory_lock vfio_basic_config_write vfio_pci_config_rw",
        ),
        (Obstacle.MEMORY, "vfio_basic_config_write vfio_pci_config_rw_single vfio_pci_rw __x64_sys_pwrite64"),
        (Obstacle.OTHER_LOCK, "kernel_request pfnlab_ioctl __x64_sys_ioctl do_syscall_64"),
        (Obstacle.DEVICE, "device_driver_attach bind_store kernfs_fop_write_iter vfs_write ksys_write"),
        (Obstacle.I_MMAP, "unmap_mapping_pages __request_region probe really_probe device_driver_attach"),
    ],
)
def test_judge_sleeping(need: Obstacle, functions: str):
    """
    A sleeping task's functions begin with the one that takes the lock; a request to the guest driver is no
    wait for mmap_lock unless it takes that lock.
    """
    assert need == judge_sleeping(functions.split()).need


@for_each(
    ("need", "functions", "called"),
    [
        (Obstacle.MMAP_LOCK, "vfio_pci_zap_and_vma_lock vfio_basic_config_write", "down_read"),
        (Obstacle.VFIO_VMAS, "vfio_pci_zap_and_vma_lock vfio_basic_config_write", "mutex_lock"),
        (Obstacle.MEMORY, "vfio_pci_mmap_fault __do_fault do_user_addr_fault", "down_read"),
        (Obstacle.VFIO_VMAS, "vfio_pci_mmap_fault __do_fault do_user_addr_fault", "mutex_lock"),
        (Obstacle.VFIO_VMAS, "vfio_pci_mmap_fault __do_fault do_user_addr_fault", "schedule"),
        (Obstacle.OTHER_LOCK, "kernel_request pfnlab_ioctl", "mutex_lock"),
        (Obstacle.MMAP_LOCK, "dup_mmap copy_process kernel_clone", "down_write_killable"),
        (Obstacle.I_MMAP, "dup_mmap copy_process kernel_clone", "down_write"),
        (Obstacle.MMAP_LOCK, "do_mbind kernel_mbind do_syscall_64", "down_write"),
        (Obstacle.CPU, "synchronize_rcu_expedited lru_cache_disable do_mbind", "wait_for_completion"),
        (Obstacle.CPU, "__flush_work __lru_add_drain_all lru_cache_disable do_pages_move", "schedule"),
        (Obstacle.NOTHING, "synchronize_rcu_expedited perf_event_alloc", "wait_for_completion"),
        (
            Obstacle.VMA_LOCK,
            "__vma_start_exclude_readers __vma_start_write dup_mmap copy_process",
            "schedule",
        ),
    ],
)
def test_judge_sleeping_called(need: Obstacle, functions: str, called: str):
    """
    Where a function takes several locks, the one it called for says which a sleeping task waits for.
    """
    assert need == judge_sleeping(functions.split(), called).need


@for_each(
    ("need", "calls_next"),
    [
        (Obstacle.VMA_LOCK, "up_write"),
        (Obstacle.I_MMAP, "vma_interval_tree_insert_after"),
        (Obstacle.I_MMAP, None),
    ],
)
def test_a_semaphore_that_is_given_back_at_once_is_a_vmas_own(need: Obstacle, calls_next: str | None):
    """Up to 6.14 fork takes it, as it takes the lock of a file, with down_write."""
    assert need == judge_sleeping(["copy_process", "kernel_clone"], "down_write", calls_next).need
