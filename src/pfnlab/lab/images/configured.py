"""The configuration of a kernel that is booted: beside its image, or inside it (CONFIG_IKCONFIG)."""

import functools
import zlib
from pathlib import Path

from pfnlab.base.errors import Misuse, PfnlabError
from pfnlab.kernel.mm.configuration import DISTRIBUTION, Configuration
from pfnlab.kernel.policies.kconfig import configuration_of, read_configuration
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.lens.vmlinux import vmlinux_of

#: RAM of a guest in which programs run, in MiB; it begins at 0. Below that some kernels fail to boot.
RAM_MIB = 256

# CONFIG_KASAN keeps a shadow of an eighth of what the kernel maps, BARs too: with less memory, an ioremap()
# of some hundred MiB ends in the OOM killer.
_SHADOWED_RAM_MIB = 1024


def ram_mib(configuration: Configuration) -> int:
    """The RAM of a guest whose kernel has this configuration, in MiB."""
    return _SHADOWED_RAM_MIB if configuration.kasan else RAM_MIB


def configuration_of_kernel(kernel: KernelImage) -> Configuration:
    """How *kernel* was configured; that of the distribution's kernels where it does not say."""
    return DISTRIBUTION if kernel.package else _of_file(kernel.vmlinuz, kernel.sha256)


@functools.cache
def _of_file(vmlinuz: Path, checksum: str) -> Configuration:
    # As `kernels build` keeps it, as `make install` does, as the build leaves it, and inside.
    beside = [vmlinuz.with_name("config"), vmlinuz.with_name(vmlinuz.name.replace("vmlinuz", "config"))]
    if vmlinuz.parts[-4:-1] == ("arch", "x86", "boot"):
        beside.append(vmlinuz.parents[3] / ".config")
    for file in beside:
        if file != vmlinuz and file.is_file():
            try:
                return configuration_of(file)
            except Misuse:
                continue
    try:
        text = embedded_configuration(vmlinuz)
        return DISTRIBUTION if text is None else read_configuration(text)
    except (PfnlabError, OSError):
        return DISTRIBUTION


#: The words around it, and of what stands between them the longest that is unpacked, in bytes.
_START, _END = b"IKCFG_ST", b"IKCFG_ED"
_MOST = 1 << 20


def embedded_configuration(vmlinuz: Path) -> str | None:
    """The ``.config`` inside a kernel image, if any; LensError, MissingTool, OSError if unreadable."""
    content = vmlinux_of(vmlinuz.read_bytes(), str(vmlinuz))
    start = content.find(_START)
    end = content.find(_END, start)
    if start < 0 or end < 0:
        return None
    try:
        unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        text = unpacker.decompress(content[start + len(_START) : end], _MOST)
    except zlib.error:
        return None
    return text.decode(errors="replace")
