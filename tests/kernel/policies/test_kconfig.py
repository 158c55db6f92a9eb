"""A kernel's .config is read, and its profile follows."""

from __future__ import annotations

import gzip
import os
import threading
from dataclasses import fields, replace
from pathlib import Path

import pytest
from configurations import config_text
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.kernel.mm.configuration import DISTRIBUTION, Configuration
from pfnlab.kernel.policies.kconfig import (
    OPTIONS,
    configuration_of,
    configured,
    option_names,
    options_of,
    read_configuration,
)
from pfnlab.kernel.policies.profiles import SERIES, profile_of
from pfnlab.programs.model.model_machine import ModelMachine


def test_all_options_are_the_distributions() -> None:
    """But for forced accesses, in which its kernels differ, and KASAN, which none of them has."""
    text = config_text(also=("PROC_MEM_ALWAYS_FORCE",))

    assert replace(DISTRIBUTION, mem_forces=True, kasan=True) == read_configuration(text)


@for_each("field", sorted(OPTIONS))
def test_an_option_that_is_off(field: str) -> None:
    """Takes its field away, and others only where they stand on it too."""
    off = [name for row in OPTIONS[field] for name in row]
    configuration = read_configuration(config_text(*off))

    lost = {name for name in OPTIONS if not getattr(configuration, name)}
    assert field in lost
    assert lost == {name for name, rows in OPTIONS.items() if all(set(row) & set(off) for row in rows)}


def test_every_field_has_its_option() -> None:
    """But for the two that others decide."""
    assert {field.name for field in fields(Configuration)} == {*OPTIONS, "mem_forces", "pat_info_inlined"}


@for_each("line", ["", "# CONFIG_KSM is not set", "CONFIG_KSM=n", "CONFIG_KSM_TESTS=y"])
def test_off_is_said_in_several_ways(line: str) -> None:
    """Not at all, as Kconfig writes it, and as a fragment does."""
    assert not read_configuration(f"CONFIG_X86_64=y\n{line}\n").ksm


def test_a_module_is_there_too() -> None:
    """It is loaded when it is needed."""
    assert read_configuration("CONFIG_X86_64=y\nCONFIG_VFIO_PCI=m\n").vfio


@for_each(
    ("choice", "forces"),
    [
        ("PROC_MEM_ALWAYS_FORCE", True),
        ("PROC_MEM_FORCE_PTRACE", False),
        ("PROC_MEM_NO_FORCE", False),
        ("OF_A_KERNEL_WITHOUT_THE_CHOICE", True),
    ],
)
@for_each("series", ["6.12", "7.2"])
def test_who_is_forced_is_the_configurations(series: str, choice: str, forces: bool) -> None:
    """Whatever the distribution's kernels of that release do."""
    configuration = read_configuration(config_text(also=(choice,)))

    assert forces == configured(profile_of(series), configuration).mem_forces


@for_each("series", SERIES)
def test_the_distributions_configuration_changes_no_profile(series: str) -> None:
    """What is said of it is what holds without a word."""
    profile = profile_of(series)

    assert profile == configured(profile, DISTRIBUTION)


def test_without_locks_of_vmas_the_switches_that_need_them_are_off() -> None:
    """Faults, advice and smaps take mmap_lock again."""
    profile = configured(profile_of("7.2"), replace(DISTRIBUTION, vma_locks=False))

    assert not profile.faults_drop_the_vma_lock
    assert not profile.zapping_advice_locks_vmas
    assert not profile.guarding_advice_locks_vmas
    assert not profile.smaps_locks_vmas


def test_without_secret_memory_the_fast_lookup_takes_pages_of_drivers() -> None:
    """A driver's page in memory that is written only is read by vmsplice (S13.10)."""
    with_it = profile_of("7.2")
    without = configured(with_it, replace(DISTRIBUTION, secret_memory=False))

    assert with_it.fast_lookup_wants_a_file
    assert not without.fast_lookup_wants_a_file


