"""A core as a snapshot: what it says of a file that is none, and of a kernel that hides its types."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("drgn", reason="drgn is not here: pip install 'pfnlab[lens]'")

from core_builder import elf_core
from toy_kernel import ToyKernel

from pfnlab.diagnosis.inspector.host_snapshot import Access
from pfnlab.diagnosis.inspector.sources.core import core_snapshot, deep_snapshot
from pfnlab.lab.lens import LensError


def test_a_file_that_is_no_core_is_refused_in_one_line(tmp_path: Path) -> None:
    """
    The message names the file.
    """
    path = tmp_path / "notes.txt"
    path.write_text("no core\n")

    with pytest.raises(LensError, match=r"notes\.txt") as refusal:
        core_snapshot(path)

    assert "\n" not in str(refusal.value)


def test_a_core_without_a_kernel_is_refused(tmp_path: Path) -> None:
    """
    Memory alone is not enough.
    """
    path = tmp_path / "core"
    path.write_bytes(elf_core({0: bytes(1 << 20)}))

    with pytest.raises(LensError, match="no Linux kernel is running in it"):
        core_snapshot(path)


def test_a_running_kernel_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """
    As where /proc/kcore is not there.
    """
    with pytest.raises(LensError, match="cannot be read: No such file"):
        deep_snapshot(tmp_path / "kcore")


def test_a_kernel_without_types_is_a_source_with_the_reason(tmp_path: Path) -> None:
    """
    Its release is known all the same, and nothing that was not read is empty.
    """
    kernel = ToyKernel()
    kernel.symbols("relative")
    path = tmp_path / "core"
    path.write_bytes(elf_core({0: bytes(kernel.memory)}))

    snapshot = core_snapshot(path)

    (source,) = snapshot.sources
    assert ("kernel types", Access.ABSENT) == (source.name, source.access)
    assert "contains no types" in source.why
    assert "toy" == snapshot.kernel
    assert (None, None, None) == (snapshot.book, snapshot.mappings, snapshot.log)
