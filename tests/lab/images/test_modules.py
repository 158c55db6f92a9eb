"""The modules of vfio-pci: their order, and how they come out of a package."""

from __future__ import annotations

import lzma
import shutil
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from damages import DAMAGES, Damage
from having import OLD, bootable, have

from pfnlab.base.errors import MissingTool, Undecided
from pfnlab.lab.images import modules
from pfnlab.lab.images.archive import Package, PackageOffer
from pfnlab.lab.images.kernels import KernelImage, kernel_for
from pfnlab.lab.images.modules import load_order, vfio_modules

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="packages are read by dpkg-deb")

CONTROL = b"Package: x\nVersion: 1\nArchitecture: amd64\nMaintainer: nobody <n@x>\nDescription: x\n"


def module(*depends: str) -> bytes:
    """A module that says what it depends on, as modinfo does."""
    return b"\x7fELF\0license=GPL\0depends=" + ",".join(depends).encode() + b"\0name=x\0"


def test_modules_come_behind_what_they_depend_on() -> None:
    """Each once; names have underscores where files have dashes."""
    modules = {
        "vfio_pci": module("vfio-pci-core", "vfio"),
        "vfio_pci_core": module("vfio", "irqbypass"),
        "vfio_iommu_type1": module("vfio"),
        "vfio": module(),
        "irqbypass": b"no word of dependence",
        "other": module("absent"),
    }

    assert ["vfio", "vfio_iommu_type1", "irqbypass", "vfio_pci_core", "vfio_pci"] == load_order(modules)


def test_a_module_that_is_not_there_is_named() -> None:
    """Such a kernel has no vfio-pci."""
    with pytest.raises(MissingTool, match=r"no module vfio$"):
        load_order({"vfio_iommu_type1": module("vfio"), "vfio_pci": module()})


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., KernelImage]:
    """Makes a kernel whose package has these files, in a cache of its own."""

    def make(**files: bytes) -> KernelImage:
        tree = tmp_path / "package"
        for name, content in {"./DEBIAN/control": CONTROL, **files}.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_bytes(content)
        deb = tmp_path / "package.deb"
        subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, deb], check=True, capture_output=True)
        found = PackageOffer(Package("linux-modules-6.5.0-mine", "6.5-1", "sid", 1))
        archive = SimpleNamespace(find=lambda *_, **__: found, download=lambda *_: deb)
        monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(modules, "opened_archive", lambda say: nullcontext(archive))
        return KernelImage("", "", "6.5-1", "6.5.0-mine", tmp_path, "")

    return make


@needs_dpkg
def test_modules_are_unpacked(package: Callable[..., KernelImage]) -> None:
    """Those of vfio and below, whether packed or not; nothing else of the package."""
    drivers = "./usr/lib/modules/6.5/kernel/drivers"
    wanted = {"vfio_pci": module("irqbypass"), "vfio_iommu_type1": module(), "irqbypass": module("")}
    kernel = package(
        **{
            f"{drivers}/vfio/vfio_iommu_type1.ko": wanted["vfio_iommu_type1"],
            f"{drivers}/vfio/pci/vfio-pci.ko.xz": lzma.compress(wanted["vfio_pci"]),
            f"{drivers}/net/dummy.ko": b"not wanted",
            "./lib/modules/6.5/kernel/virt/lib/irqbypass.ko": wanted["irqbypass"],
            "./etc/passwd": b"not wanted",
        }
    )

    found = vfio_modules(kernel)

    assert ["vfio_iommu_type1.ko", "irqbypass.ko", "vfio-pci.ko"] == [path.name for path in found.values()]
    assert wanted == {path.stem.replace("-", "_"): path.read_bytes() for path in found.values()}
    assert 3 == len(list(found["vfio-00.ko"].parent.iterdir()))


@needs_dpkg
def test_a_torn_module_is_said_so(package: Callable[..., KernelImage]) -> None:
    """The package is not what it should be."""
    kernel = package(**{"./lib/modules/6.5/kernel/drivers/vfio/vfio.ko.xz": b"torn"})

    with pytest.raises(Undecided, match=r"^vfio\.ko\.xz cannot be read"):
        vfio_modules(kernel)


@pytest.mark.parametrize("damage", [DAMAGES[name] for name in ("cut", "empty", "flipped", "gone")])
def test_damaged_modules_are_fetched_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Damage
) -> None:
    """One of them is enough."""
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path))

    def obtain(kernel: KernelImage, say: object, into: Path) -> None:
        into.mkdir()
        (into / "vfio-pci.ko").write_bytes(module())
        (into / "vfio_iommu_type1.ko").write_bytes(module())

    monkeypatch.setattr(modules, "_obtain", obtain)
    kernel = KernelImage("", "", "6.5-1", "6.5.0-mine", tmp_path, "")
    first = vfio_modules(kernel)["vfio-01.ko"]
    damage(first)

    again = vfio_modules(kernel)

    assert [module()] * 2 == [path.read_bytes() for path in again.values()]


@pytest.mark.lab
@pytest.mark.timeout(600)
def test_a_real_kernel_has_them() -> None:
    """In the order of their names in a guest, the device's driver last."""
    bootable(OLD)

    found = have(lambda: vfio_modules(kernel_for(OLD)))

    assert "vfio-pci.ko" == list(found.values())[-1].name
    assert sorted(found) == list(found)