def test_without_the_option_advice_frees_no_page_tables() -> None:
    """Nor is anything flushed for one (S13.11)."""
    with_it = profile_of("7.0")
    without = configured(with_it, replace(DISTRIBUTION, frees_tables=False))

    assert (True, True) == (with_it.zap_frees_tables, with_it.zap_flushes_behind)
    assert (False, False) == (without.zap_frees_tables, without.zap_flushes_behind)


def test_a_compressed_file(tmp_path: Path) -> None:
    """As /proc/config.gz is."""
    plain, packed = tmp_path / ".config", tmp_path / "config.gz"
    plain.write_text(config_text("KSM"))
    packed.write_bytes(gzip.compress(plain.read_bytes()))

    assert configuration_of(plain) == configuration_of(packed)


def test_options_have_their_values(tmp_path: Path) -> None:
    """Built in or as a module; what is not set is not there."""
    path = tmp_path / "config"
    lines = ["CONFIG_X86_64=y", "CONFIG_VFIO_PCI=m", "# CONFIG_LOCKDEP is not set", 'CONFIG_NAME="y"']
    path.write_text("\n".join(lines), encoding="utf-8")

    assert {"X86_64": "y", "VFIO_PCI": "m"} == options_of(path)


def test_a_switch_that_is_named_wins(tmp_path: Path) -> None:
    """Wherever it stands in the machine's name."""
    file = tmp_path / "config"
    file.write_text(config_text(also=("PROC_MEM_NO_FORCE",)))

    assert ModelMachine(f"7.2,mem_forces=on,config={file}").profile.mem_forces


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"CONFIG_ARM64=y\n", "no line CONFIG_X86_64=y: give the .config of its build folder"),
        (b"", "not an x86-64 kernel configuration"),
        (b"\x1f\x8b\x08 broken", "damaged gzip file: give the .config itself"),
        (gzip.compress(b"CONFIG_X86_64=y\n", mtime=0)[:-9], "damaged gzip file"),
        (gzip.compress(b"MZ", mtime=0), "not an x86-64 kernel configuration"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes, reason: str) -> None:
    """One line: the file, what it is not, and what to give instead."""
    file = tmp_path / "config"
    file.write_bytes(content)

    with pytest.raises(Misuse, match=f"^{file}: .*{reason}"):
        ModelMachine(f"7.2,config={file}")


@for_each(
    ("change", "reason"),
    [
        ("config=", "write config=FILE, a kernel's .config"),
        ("config", "write config=FILE, a kernel's .config"),
        ("config=/nowhere/.config", "^/nowhere/.config: no such file: check the path"),
    ],
)
def test_a_name_that_is_wrong(change: str, reason: str) -> None:
    """The message says what to write."""
    with pytest.raises(Misuse, match=reason):
        ModelMachine(f"7.2,{change}")


def test_a_kernel_has_one_configuration(tmp_path: Path) -> None:
    """A second could only contradict the first."""
    file = tmp_path / "config"
    file.write_text(config_text())

    with pytest.raises(Misuse, match="config is named twice"):
        ModelMachine(f"7.2,config={file},config={file}")


def test_alternatives_are_named() -> None:
    """As one reads them."""
    assert "CONFIG_NUMA_MIGRATION or CONFIG_NUMA and CONFIG_MIGRATION" == option_names("moves_pages")


def test_a_packed_configuration_is_read_from_a_pipe(tmp_path: Path) -> None:
    """Which gives its content once."""
    pipe = tmp_path / "config.gz"
    os.mkfifo(pipe)
    content = gzip.compress(b"CONFIG_X86_64=y\nCONFIG_NUMA=y\n")
    writer = threading.Thread(target=pipe.write_bytes, args=(content,), daemon=True)
    writer.start()

    assert read_configuration("CONFIG_X86_64=y\nCONFIG_NUMA=y\n") == configuration_of(pipe)
    writer.join()
