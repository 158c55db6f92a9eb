"""Kernel architectures: the one a version or a user names, and those on which a bug can exist."""

import re

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible_name
from pfnlab.kernel.bugs.known_bugs import Bug

#: The names used by ``uname -m`` and in package versions, by the kernel's own name for the architecture.
_NAMES = {
    "x86_64": ("x86_64", "x86-64", "amd64", "x86"),
    "i386": ("i386", "i486", "i586", "i686", "686"),
    "arm64": ("arm64", "aarch64"),
    "arm": ("arm", "armv6l", "armv7l", "armhf", "armv7hl", "armmp"),
    "riscv": ("riscv", "riscv64"),
    "powerpc": ("powerpc", "ppc64le", "ppc64", "ppc64el"),
    "s390": ("s390", "s390x"),
    "loongarch": ("loongarch", "loongarch64", "loong64"),
}
_BY_NAME = {name: arch for arch, names in _NAMES.items() for name in names}

#: Kernel options that exist only on some architectures.
_OPTIONS = {
    **dict.fromkeys(("X86", "X86_PAT", "MTRR", "XEN_PV", "KVM_GUEST", "DRM_I915"), ("x86_64", "i386")),
    "X86_PAE": ("i386",),
    "AMD_MEM_ENCRYPT": ("x86_64",),
    "ARM64": ("arm64",),
}

_WORD = re.compile(r"[a-z0-9_]+")


def arch_named(text: str) -> str:
    """The architecture called *text*, e.g. ``arm64`` for ``aarch64``.

    :raises Misuse: if *text* names no known architecture
    """
    arch = _BY_NAME.get(text.strip().lower())
    if arch is None:
        raise Misuse(f"unknown architecture {visible_name(text)[:40]!r}: write one of {', '.join(_NAMES)}")
    return arch


def arch_of_version(version: str) -> str:
    """The architecture at the end of a version, e.g. ``x86_64`` in ``5.14.0-503.el9.x86_64``; or empty."""
    last = _WORD.findall(version.lower())[1:]
    return next((_BY_NAME[word] for word in reversed(last) if word in _BY_NAME), "")


def architectures_with(one: Bug) -> tuple[str, ...]:
    """The architectures on which a bug can exist; empty if none of the options it needs exclude any."""
    for option in one.config:
        if option in _OPTIONS:
            return _OPTIONS[option]
    return ()
