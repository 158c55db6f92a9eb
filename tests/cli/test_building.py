"""``pfnlab kernels build``: what it refuses before it asks for tools."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import Ask
from toy_tree import toy_tree


@pytest.fixture(autouse=True)
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without any program that a build needs, in a folder with a tree."""
    toy_tree(tmp_path / "linux")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "no-programs"))
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nowhere",), "no source 'nowhere': "),
        ((".",), " is not a kernel tree: "),
        (("linux", "--config", "nowhere"), "no configuration 'nowhere': "),
        (("linux", "--patch", "nowhere"), "nowhere: no such file: "),
        (("linux", "--name", "7.2"), "'7.2' is not a valid kernel name: "),
        (("linux", "--like", "9.9"), "there is no profile '9.9': "),
    ],
)
def test_arguments_are_judged_before_tools(ask: Ask, words: tuple[str, ...], says: str) -> None:
    """A wrong one is misuse also where nothing can be built."""
    answer = ask("kernels", "build", *words)

    assert (2, True, 1) == (answer.code, says in answer.err, len(answer.err.splitlines()))


def test_what_is_right_names_the_tools_that_are_missing(ask: Ask) -> None:
    """Undecided, with the packages to install."""
    answer = ask("kernels", "build", "linux")

    assert (3, True) == (answer.code, "apt-get install" in answer.err)
