"""Kernel configurations: fragments on top of ``tinyconfig``, and options that a tree lacks.

``lab`` has everything that programs and the lab use, ``minimal`` as little as the lab can work with, and
``debug`` is ``lab`` plus the kernel's own checks. A user's fragment is applied on top of ``lab``.
"""

import hashlib
import re
from collections.abc import Container, Sequence
from importlib import resources
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.files import MOST_WRITTEN, Missing, check_regular, read_text
from pfnlab.kernel.policies.kconfig import OPTIONS

#: The packaged configurations, each by its fragments.
PACKAGED = {"lab": ("lab",), "minimal": ("minimal",), "debug": ("lab", "debug")}

#: If any of these is off, no guest starts, or its state cannot be read.
REQUIRED = (
    *("64BIT", "PCI", "ACPI", "X86_PAT", "DEVMEM", "MODULES", "PRINTK", "TTY", "SERIAL_8250_CONSOLE"),
    *("BLK_DEV_INITRD", "BINFMT_ELF", "PROC_FS", "SYSFS", "DEBUG_FS", "DEVTMPFS", "NET", "UNIX"),
    *("KALLSYMS", "KPROBES", "DEBUG_INFO_BTF", "FTRACE"),
)

_LINE = re.compile(r"CONFIG_(\w+)=(.+)|# CONFIG_(\w+) is not set")


def fragment_text(words: Sequence[str]) -> str:
    """The lines of packaged configurations or files, with ``lab`` before a file; Misuse if not found."""
    texts = []
    for word in words if words and words[0] in PACKAGED else ("lab", *words):
        if word in PACKAGED:
            folder = resources.files("pfnlab.lab.building")
            texts += [(folder / f"{name}.config").read_text() for name in PACKAGED[word]]
            continue
        texts.append(_own_text(word))
        for number, line in enumerate(texts[-1].splitlines(), 1):
            if line.strip() and not line.startswith("#") and not _LINE.fullmatch(line.strip()):
                raise Misuse(
                    f"{word}:{number}: {line.strip()!r} is not an option: write CONFIG_NAME=y, =m or =n"
                )
    return "\n".join(texts)


def _own_text(word: str) -> str:
    """The text of a user's fragment, a file that can be read several times; Misuse if it is unreadable."""
    path = Path(word)
    try:
        check_regular(path, "configuration", MOST_WRITTEN)
        return read_text(path, "configuration")
    except Missing:
        raise Misuse(
            f"no configuration {word!r}: write {', '.join(PACKAGED)}, or a file with lines "
            "such as CONFIG_KASAN=y"
        ) from None


def configuration_name(words: Sequence[str]) -> str:
    """The name for the configuration *words*; a file's name includes a checksum of its path."""
    names = []
    for word in words or ("lab",):
        if word not in PACKAGED:
            place = hashlib.sha256(str(Path(word).absolute()).encode()).hexdigest()[:8]
            word = f"{re.sub('[^A-Za-z0-9._-]', '_', Path(word).stem)}_{place}"
        names.append(word)
    return "+".join(names)


def options_of(text: str) -> dict[str, str]:
    """The options of a configuration, without ``CONFIG_``; the last line wins, ``n`` if not set."""
    found = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match:
            found[match[1] or match[3]] = match[2] or "n"
    return found


def merged(base: str, fragment: str) -> str:
    """The configuration *base*, with options replaced by those of *fragment*."""
    wanted = options_of(fragment)
    lines = [
        line
        for line in base.splitlines()
        if not ((match := _LINE.fullmatch(line.strip())) and (match[1] or match[3]) in wanted)
    ]
    return "\n".join([*lines, *(f"CONFIG_{name}={value}" for name, value in wanted.items()), ""])


def lacking(config: str, fragment: str, requested: Container[str]) -> list[str]:
    """The options that *fragment* turns on but that are off in the tree's final *config*, or unknown to it.

    :param requested: the options requested by name; any others were renamed, or are always on, in some series
    """
    has = options_of(config)
    return [
        name
        for name, value in options_of(fragment).items()
        if name in requested and value in ("y", "m") and has.get(name, "n") not in ("y", "m")
    ]


def requested_options(words: Sequence[str]) -> set[str]:
    """The options that the lab, the rules or programs require, plus those in the user's files in *words*."""
    of_rules = {name for rows in OPTIONS.values() for row in rows for name in row}
    own = [_own_text(word) for word in words if word not in PACKAGED]
    return {*REQUIRED, *of_rules, *(name for text in own for name in options_of(text))}
