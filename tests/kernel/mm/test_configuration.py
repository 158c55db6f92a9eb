"""S13: rules that depend on the configuration, each on kernels with and without its option."""

from __future__ import annotations

from pathlib import Path

import pytest
from configurations import config_text
from for_each import for_each

from pfnlab.kernel.policies.profiles import SERIES
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run

every_series = for_each("series", SERIES)

CROSS = "process_vm_readv or process_vm_writev"
MAPPED = "a = mmap bar[0:4] wc shared rw"


class Configured:
    """Models of kernels without some options; called with a series, the options and a program's lines."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / ".config"

    def __call__(self, series: str, off: tuple[str, ...], *lines: str) -> Run:
        """The run of a program on a BAR of 1024 pages."""
        self._file.write_text(config_text(*off))
        text = "\n".join(("pfnlab program 1", "device bar: pci, 1024 pages", *lines, ""))
        return ModelMachine(f"{series},config={self._file}").run([load_text(text)])[0]


@pytest.fixture
def configured(tmp_path: Path) -> Configured:
    """The models, with a file of their own."""
    return Configured(tmp_path)


def results(run: Run) -> list[str]:
    """The results of a run's operations."""
    return [step.result for step in run.steps[:-1]]


@every_series
def test_without_soft_dirty_no_vma_is_marked(configured: Configured, series: str) -> None:
    """Neither in smaps nor in pagemap (S13.1)."""
    lines = (MAPPED, "pagemap a[0]", "b = mmap anon[0:2] private rw", "mremap b 4 pages", "c = fork")
    marked = configured(series, (), *lines).steps[-2]
    plain = configured(series, ("MEM_SOFT_DIRTY",), *lines).steps[-2]

    assert all("sd" in vma.flags.split() for vma in marked.vmas or ())
    assert marked.vmas and plain.vmas
    assert [] == [vma for vma in plain.vmas if "sd" in vma.flags.split()]
    assert "soft-dirty" not in str(configured(series, ("MEM_SOFT_DIRTY",), *lines).steps[1].value)


@every_series
@for_each("advice", ["hugepage", "nohugepage", "collapse"])
def test_without_huge_pages_their_advice_is_unknown(configured: Configured, series: str, advice: str) -> None:
    """Before the range is looked at: a hole makes no difference (S13.2)."""
    lines = (MAPPED, "munmap a[1]", f"madvise a {advice}")

    assert ["ok", "ok", "EINVAL"] == results(configured(series, ("TRANSPARENT_HUGEPAGE",), *lines))


@every_series
def test_without_huge_pages_a_driver_fills_pages(configured: Configured, series: str) -> None:
    """There is no function to fill a leaf with (S13.2)."""
    lines = ("a = mmap bar[0:512] driver fault_pmd shared rw", "read a[0]")
    run = configured(series, ("TRANSPARENT_HUGEPAGE",), *lines)

    assert [] == [seen for seen in run.steps[1].ptes or () if "2M" in seen.entry]


@every_series
@for_each("advice", ["mergeable", "unmergeable"])
def test_without_ksm_its_advice_is_unknown(configured: Configured, series: str, advice: str) -> None:
    """It has no effect else (S13.3)."""
    lines = (MAPPED, f"madvise a {advice}")

    assert ["ok", "ok"] == results(configured(series, (), *lines))
    assert ["ok", "EINVAL"] == results(configured(series, ("KSM",), *lines))


@every_series
def test_without_keys_no_key_is_given(configured: Configured, series: str) -> None:
    """EINVAL, also where nothing is mapped (S5.13.4)."""
    lines = ("a = mmap bar[0:4] wc shared rw", "munmap a", "pkey_mprotect a rw keyed", "pkey_mprotect a rw")

    without = configured(series, ("X86_INTEL_MEMORY_PROTECTION_KEYS",), *lines)

    assert ["ok", "ok", "EINVAL", "ENOMEM"] == results(without)


@every_series
def test_without_keys_executable_memory_is_read(configured: Configured, series: str) -> None:
    """The processor has no entry that may be executed and not read (S13.5)."""
    lines = (
        *("a = mmap bar[0:4] devmem-sync private x", "read a[0]", "mprotect a rx", "mprotect a x"),
        *("read a[1]", "write a[1] 7", "b = mmap anon[0:2] private x populate", "mlock b"),
    )
    keyed = configured(series, (), *lines)
    plain = configured(series, ("X86_INTEL_MEMORY_PROTECTION_KEYS",), *lines)

    assert ["ok", "EFAULT", "ok", "ok", "EFAULT", "EFAULT", "ok", "ENOMEM"] == results(keyed)
    assert ["ok", "ok", "ok", "ok", "ok", "EFAULT", "ok", "ok"] == results(plain)
    assert "SIGSEGV code=2" == plain.steps[5].value


