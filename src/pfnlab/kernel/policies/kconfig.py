"""A kernel's ``.config`` as a :class:`~pfnlab.kernel.mm.configuration.Configuration`, and its effects."""

import gzip
import io
import re
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from pfnlab.base.errors import Misuse
from pfnlab.base.files import MOST_WRITTEN, Unreadable, read_bytes
from pfnlab.kernel.mm.configuration import Configuration
from pfnlab.kernel.mm.profile import Profile

#: The options behind each field, which is on if every option of one of its alternatives is set.
OPTIONS: dict[str, tuple[tuple[str, ...], ...]] = {
    "soft_dirty": (("MEM_SOFT_DIRTY",),),
    "huge_pages": (("TRANSPARENT_HUGEPAGE",),),
    "ksm": (("KSM",),),
    "vma_locks": (("PER_VMA_LOCK",),),
    "protection_keys": (("X86_INTEL_MEMORY_PROTECTION_KEYS",),),
    "secret_memory": (("SECRETMEM",),),
    "frees_tables": (("PT_RECLAIM",),),
    "strict_devmem": (("STRICT_DEVMEM",),),
    "io_strict_devmem": (("IO_STRICT_DEVMEM",),),
    "pat": (("X86_PAT",),),
    "memtype_list": (("DEBUG_FS",),),
    "devmem": (("DEVMEM",),),
    "page_monitor": (("PROC_PAGE_MONITOR",),),
    "nodes": (("NUMA",),),
    "moves_pages": (("NUMA_MIGRATION",), ("NUMA", "MIGRATION")),
    "userfaultfd": (("USERFAULTFD",),),
    "cross_memory": (("CROSS_MEMORY_ATTACH",),),
    "futex": (("FUTEX",),),
    "advice": (("ADVISE_SYSCALLS",),),
    "shmem": (("SHMEM",),),
    "pids_controller": (("CGROUP_PIDS",),),
    "processors": (("SMP",),),
    "modules": (("MODULES",),),
    "zone_device": (("ZONE_DEVICE",),),
    "vfio": (("VFIO_PCI",),),
    "slots": (("HOTPLUG_PCI_PCIE",),),
    "kasan": (("KASAN",),),
}

#: The other choices for forced access through /proc/PID/mem; older kernels lack them and always force.
_FORCES_NOT = ("PROC_MEM_FORCE_PTRACE", "PROC_MEM_NO_FORCE")

#: Profile switches that are on only if a configuration field is.
_NEEDED_BY = {
    "huge_pages": ("huge_pfnmap", "huge_faults_ignore_thp"),
    "frees_tables": ("zap_frees_tables", "zap_flushes_behind"),
    "secret_memory": ("fast_lookup_wants_a_file",),
    "vma_locks": (
        "faults_drop_the_vma_lock",
        "zapping_advice_locks_vmas",
        "guarding_advice_locks_vmas",
        "smaps_locks_vmas",
    ),
}

_SET = re.compile(r"^CONFIG_(?P<name>\w+)=[ym]$", re.M)
_CHOSEN = re.compile(r"^CONFIG_(?P<name>\w+)=(?P<value>[ym])$", re.M)

#: The option that is set in every configuration of a modelled kernel.
_ARCHITECTURE = "X86_64"

_GZIP = b"\x1f\x8b"


def read_configuration(text: str) -> Configuration:
    """The configuration described by the text of a ``.config``; options that it does not set are off.

    :raises Misuse: if it is not the configuration of an x86-64 kernel
    """
    options = frozenset(_SET.findall(text))
    if _ARCHITECTURE not in options:
        raise Misuse(
            f"not an x86-64 kernel configuration, no line CONFIG_{_ARCHITECTURE}=y: give "
            "the .config of its build folder, /boot/config-* or /proc/config.gz"
        )
    on = {
        field: any(options.issuperset(alternative) for alternative in alternatives)
        for field, alternatives in OPTIONS.items()
    }
    return Configuration(mem_forces=options.isdisjoint(_FORCES_NOT), **on)


def configuration_of(path: Path) -> Configuration:
    """The configuration in a ``.config`` file, which may be gzipped.

    :raises Misuse: if the file cannot be read or is not a configuration; the message names the file
    """
    return _read(path)[1]


def options_of(path: Path) -> dict[str, str]:
    """The options that a file sets, each with ``y`` or ``m``: ``{"X86_PAT": "y"}``.

    :raises Misuse: as :func:`configuration_of`
    """
    return dict(_CHOSEN.findall(_read(path)[0]))


def _read(path: Path) -> tuple[str, Configuration]:
    """The text of a configuration, which can be read only once from a pipe, and what it says."""
    text = _text_of(path)
    try:
        return text, read_configuration(text)
    except Misuse as trouble:
        raise Unreadable(path, str(trouble)) from None


def _text_of(path: Path) -> str:
    content = read_bytes(path, "configuration", MOST_WRITTEN)
    if content.startswith(_GZIP):
        try:
            # Decompress no more than the size limit for any file, as a small one could expand to any size.
            with gzip.open(io.BytesIO(content)) as file:
                content = file.read(MOST_WRITTEN)
        except (OSError, EOFError, zlib.error):
            raise Unreadable(path, "this is a damaged gzip file: give the .config itself") from None
    return content.decode(errors="replace")


def configured(profile: Profile, configuration: Configuration) -> Profile:
    """*profile* for a kernel with this configuration."""
    changed: dict[str, Any] = {
        switch: False
        for field, switches in _NEEDED_BY.items()
        if not getattr(configuration, field)
        for switch in switches
    }
    for field in ("mem_forces", "pat_info_inlined"):
        if (said := getattr(configuration, field)) is not None:
            changed[field] = said
    return replace(profile, configuration=configuration, **changed)


@cache
def option_names(field: str) -> str:
    """The options behind a field, as messages name them: ``CONFIG_NUMA and CONFIG_MIGRATION``."""
    return " or ".join(
        " and ".join(f"CONFIG_{name}" for name in alternative) for alternative in OPTIONS[field]
    )
