"""The configuration of a kernel to boot, from a file next to the image or inside it (CONFIG_IKCONFIG)."""

import functools
import zlib
from pathlib import Path

from pfnlab.base.errors import Misuse, PfnlabError
from pfnlab.kernel.mm.configuration import DISTRIBUTION, Configuration
from pfnlab.kernel.policies.kconfig import configuration_of, read_configuration
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.lens.vmlinux import vmlinux_of

#: RAM of a guest that runs programs, in MiB; it starts at address 0. Some kernels fail to boot with less.
RAM_MIB = 256

# CONFIG_KASAN shadows an eighth of all memory that the kernel maps, including BARs. With less RAM, an
# ioremap() of a few hundred MiB triggers the OOM killer.
_SHADOWED_RAM_MIB = 1024


def ram_mib(configuration: Configuration) -> int:
    """RAM for a guest whose kernel has this configuration, in MiB."""
    return _SHADOWED_RAM_MIB if configuration.kasan else RAM_MIB


def configuration_of_kernel(kernel: KernelImage) -> Configuration:
    """The configuration of *kernel*; if that is unknown, the configuration of distribution kernels."""
    return DISTRIBUTION if kernel.package else _of_file(kernel.vmlinuz, kernel.sha256)


@functools.cache
def _of_file(vmlinuz: Path, checksum: str) -> Configuration:
    # The names used by `kernels build`, by `make install` and by the kernel's build; then the copy in the
    # image.
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


#: The markers around the embedded configuration, and the maximum number of bytes to unpack between them.
_START, _END = b"IKCFG_ST", b"IKCFG_ED"
_MOST = 1 << 20


def embedded_configuration(vmlinuz: Path) -> str | None:
    """The ``.config`` inside a kernel image, or None; LensError, MissingTool or OSError if unreadable."""
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
