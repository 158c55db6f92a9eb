"""Modules, options, the processor, and whether the machine is a guest."""

from __future__ import annotations

import gzip
from pathlib import Path

from fake_root import write
from for_each import for_each

from pfnlab.diagnosis.inspector.host_snapshot import Module
from pfnlab.diagnosis.inspector.parsing.machine_facts import (
    guest_of,
    modules,
    options_of,
    processor,
    trimmed_config,
    trimmed_processor,
    unpacked,
)
from pfnlab.diagnosis.inspector.snapshot_bounds import ORDINARY
from pfnlab.diagnosis.inspector.sources.root_folder import RootFolder

CONFIG = b"#\n# Linux\n#\nCONFIG_X86_PAT=y\nCONFIG_USB=m\n# CONFIG_STRICT_DEVMEM is not set\n"


@for_each(
    "data",
    [
        b"drm 1 2 ttm,i915, Live 0xffffffffc0a00000\nttm 1 0 - Live 0x0 (OE)\n",
        b"Module                  Size  Used by\ndrm 1 2 ttm,i915\nttm 1 0\n",
    ],
)
def test_modules_have_their_users(data: bytes) -> None:
    """In /proc/modules and as lsmod prints them."""
    assert (Module("drm", ("ttm", "i915")), Module("ttm")) == modules(data)


@for_each("data", [CONFIG, gzip.compress(CONFIG)])
def test_options_that_matter_stay(data: bytes) -> None:
    """Packed or not; one that is not set is n."""
    text, why = unpacked(data, ORDINARY)

    assert {"CONFIG_X86_PAT": "y", "CONFIG_STRICT_DEVMEM": "n"} == options_of(trimmed_config(text))
    assert not why


@for_each(
    ("data", "says"),
    [
        (gzip.compress(bytes(1 << 25)), "more than 200 times as large"),
        (b"\x1f\x8b\x00", "packing is damaged"),
    ],
)
def test_a_damaged_or_endless_configuration_is_none(data: bytes, says: str) -> None:
    """It is not unpacked as a whole, and what became of it is said."""
    text, why = unpacked(data, ORDINARY)

    assert (b"", True) == (text, says in why), why


def test_the_flags_of_the_first_processor_are_taken() -> None:
    """Those that decide about cache modes, also of what was trimmed."""
    data = b"flags\t: fpu pat mtrr\nflags\t: fpu hypervisor\n"

    assert (("mtrr", "pat"), ("mtrr", "pat")) == (processor(data), processor(trimmed_processor(data)))


@for_each(
    ("kind", "vendor", "flags", "guest"),
    [
        ("xen", "", None, "Xen"),
        ("", "QEMU", ("hypervisor",), "QEMU"),
        ("", "Amazon EC2", ("pat",), ""),
        ("", "Dell Inc.", ("hypervisor", "pat"), "unknown"),
        ("", "", None, ""),
    ],
)
def test_a_guest_is_known_by_what_it_says(
    tmp_path: Path, kind: str, vendor: str, flags: tuple[str, ...] | None, guest: str
) -> None:
    """A vendor of guests has machines of its own too, whose processors have no such flag."""
    for path, content in (("sys/hypervisor/type", kind), ("sys/class/dmi/id/sys_vendor", vendor)):
        write(tmp_path, path, f"{content}\n")

    assert guest == guest_of(RootFolder(tmp_path), flags)
