"""``make demo``: one story, whatever the archive offers, as wide as the terminal it is seen on."""

from __future__ import annotations

import os
import subprocess
from types import SimpleNamespace

import pytest
import tooling

from pfnlab.base.errors import Undecided
from pfnlab.lab.images.kernel_offers import Role

demo = tooling.demo()

TOLD = """step 1 ok
differ: model:6.1, qemu:6.1 |
  model:7.3, qemu:7.3
  step 1 a = mmap: vmas
"""
OTHER = TOLD.replace("model:6.1, qemu:6.1 |\n  model:7.3", "model:6.1 | qemu:6.1,\n  model:7.3")
KNOWN = [Role("6.1.192", "known"), Role("6.12.117", "known"), Role("7.3.4", "known")]


class FakeCommand:
    """Stands for the command: what it was asked, and what it answers."""

    def __init__(self, text: str, code: int = 1) -> None:
        self.text, self.code = text, code
        self.words: list[str] = []
        self.width = ""

    def __call__(
        self, words: list[str], *, env: dict[str, str], **_: object
    ) -> subprocess.CompletedProcess[str]:
        self.words, self.width = words, env["COLUMNS"]
        return subprocess.CompletedProcess(words, self.code, self.text)


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """What can be had, to be set; nothing is asked for."""
    now = SimpleNamespace(roles=KNOWN, trouble=None, shown=FakeCommand(TOLD))

    def lists(**_: object) -> None:
        if now.trouble:
            raise now.trouble

    monkeypatch.setattr(demo, "read_lists", lists)
    monkeypatch.setattr(demo, "available_offers", lambda: ())
    monkeypatch.setattr(demo, "cached_versions", lambda: ())
    monkeypatch.setattr(demo, "roles_for", lambda offers, cached: now.roles)
    monkeypatch.setattr(demo.subprocess, "run", lambda *words, **more: now.shown(*words, **more))
    return now


def last(capsys: pytest.CaptureFixture[str]) -> str:
    """The last line shown."""
    return capsys.readouterr().out.splitlines()[-1]


def test_known_kernels_tell_the_story(archive: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    """Each model sides with its kernel, although the line was wrapped; a known version is its series."""
    assert (0, demo.STORY_HOLDS) == (demo.main(), last(capsys))
    assert ["model:6.1", "qemu:6.1", "model:7.3", "qemu:7.3"] == archive.shown.words[4::2]


@pytest.mark.parametrize("code", [0, 1])
def test_another_story_of_known_kernels_is_a_failure(
    archive: SimpleNamespace, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Machines that agree, or side otherwise, are not what was promised."""
    archive.shown = FakeCommand(OTHER if code else "agree", code)

    assert (1, demo.NOT_THE_STORY) == (demo.main(), last(capsys))


def test_what_the_command_could_not_do_is_its_code(archive: SimpleNamespace) -> None:
    """A kernel that does not boot, for instance."""
    archive.shown = FakeCommand("", 3)

    assert 3 == demo.main()


def test_a_new_kernel_may_tell_another_story(
    archive: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    """That is news, and its own exact version is asked."""
    archive.roles = [*KNOWN[:2], Role("7.4.1", "new")]
    archive.shown = FakeCommand(OTHER)

    assert 0 == demo.main()
    assert "What changed: pfnlab kernels meet 7.4.1" == last(capsys)
    assert "qemu:7.4.1" == archive.shown.words[-1]


def test_recorded_runs_stand_in_for_a_kernel_that_is_gone(
    archive: SimpleNamespace, capsys: pytest.CaptureFixture[str]
) -> None:
    """The story of models, compared with recorded runs."""
    archive.roles = [Role("6.1", "gone"), *KNOWN[1:]]

    assert (0, "The models do what was recorded.") == (demo.main(), last(capsys))
    assert ["model:6.1", "model:7.3", "qemu:7.3"] == archive.shown.words[4::2]


def test_without_an_archive_it_goes_on(archive: SimpleNamespace, capsys: pytest.CaptureFixture[str]) -> None:
    """With what was fetched before, and says so."""
    archive.trouble = Undecided("the archive cannot be reached (no network?)")

    assert 0 == demo.main()
    assert (
        "the archive cannot be reached (no network?); continuing with the lists fetched before"
        in capsys.readouterr().err
    )


def test_who_asks_for_a_width_gets_it(archive: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """COLUMNS is stronger than the terminal."""
    monkeypatch.setenv("COLUMNS", "72")

    demo.main()

    assert "72" == archive.shown.width


def test_no_terminal_has_80_columns(archive: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipe, for instance."""
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setattr(os, "get_terminal_size", lambda *_: os.terminal_size((0, 0)))

    demo.main()

    assert "80" == archive.shown.width
