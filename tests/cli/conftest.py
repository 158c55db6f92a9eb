"""The fixtures of the tests of the command line."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from asking import PROGRAM, Answer, Fake, open_with

from pfnlab.base import progress
from pfnlab.cli import main


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Answer]:
    """Runs a command in this process, which says nothing of how far it is however slow the machine is."""
    monkeypatch.setattr(progress, "EVERY", math.inf)

    def answer(*argv: object) -> Answer:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in argv])
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return Answer(ended.value.code, said.out, said.err)

    return answer


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program file."""
    path = tmp_path / "middle.pfn"
    path.write_text(PROGRAM)
    return path


@pytest.fixture
def fakes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines answer without a model, a kernel or QEMU."""
    open_with(monkeypatch, lambda named, *options: Fake(named.spec))