@every_series
@for_each("off", ["STRICT_DEVMEM", "IO_STRICT_DEVMEM"])
def test_without_its_guard_dev_mem_maps_what_is_claimed(
    configured: Configured, series: str, off: str
) -> None:
    """By a driver (S13.7, S13.8)."""
    lines = ("request_mem_region bar[0:4]", "a = mmap bar[0:4] devmem shared rw")
    guarded, open_ = configured(series, (), *lines), configured(series, (off, "IO_STRICT_DEVMEM"), *lines)

    assert ["ok", "EPERM"] == results(guarded)
    assert ["ok", "ok"] == results(open_)


@every_series
def test_without_strict_io_a_claim_revokes_nothing(configured: Configured, series: str) -> None:
    """What is mapped stays mapped (S13.8)."""
    lines = ("a = mmap bar[0:4] devmem shared rw", "request_mem_region bar[0:4]")
    revoked = configured(series, (), *lines).steps[-2].ptes
    kept = configured(series, ("IO_STRICT_DEVMEM",), *lines).steps[-2].ptes

    assert [] == [seen for seen in revoked or () if seen.target]
    assert [] != [seen for seen in kept or () if seen.target]


@for_each(
    ("off", "lines", "thing"),
    [
        ("CGROUP_PIDS", (MAPPED, "c = fork pids_max"), "pids controller"),
        ("USERFAULTFD", (MAPPED, "userfaultfd a"), "userfaultfd"),
        ("NUMA", (MAPPED, "numa_maps a"), "numa_maps"),
        ("NUMA", (MAPPED, "mbind a bind"), "mbind"),
        ("CROSS_MEMORY_ATTACH", (MAPPED, "process_vm_readv a[0]"), CROSS),
        ("CROSS_MEMORY_ATTACH", (MAPPED, "process_vm_writev a[0] 7"), CROSS),
        ("FUTEX", (MAPPED, "futex_wake a[0]"), "futex"),
        ("ADVISE_SYSCALLS", (MAPPED, "madvise a normal"), "madvise"),
        ("SHMEM", ("a = mmap anon[0:4] shared rw",), "shared memory"),
        ("DEVMEM", ("a = mmap bar[0:4] devmem shared rw",), "/dev/mem"),
        ("VFIO_PCI", ("a = mmap bar vfio shared rw",), "vfio-pci"),
        ("MODULES", ("a = mmap bar driver remap shared rw",), "modules, and so no guest driver"),
        ("ZONE_DEVICE", (MAPPED, "memremap_pages bar[0:512]"), "struct pages of devices"),
        ("HOTPLUG_PCI_PCIE", (MAPPED, "unplug bar"), "hot-plug of PCI devices"),
        ("SMP", (MAPPED, "hold unlink: munmap a", "release"), "second processor"),
        ("TRANSPARENT_HUGEPAGE", ("thp always", MAPPED), "transparent huge pages"),
        ("X86_PAT", (MAPPED,), "PAT"),
        ("DEBUG_FS", (MAPPED,), "list of memtypes"),
        ("PROC_PAGE_MONITOR", (MAPPED,), "smaps"),
    ],
)
def test_what_a_program_needs(configured: Configured, off: str, lines: tuple[str, ...], thing: str) -> None:
    """One clear line where the kernel has not got it, and no steps to compare; else it runs."""
    run = configured("7.2", (off,), *lines)

    assert (f"this kernel has no {thing}: CONFIG_{off} is off", ()) == (str(run.undecided), run.steps)
    assert None is configured("7.2", (), *lines).undecided


def test_who_does_not_use_it_does_not_need_it(configured: Configured) -> None:
    """A program of plain mappings runs on the smallest kernel."""
    off = ("CGROUP_PIDS", "USERFAULTFD", "NUMA", "MIGRATION", "NUMA_MIGRATION", "VFIO_PCI", "SMP", "MODULES")

    assert None is configured("7.2", off, "thp never", MAPPED, "munmap a").undecided


def test_pages_are_moved_where_there_are_nodes_and_migration(configured: Configured) -> None:
    """Two options, or since 7.2 one that says both."""
    run = configured("7.2", ("MIGRATION", "NUMA_MIGRATION"), MAPPED, "move_pages a")

    assert run.undecided is not None
    assert run.undecided.startswith(
        "this kernel has no move_pages: CONFIG_NUMA_MIGRATION or CONFIG_NUMA and "
    )
