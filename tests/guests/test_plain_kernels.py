"""Kernels with all their drivers: what is taken out of their packages, and in which order modules load."""

from __future__ import annotations

import lzma
import shutil
import subprocess
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from pfnlab.base.errors import MissingTool, Undecided
from pfnlab.lab.images.archive import Package, PackageOffer
from pfnlab.lab.images.kernels import KernelImage
from tests.guests import plain_kernels
from tests.guests.plain_kernels import plain_kernel, plain_modules

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="packages are read by dpkg-deb")

CONTROL = b"Package: x\nVersion: 1\nArchitecture: amd64\nMaintainer: nobody <n@x>\nDescription: x\n"
MODULES = "./usr/lib/modules/7.5-amd64"


def module(*depends: str) -> bytes:
    """A module that says what it depends on, as modinfo does."""
    return b"\x7fELF\0license=GPL\0depends=" + ",".join(depends).encode() + b"\0name=x\0"


def bzimage(release: bytes) -> bytes:
    """As much of a bzImage as its release is read from."""
    head = bytearray(0x600)
    head[0x1FE:0x200], head[0x202:0x206] = b"\x55\xaa", b"HdrS"
    head[0x206:0x208], head[0x20E:0x210] = b"\x0f\x02", (0x100).to_bytes(2, "little")
    head[0x300 : 0x300 + len(release) + 1] = release + b" (made)\0"[:1]
    return bytes(head)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., KernelImage]:
    """Makes the archive hold packages of these names, each of which has these files."""

    def make(**files_of: dict[str, bytes]) -> KernelImage:
        debs = {}
        for number, (name, files) in enumerate(files_of.items()):
            tree, deb = tmp_path / f"tree-{number}", tmp_path / f"{number}.deb"
            for path, content in {"./DEBIAN/control": CONTROL, **files}.items():
                (tree / path).parent.mkdir(parents=True, exist_ok=True)
                (tree / path).write_bytes(content)
            subprocess.run(
                ["dpkg-deb", "--root-owner-group", "-b", tree, deb], check=True, capture_output=True
            )
            debs[name.replace("_", "-")] = deb

        def find(suites: object, name: str, *_: object, **__: object) -> PackageOffer | None:
            return PackageOffer(Package(name, "7.5-1", "sid", 1)) if name in debs else None

        def download(package: Package, into: Path) -> Path:
            return Path(shutil.copy(debs[package.name], into))

        monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "cache"))
        archive = SimpleNamespace(find=find, download=download)
        monkeypatch.setattr(plain_kernels, "opened_archive", lambda say: nullcontext(archive))
        cloud = "linux-binary-7.5-cloud-amd64"
        return KernelImage("7.5", cloud, "7.5-1", "7.5-cloud-amd64", tmp_path, "")

    return make


@needs_dpkg
def test_kernel_and_drivers_come_out_of_two_packages(packages: Callable[..., KernelImage]) -> None:
    """
    Those of QEMU's devices and what they depend on, packed or not; each behind its dependencies.
    """
    kernel = packages(
        **{
            "linux-binary-7.5-amd64": {f"{MODULES}/vmlinuz": bzimage(b"7.5-amd64")},
            "linux-modules-7.5-amd64": {
                f"{MODULES}/kernel/drivers/gpu/drm/tiny/bochs.ko.xz": lzma.compress(module("drm-kms", "drm")),
                f"{MODULES}/kernel/drivers/gpu/drm/drm.ko": module(),
                f"{MODULES}/kernel/drivers/gpu/drm/drm-kms.ko": module("drm", "crc64"),
                f"{MODULES}/kernel/lib/crc/crc64.ko": module(""),
                f"{MODULES}/kernel/drivers/gpu/drm/amd/amdgpu.ko": module(),
                f"{MODULES}/kernel/drivers/net/dummy.ko": module(),
            },
        },
    )

    plain = plain_kernel(kernel)

    assert ("linux-binary-7.5-amd64", "7.5-amd64") == (plain.package, plain.release)
    assert {"vmlinuz", "bochs.ko", "drm.ko", "drm-kms.ko", "crc64.ko"} == {
        path.name for path in plain.vmlinuz.parent.iterdir()
    }
    order = [path.name for path in plain_modules(plain, ["bochs", "drm", "built_in"])]
    assert ["drm.ko", "crc64.ko", "drm-kms.ko", "bochs.ko"] == order


@needs_dpkg
def test_a_package_that_is_gone_is_named(packages: Callable[..., KernelImage]) -> None:
    """
    The archive has the kernel's, and not that of its modules.
    """
    kernel = packages(**{"linux-binary-7.5-amd64": {f"{MODULES}/vmlinuz": bzimage(b"7.5-amd64")}})

    with pytest.raises(MissingTool, match=r"holds no linux-modules-7\.5-amd64 7\.5-1"):
        plain_kernel(kernel)


@needs_dpkg
def test_a_package_without_a_kernel_is_said_so(packages: Callable[..., KernelImage]) -> None:
    """
    Its layout is another one.
    """
    kernel = packages(**{"linux-binary-7.5-amd64": {}, "linux-modules-7.5-amd64": {}})

    with pytest.raises(Undecided, match="holds no vmlinuz"):
        plain_kernel(kernel)


def test_modules_that_need_each_other_end(tmp_path: Path) -> None:
    """
    No package has such, and nothing hangs where one had.
    """
    (tmp_path / "a.ko").write_bytes(module("b"))
    (tmp_path / "b.ko").write_bytes(module("a"))
    kernel = KernelImage("", "", "", "", tmp_path / "vmlinuz", "")

    assert ["b.ko", "a.ko"] == [path.name for path in plain_modules(kernel, ["a"])]
