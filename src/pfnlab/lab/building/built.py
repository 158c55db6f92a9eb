"""Kernels built here, by name: ``<cache>/built/NAME``.

Each is a folder with ``vmlinuz``, ``config`` and ``kernel.json``, put in place by a single rename. Modules
and driver are stored in the same way as for kernels from the archive.
"""

import functools
import re
import shutil
from pathlib import Path

import msgspec

from pfnlab.base.errors import Misuse, Undecided
from pfnlab.base.spelling import guess
from pfnlab.lab.images.cache import cache_root, new_folder, sha256_of, trusted, usable
from pfnlab.lab.images.kernels import KernelImage

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._+-]*|\d[A-Za-z0-9._+-]*[A-Za-z_+-][A-Za-z0-9._+-]*")
_NOTE = "kernel.json"

#: A function whose inlining shows in the log: it warns once per caller that it is inlined into (S3.4.4).
PAT_INFO = "get_pat_info"


class BuiltKernel(msgspec.Struct, frozen=True, kw_only=True):
    """A kernel built here.

    :param version: its source version, e.g. ``7.2.13``
    :param series: the series whose model applies, e.g. ``7.2``
    :param source: a description of its source, e.g. ``linux-source-7.2 7.2.13-1``
    :param patches: the names of its patches, marked ``in reverse`` if applied in reverse
    :param policy: the policy that the patches implement, e.g. ``flush=end_vma``; empty if they do not name
        one
    :param configuration: a description of its configuration, e.g. ``lab``
    :param lacks: configuration options that its source lacks
    :param content: a checksum of all its inputs, in hex
    :param sha256: the checksum of the vmlinuz file, in hex
    :param uncalled: functions that nothing in the kernel calls, among those used to observe event order and
        :data:`PAT_INFO`
    """

    name: str
    version: str
    series: str
    release: str
    source: str
    patches: tuple[str, ...]
    policy: str
    configuration: str
    lacks: tuple[str, ...]
    content: str
    sha256: str
    seconds: float
    uncalled: tuple[str, ...] = ()

    @property
    def home(self) -> Path:
        """Its folder in the cache."""
        return _home(self.name)

    @property
    def config(self) -> Path:
        """Its configuration."""
        return self.home / "config"

    @property
    def origin(self) -> str:
        """A description of the source, configuration and patches from which it was built."""
        source = f"{self.source} ({self.configuration})"
        return f"{source} with {', '.join(self.patches)}" if self.patches else source

    @property
    def image(self) -> KernelImage:
        """The bootable image; its version includes a checksum of the inputs, to tell images apart."""
        return KernelImage(
            *(self.series, "", f"{self.version}+{self.content[:12]}", self.release),
            *(self.home / "vmlinuz", self.sha256),
        )


def check_name(name: str) -> str:
    """Return *name* if it is a valid kernel name, else raise Misuse."""
    if not _NAME.fullmatch(name):
        raise Misuse(
            f"{name!r} is not a valid kernel name: use letters, digits and ._+-, with at least one letter "
            "(7.2 and 6.12.107 are kernels in the archive)"
        )
    return name


def built_kernels() -> list[BuiltKernel]:
    """All complete kernels built here, by name."""
    found = []
    for note in sorted(trusted(cache_root() / "built").glob(f"[!.]*/{_NOTE}")):
        try:
            kernel = msgspec.json.decode(note.read_bytes(), type=BuiltKernel)
        except (OSError, msgspec.MsgspecError):
            continue
        if kernel.name == note.parent.name and (note.parent / "vmlinuz").is_file():
            found.append(kernel)
    return found


def find(name: str) -> BuiltKernel | None:
    """The kernel with this name, or None."""
    return next((kernel for kernel in built_kernels() if kernel.name == name), None)


def built(name: str) -> BuiltKernel:
    """The kernel named *name*, with its checksum verified; Misuse if not found, Undecided if damaged."""
    kernel = _existing(name)
    if sha256_of(kernel.image.vmlinuz) != kernel.sha256:
        raise Undecided(f"{kernel.image.vmlinuz} is damaged: build {name} again")
    return kernel


@functools.cache
def uncalled_in(sha256: str) -> tuple[str, ...]:
    """Functions that nothing calls in the kernel with this checksum; empty if it was not built here."""
    return next((kernel.uncalled for kernel in built_kernels() if kernel.sha256 == sha256), ())


def keep_built(kernel: BuiltKernel, vmlinuz: Path, config: Path) -> BuiltKernel:
    """Store *kernel* in the cache, replacing any kernel of that name; Undecided if it cannot be written."""
    home = _home(kernel.name)
    with usable(), new_folder(home) as part:
        shutil.copyfile(vmlinuz, part / "vmlinuz")
        shutil.copyfile(config, part / "config")
        (part / _NOTE).write_bytes(msgspec.json.format(msgspec.json.encode(kernel), indent=1) + b"\n")
    return kernel


def remove_built(name: str) -> None:
    """Remove the kernel named *name* from the cache (its modules go later); Misuse if there is none."""
    shutil.rmtree(_existing(name).home)


def with_content(content: str) -> BuiltKernel | None:
    """The kernel built from exactly these inputs, under whatever name, or None."""
    return next((kernel for kernel in built_kernels() if kernel.content == content), None)


def _existing(name: str) -> BuiltKernel:
    kernel = find(name)
    if kernel is None:
        names = [other.name for other in built_kernels()]
        raise Misuse(
            f"no kernel {name!r} was built here: "
            + guess(name, names)
            + (f"built are {', '.join(names)}" if names else "see `pfnlab kernels build --help`")
        )
    return kernel


def _home(name: str) -> Path:
    return cache_root() / "built" / name
