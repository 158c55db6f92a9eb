"""Kernels with all their drivers: the plain flavour beside the cloud flavour that programs run on.

The cloud flavour has no graphics at all, and few drivers; the plain one of the same version has those of the
devices QEMU offers, as modules. They are stored in ``<cache>/plain/<package version>/``, uncompressed.
"""

from __future__ import annotations

import functools
import re
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from pfnlab.base.errors import MissingTool, Undecided
from pfnlab.base.units import in_mib
from pfnlab.lab.images.archive import opened_archive
from pfnlab.lab.images.bzimage import release_of
from pfnlab.lab.images.cache import cache_root, kept, quiet, sha256_of
from pfnlab.lab.images.deb import take_out, unpack_modules
from pfnlab.lab.images.kernels import KernelImage, suites_of

_CLOUD, _PLAIN = "-cloud-amd64", "-amd64"
_VMLINUZ = "vmlinuz"
_MODULE_MAX = 16 << 20

# The folders of drivers for QEMU's devices, and of what these depend on.
_NESTED = "lib|crypto|block|virt/lib|arch/x86/crypto|drivers/(?:nvme|virtio|uio|vfio|iommu|nvdimm|dax|video)"
_GRAPHICS = "drivers/gpu/drm(?:/(?:tiny|virtio|qxl|ttm|clients|display|sysfb))?"
_MEMBER = re.compile(
    r"(?:\./)?(?:boot/(?P<boot>vmlinuz)-[^/]+|(?:usr/)?lib/modules/[^/]+/(?:(?P<beside>vmlinuz)"
    rf"|kernel/(?:(?:{_NESTED})/(?:[^/]+/)*|{_GRAPHICS}/)(?P<name>[^/]+\.ko(?:\.xz)?)))"
)
_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


def plain_kernel(kernel: KernelImage, *, say: Callable[[str], None] = quiet) -> KernelImage:
    """
    The plain flavour of the same version as *kernel*; fetched on the first call, about 120 MiB.

    :param say: called with each line of progress
    :raises MissingTool: the archive does not hold it
    :raises Unverified: a signature or checksum of the archive does not hold
    :raises Undecided: the archive cannot be reached, or its packages are laid out in another way
    """
    home = kept(_home(kernel), functools.partial(_obtain, kernel, say), say=say)
    vmlinuz = home / _VMLINUZ
    package = kernel.package.replace(_CLOUD, _PLAIN)
    return replace(
        kernel, package=package, release=release_of(vmlinuz), vmlinuz=vmlinuz, sha256=sha256_of(vmlinuz)
    )


def plain_modules(kernel: KernelImage, wanted: Sequence[str]) -> list[Path]:
    """
    The modules *wanted*, each behind those it depends on.

    :param kernel: what :func:`plain_kernel` returned
    :param wanted: names, with dashes or underscores; one that is built in is left out
    """
    files = {_name(path.stem): path for path in kernel.vmlinuz.parent.glob("*.ko")}
    order: list[str] = []
    begun = set[str]()

    def add(name: str) -> None:
        if name not in files or name in begun:
            return
        begun.add(name)
        depends = _DEPENDS.search(files[name].read_bytes())
        for dependency in depends[1].decode().split(",") if depends else ():
            add(_name(dependency))
        order.append(name)

    for name in wanted:
        add(_name(name))
    return [files[name] for name in order]


def _name(name: str) -> str:
    return name.replace("-", "_")


def _home(kernel: KernelImage) -> Path:
    return cache_root() / "plain" / (kernel.version or "none")


def _obtain(kernel: KernelImage, say: Callable[[str], None], into: Path) -> None:
    release, name = kernel.release.replace(_CLOUD, _PLAIN), kernel.package.replace(_CLOUD, _PLAIN)
    # From 6.19 on the modules are in a package of their own.
    names = [name] if name.startswith("linux-image-") else [name, f"linux-modules-{release}"]
    into.mkdir()
    for package in names:
        with opened_archive(say) as archive:
            found = archive.find(suites_of(kernel), package, kernel.version, say=say)
            if found is None:
                raise MissingTool(
                    f"no drivers for {release}: the archive holds no {package} {kernel.version}"
                )
            say(f"fetching {package} {kernel.version} ({in_mib(found.package.size)})")
            folder = into.parent / package
            folder.mkdir()
            deb = archive.download(found.package, folder)
        take_out(deb, into, _name_of)
        deb.unlink()
    unpack_modules(into)
    if not (into / _VMLINUZ).is_file():
        raise Undecided(f"{name} {kernel.version} holds no {_VMLINUZ}: its layout changed")


def _name_of(member: tarfile.TarInfo) -> str | None:
    match = _MEMBER.fullmatch(member.name)
    if match is None:
        return None
    if match["boot"] or match["beside"]:
        return _VMLINUZ
    return match["name"] if member.size <= _MODULE_MAX else None
