"""Modules, options, the processor, and whether the machine is a guest."""

from __future__ import annotations

import gzip
from pathlib import Path

from fake_root import write
from for_each import for_each

from pfnlab.diagnosis.inspector.host_snapshot import Module
from pfnlab.diagnosis.inspector.parsing.machine_facts import (
    guest_of,
    hypervisor,
    log_lines,
    modules,
    mtrr_default,
    options_of,
    pat_configuration,
    processor,
    trimmed_config,
    trimmed_processor,
    version,
)
from pfnlab.diagnosis.inspector.parsing.text_files import ORDINARY, unpacked
from pfnlab.diagnosis.inspector.sources.root_folder import RootFolder
from pfnlab.kernel.hw.mtrr import MtrrType
from pfnlab.kernel.hw.pat import FULL_PAT, NO_PAT

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
        (b"\x1f\x8b\x00", "packing ends too early"),
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


@for_each(
    "data",
    [
        b"6,5,93000001,-;x86/PAT: a\n SUBSYSTEM=pci\n6,6,94000000,c,caller=T1;b\n",
        b"[   93.000001] x86/PAT: a\n[   94.000000] b\n",
    ],
)
def test_records_and_printed_lines_are_the_same_lines(data: bytes) -> None:
    """Fields of a record are no lines."""
    assert ("[   93.000001] x86/PAT: a", "[   94.000000] b") == log_lines(data)


def test_of_a_journal_lines_of_the_kernel_stay() -> None:
    """With the names before them."""
    data = b"-- Boot 1 --\nNov 1 h kernel: a\nNov 1 h sshd[1]: b\n"

    assert ("Nov 1 h kernel: a",) == log_lines(data)


def test_the_last_configuration_holds() -> None:
    """A kernel prints a second one where the first had to be given up."""
    lines = (FULL_PAT.boot_line(), f"[    0.1] {NO_PAT.boot_line()}")

    assert NO_PAT == pat_configuration(lines)


@for_each(
    "line", ["x86/PAT: Configuration [0-7]: WC  WC  UC- UC  WB  WP  UC- WT", "PAT: Configuration [0-7]: WB"]
)
def test_a_configuration_that_cannot_be_is_none(line: str) -> None:
    """Slot 0 is WB, and there are eight."""
    assert pat_configuration((line,)) is None


def test_the_log_names_version_hypervisor_and_default_type() -> None:
    """Each by the line that the kernel prints at boot."""
    lines = (
        "Linux version 6.1.0-26-amd64 (a@b)",
        "MTRR default type: uncachable",
        "Hypervisor detected: KVM ",
    )

    assert ("6.1.0-26-amd64", MtrrType.UC, "KVM") == (version(lines), mtrr_default(lines), hypervisor(lines))


def test_an_empty_log_says_nothing() -> None:
    """It was overwritten, perhaps."""
    assert ("", None, "", None) == (version(()), mtrr_default(()), hypervisor(()), pat_configuration(()))
