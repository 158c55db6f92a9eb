"""``--profile``: a kernel of one's own in every verb that takes kernels."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import Ask, open_with

from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Accel, Machine
from pfnlab.programs.runs.named_machines import NamedMachine


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A kernel file; it does what the model of the series says that it was opened with, 6.12 without one."""
    path = tmp_path / "bzImage"
    path.touch()

    def open_model(
        named: NamedMachine,
        accel: Accel = Accel.TCG,
        look: LookLevel = LookLevel.PROC,
        guests: int | None = None,
        **more: object,
    ) -> Machine:
        return ModelMachine(named.series or "6.12", look)

    open_with(monkeypatch, open_model)
    return path


def test_fuzz_takes_a_kernel_file(ask: Ask, image: Path, tmp_path: Path) -> None:
    """It is compared with the model like any other."""
    options = ("--on", "model:7.2", "--on", f"qemu:{image}", "--findings", tmp_path / "found")

    answer = ask("fuzz", *options, "--programs", 10, "--profile", "7.2", "--look", "proc")

    assert (0, "10 programs, 0 differences") == (answer.code, answer.out.splitlines()[0])


def test_a_kernel_file_without_a_profile_is_fuzzed(ask: Ask, image: Path, tmp_path: Path) -> None:
    """Then nothing is known of it but what it does."""
    options = ("--on", "model:6.12", "--on", f"qemu:{image}", "--findings", tmp_path / "found")

    assert 0 == ask("fuzz", *options, "--programs", 10).code


def test_replay_takes_a_kernel_file(ask: Ask, image: Path, program: Path) -> None:
    """What check kept shows the same on it."""
    program.write_text(program.read_text().replace("Unmapping the middle first", "no_leak on model:6.12"))

    answer = ask("replay", program, "--on", f"qemu:{image}", "--profile", "6.12")

    assert (0, True) == (answer.code, answer.out.splitlines()[-1].endswith("it agrees with model:6.12"))


def test_check_confirms_on_a_kernel_file(ask: Ask, image: Path) -> None:
    """Every counterexample runs on it."""
    options = ("--on", "model:6.12", "--scope", "small", "--property", "no_leak", "--depth", 3)

    answer = ask("check", *options, "--confirm", f"qemu:{image}", "--profile", "6.12")

    assert (1, True) == (answer.code, "shows the same" in answer.out)


@pytest.mark.parametrize(
    "words",
    [
        ("fuzz", "--on", "model:6.1", "--on", "model:6.12"),
        ("check", "--on", "model:6.1", "--scope", "small"),
        ("replay", "pfnlab path 1 model:6.1"),
    ],
)
@pytest.mark.parametrize("profile", ["6.1", "9.9"])
def test_a_profile_is_that_of_a_kernel_file(ask: Ask, words: tuple[str, ...], profile: str) -> None:
    """Without one, or of an unknown series, it is misuse."""
    assert 2 == ask(*words, "--profile", profile).code
