"""Kernels that were built here as machines: ``qemu:NAME``, and ``model:NAME`` with its configuration."""

from pathlib import Path

import pytest
from configurations import config_text
from toy_tree import image

from pfnlab.base.errors import Misuse
from pfnlab.lab.building.built import BuiltKernel, keep_built
from pfnlab.lab.images.cache import sha256_of
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.runs.named_machines import model_text, name_machine, open_machine


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BuiltKernel:
    return keep(tmp_path, monkeypatch)


def keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str = "7.2.13") -> BuiltKernel:
    """A kernel without soft dirty bits, called mine."""
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "bzImage").write_bytes(image())
    (tmp_path / "config").write_text(config_text("MEM_SOFT_DIRTY"))
    kernel = BuiltKernel(
        name="mine",
        version=version,
        series="7.2",
        release=version,
        source="linux",
        patches=(),
        policy="",
        configuration="lab",
        lacks=(),
        content="abc",
        sha256=sha256_of(tmp_path / "bzImage"),
        seconds=1.0,
    )
    return keep_built(kernel, tmp_path / "bzImage", tmp_path / "config")


def test_it_is_a_kernel_of_its_series(kernel: BuiltKernel) -> None:
    """A machine of a built kernel has the series of its tree."""
    assert name_machine("qemu:mine").series == "7.2"


def test_its_own_model_stands_for_it(kernel: BuiltKernel) -> None:
    """It is compared with model:NAME."""
    assert name_machine("qemu:mine").model == "model:mine"


def test_the_model_of_its_series_stands_for_a_distributions() -> None:
    """A kernel of the archive is compared with the model of its series."""
    assert name_machine("qemu:7.2").model == "model:7.2"


def test_no_golden_is_made_from_it(kernel: BuiltKernel) -> None:
    """A kernel that somebody built is not stock."""
    assert not name_machine("qemu:mine").stock


def test_what_boots_is_its_image(kernel: BuiltKernel) -> None:
    """qemu:NAME boots the image in the cache."""
    machine = open_machine(name_machine("qemu:mine"))
    assert isinstance(machine, QemuMachine) and machine.kernel == kernel.image


def test_its_model_has_its_version_and_configuration(kernel: BuiltKernel) -> None:
    """model:NAME is the model of its version with its .config."""
    assert model_text("mine") == f"7.2.13,config={kernel.config}"


def test_a_version_nobody_met_is_modelled_as_its_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown point release is modelled as the newest known of its series."""
    kernel = keep(tmp_path, monkeypatch, "7.2.99")
    assert model_text("mine") == f"7.2,config={kernel.config}"


def test_policies_stay_behind_the_name(kernel: BuiltKernel) -> None:
    """Changes behind model:NAME are those of the model it stands for."""
    assert model_text("mine,flush=none") == f"7.2.13,config={kernel.config},flush=none"


def test_a_version_is_no_name(kernel: BuiltKernel) -> None:
    """A version is left as it is, whatever was built."""
    assert model_text("7.2,flush=none") == "7.2,flush=none"


def test_its_model_follows_its_configuration(kernel: BuiltKernel) -> None:
    """Without soft dirty bits in its .config its model shows none."""
    program = load_text("pfnlab program 1\ndevice bar: pci, 16 pages\n\na = mmap bar[0] wc shared rw\n")
    (mine,) = open_machine(name_machine("model:mine")).run([program])
    (stock,) = open_machine(name_machine("model:7.2")).run([program])
    assert mine.steps[0].vmas != stock.steps[0].vmas


def test_a_name_that_is_none_is_guessed_at(kernel: BuiltKernel) -> None:
    """A misspelt name is misuse, with the nearest one and those there are."""
    with pytest.raises(Misuse, match=r"did you mean qemu:mine\?.*built here are mine"):
        name_machine("qemu:mime")
