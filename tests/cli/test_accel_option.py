"""``--accel``: how it reaches the machines, and what machines say meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import Ask, Fake, open_with

from pfnlab.lab.running import qemu_machine as lab
from pfnlab.programs.runs.machine import Accel
from pfnlab.programs.runs.named_machines import NamedMachine, name_machine, open_machine


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Accel]:
    """What kernels were opened with; they and models answer without a kernel."""
    accels = list[Accel]()

    def open_fake(named: NamedMachine, accel: Accel = Accel.TCG, *others: object, **more: object) -> Fake:
        if named.kind == "qemu":
            accels.append(accel)
        return Fake(named.spec)

    open_with(monkeypatch, open_fake)
    return accels


@pytest.mark.parametrize(("words", "accel"), [([], Accel.TCG), (["--accel", "kvm"], Accel.KVM)])
def test_run_opens_machines_with_it(
    ask: Ask, program: Path, opened: list[Accel], words: list[str], accel: Accel
) -> None:
    """TCG is what they have without it."""
    ask("run", program, "--on", "qemu:6.1", *words)

    assert [accel] == opened


def test_replay_opens_machines_with_it(ask: Ask, program: Path, opened: list[Accel]) -> None:
    """The kernel has it, with which the model is compared."""
    program.write_text(program.read_text().replace("Unmapping the middle first", "no_leak on model:6.1"))

    ask("replay", program, "--on", "qemu:6.1", "--accel", "auto")

    assert [Accel.AUTO] == opened


def test_fuzz_opens_machines_with_it(
    ask: Ask, tmp_path: Path, opened: list[Accel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel, once for all levels."""
    ask("fuzz", "--on", "model:6.1", "--on", "qemu:6.1", "--programs", 1, "--accel", "kvm",
        "--findings", tmp_path)  # fmt: skip

    assert [Accel.KVM] == opened


@pytest.mark.parametrize("verb", ["run", "fuzz", "check", "replay"])
def test_an_unknown_one_is_misuse(ask: Ask, verb: str) -> None:
    """The message says which there are."""
    answer = ask(verb, *["x"] * (verb in ("run", "replay")), "--accel", "hvf")

    assert (2, "pfnlab: --accel has no 'hvf': write one of auto, kvm, tcg\n") == (
        answer.code,
        answer.err,
    )


def test_what_a_machine_says_goes_to_stderr(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is fetched and built for guests is no output."""

    def build(kernel: object, say) -> Path:
        say("fetching headers")
        return tmp_path

    monkeypatch.setattr(lab, "image_with_driver", build)
    monkeypatch.setattr(lab.QemuMachine, "kernel", None)

    open_machine(name_machine("qemu:6.1"))._shared.driver.path()

    assert ("", "fetching headers\n") == tuple(capsys.readouterr())
