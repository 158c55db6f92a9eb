"""The kernel's own build: progress, the first error, and the tools it needs."""

from pathlib import Path

import pytest
from toy_tree import toy_tree

from pfnlab.base.errors import MissingTool, Undecided
from pfnlab.lab.building import make as making
from pfnlab.lab.building.make import Make, check_tools, first_error, forecast


def toy(tmp_path: Path) -> Make:
    return Make(toy_tree(tmp_path / "linux"), tmp_path / "out", 1)


def test_a_build_counts_its_steps(tmp_path: Path) -> None:
    """Each line of the kernel's build is a step."""
    make = toy(tmp_path)
    make.configure("tinyconfig")
    assert make.build("bzImage", steps=2, say=print) == 2


def test_a_target_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message is make's own."""
    with pytest.raises(Undecided, match=r"the tree cannot be configured: .*No rule to make target .nothing"):
        toy(tmp_path).configure("nothing")


def test_a_build_that_fails_names_file_line_and_error(tmp_path: Path) -> None:
    """The compiler's error is the message."""
    make = toy(tmp_path)
    (make.source / "mm" / "memory.c").write_text("#error wrong\n")
    make.configure("tinyconfig")
    with pytest.raises(Undecided, match=r"the tree does not build: mm/memory\.c:1:2: error: #error wrong"):
        make.build("bzImage", steps=2, say=print)


def test_the_caller_may_run_under_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """MAKEFLAGS of an outer make do not reach the build."""
    monkeypatch.setenv("MAKEFLAGS", "n")
    make = toy(tmp_path)
    make.configure("tinyconfig")
    make.build("bzImage", steps=2, say=print)
    assert (make.out / "arch/x86/boot/bzImage").exists()


def test_the_compilers_error_comes_before_makes() -> None:
    """Of several errors the compiler's tells more."""
    text = "make[3]: *** [Makefile:1: x.o] Error 1\nmm/vma.c:7:1: error: expected ';'\n"
    assert first_error(text) == "mm/vma.c:7:1: error: expected ';'"


def test_makes_error_is_taken_where_there_is_no_other() -> None:
    """Without a compiler's error make's is the message."""
    assert (
        first_error("  CC x\nmake: *** No rule to make target 'x'\n")
        == "make: *** No rule to make target 'x'"
    )


def test_the_last_line_is_taken_where_no_line_tells() -> None:
    """Without any error the last line is the message."""
    assert first_error("one\ntwo\n") == "two"


def test_missing_tools_are_named_together(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One command installs all that is missing."""
    monkeypatch.setattr(making.shutil, "which", lambda name: None if name in ("flex", "pahole") else name)
    monkeypatch.setattr(making, "_INCLUDE", tmp_path)
    with pytest.raises(
        MissingTool, match=r"apt-get install --no-install-recommends flex dwarves libelf-dev$"
    ):
        check_tools()


def test_a_forecast_is_shorter_with_more_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build with four jobs takes less time than with one."""
    monkeypatch.setattr(making.os, "cpu_count", lambda: 4)
    assert (forecast(600, 1), forecast(600, 4)) != (forecast(600, 4), forecast(600, 4))
