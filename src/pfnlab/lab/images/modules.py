"""The vfio-pci modules for one kernel, taken from that kernel's packages.

Up to 6.18 the modules are in the kernel package; later they are in a separate one, which may no longer be in
the archive. They are stored in ``<cache>/modules/<package version>/``, uncompressed.
"""

import functools
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

from pfnlab.base.errors import MissingTool
from pfnlab.lab.images.archive import opened_archive
from pfnlab.lab.images.cache import cache_root, kept, quiet
from pfnlab.lab.images.deb import take_out, unpack_modules
from pfnlab.lab.images.kernels import KernelImage, suites_of

#: The modules needed to open a device; their dependencies are loaded before them.
_WANTED = ("vfio_iommu_type1", "vfio-pci")

#: The guest loads the files that match this pattern, in name order.
MODULE = "vfio-{:02}.ko"

_MODULE_MAX = 16 << 20

# The folders that contain these modules and all their dependencies in any kernel.
_MEMBER = re.compile(
    r"(?:\./)?(?:usr/)?lib/modules/[^/]+/kernel/(?:drivers/vfio|drivers/iommu|virt/lib)/(?:[^/]+/)*"
    r"(?P<name>[^/]+\.ko(?:\.xz)?)"
)
_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


def vfio_modules(kernel: KernelImage, *, say: Callable[[str], None] = quiet) -> dict[str, Path]:
    """The vfio-pci modules, by their names in a guest, in load order.

    :raises MissingTool: if the archive does not have the modules for exactly this kernel
    :raises Unverified: if a signature or checksum in the archive is wrong
    :raises Undecided: if the archive cannot be reached, or its packages have an unknown layout
    """
    home = cache_root() / "modules" / (kernel.version or "none")
    kept(home, functools.partial(_obtain, kernel, say), say=say)
    files = {_module_name(path.stem): path for path in home.glob("*.ko")}
    order = load_order({name: path.read_bytes() for name, path in files.items()})
    return {MODULE.format(number): files[name] for number, name in enumerate(order)}


def modules_in_tree(kernel: KernelImage, out: Path, *, say: Callable[[str], None] = quiet) -> None:
    """Store the vfio-pci modules built with *kernel* in the folder *out*; MissingTool if there are none."""

    def take(into: Path) -> None:
        into.mkdir()
        for place in ("drivers/vfio", "drivers/iommu", "virt/lib"):
            for module in (out / place).rglob("*.ko"):
                if module.stat().st_size <= _MODULE_MAX:
                    shutil.copyfile(module, into / module.name)
        load_order({_module_name(path.stem): path.read_bytes() for path in into.glob("*.ko")})

    kept(cache_root() / "modules" / kernel.version, take, say=say)


def load_order(modules: dict[str, bytes]) -> list[str]:
    """The modules that vfio-pci needs, by name, dependencies first; MissingTool if any is missing."""
    order: list[str] = []

    def add(name: str) -> None:
        if name not in modules:
            raise MissingTool(f"no vfio-pci: the kernel's packages have no module {name}")
        depends = _DEPENDS.search(modules[name])
        for dependency in depends[1].decode().split(",") if depends and depends[1] else ():
            add(_module_name(dependency))
        if name not in order:
            order.append(name)

    for name in _WANTED:
        add(_module_name(name))
    return order


def _module_name(name: str) -> str:
    return name.replace("-", "_")


def _obtain(kernel: KernelImage, say: Callable[[str], None], into: Path) -> None:
    with opened_archive(say) as archive:
        modules_package = f"linux-modules-{kernel.release}"
        name = kernel.package if kernel.package.startswith("linux-image-") else modules_package
        suites = suites_of(kernel)
        found = archive.find(suites, name, kernel.version, say=say)
        if found is None:
            lack = f"the archive has no {name} {kernel.version} (suites searched: {', '.join(suites)})"
            reason = lack if suites else "it is not a kernel of the archive"
            raise MissingTool(f"no vfio-pci for {kernel.release}: {reason}")
        into.mkdir()
        size = -(-found.package.size >> 20)
        say(f"fetching vfio-pci of {kernel.version} (about {size} MiB, 1 MiB on disk)")
        deb = archive.download(found.package, into.parent)
    take_out(deb, into, _name_of)
    unpack_modules(into)


def _name_of(member: tarfile.TarInfo) -> str | None:
    match = _MEMBER.fullmatch(member.name)
    return match["name"] if match and member.size <= _MODULE_MAX else None
