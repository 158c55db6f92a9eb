"""Texts of configurations: all that the rules ask is on, but for some options."""

from __future__ import annotations

from pfnlab.kernel.policies.kconfig import OPTIONS


def config_text(*off: str, also: tuple[str, ...] = ()) -> str:
    """A ``.config`` without the options *off*, and with the options *also*."""
    names = ["X86_64", *(name for rows in OPTIONS.values() for row in rows for name in row), *also]
    lines = ["#", "# Linux/x86 7.2.13 Kernel Configuration", "#"]
    for name in dict.fromkeys(names):
        lines.append(f"# CONFIG_{name} is not set" if name in off else f"CONFIG_{name}=y")
    return "\n".join([*lines, "CONFIG_NR_CPUS=8", 'CONFIG_CC_VERSION_TEXT="gcc"', ""])
