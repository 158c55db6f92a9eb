"""The modules of vfio-pci: their order, and how they come out of a package."""

from __future__ import annotations

import io
import lzma
import tarfile
from pathlib import Path

import pytest
from damages import DAMAGES, Damage
from having import OLD, bootable, have

from pfnlab.errors import MissingTool, Undecided
from pfnlab.lab.images import modules
from pfnlab.lab.images.kernels import KernelImage, kernel_for
from pfnlab.lab.images.modules import _take, load_order, vfio_modules


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


def archive(**files: bytes) -> tarfile.TarFile:
    """A package's content, in the folders the names say with dots."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    packed.seek(0)
    return tarfile.open(fileobj=packed, mode="r|")


def test_modules_are_unpacked(tmp_path: Path) -> None:
    """Those of vfio and below, whether packed or not; nothing else of the package."""
    drivers = "./usr/lib/modules/6.5/kernel/drivers"
    files = {
        f"{drivers}/vfio/vfio.ko": b"plain",
        f"{drivers}/vfio/pci/vfio-pci.ko.xz": lzma.compress(b"packed"),
        f"{drivers}/net/dummy.ko": b"not wanted",
        "./lib/modules/6.5/kernel/virt/lib/irqbypass.ko": b"old layout",
        "./etc/passwd": b"not wanted",
    }

    _take(archive(**files), tmp_path)

    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert {"vfio.ko": b"plain", "vfio-pci.ko": b"packed", "irqbypass.ko": b"old layout"} == found


def test_a_torn_module_is_said_so(tmp_path: Path) -> None:
    """The package is not what it should be."""
    name = "./lib/modules/6.5/kernel/drivers/vfio/vfio.ko.xz"

    with pytest.raises(Undecided, match=r"^vfio\.ko\.xz cannot be read"):
        _take(archive(**{name: b"torn"}), tmp_path)


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
