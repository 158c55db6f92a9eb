"""Kernel configurations: fragments on top of ``tinyconfig``, and the options that a tree lacks.

``lab`` enables everything that programs and the lab use, ``minimal`` enables as little as the lab can work
with, and ``debug`` is ``lab`` plus the kernel's own debugging checks. A user's fragment is applied on top of
``lab``.
"""

import hashlib
import re
from collections.abc import Container, Sequence
from importlib import resources
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.files import MOST_WRITTEN, Missing, check_regular, read_text
from pfnlab.kernel.policies.kconfig import OPTIONS

#: The packaged configurations and the fragments each consists of.
PACKAGED = {"lab": ("lab",), "minimal": ("minimal",), "debug": ("lab", "debug")}

#: If any of these is off, no guest starts, or its state cannot be read.
REQUIRED = (
    *("64BIT", "PCI", "ACPI", "X86_PAT", "DEVMEM", "MODULES", "PRINTK", "TTY", "SERIAL_8250_CONSOLE"),
    *("BLK_DEV_INITRD", "BINFMT_ELF", "PROC_FS", "SYSFS", "DEBUG_FS", "DEVTMPFS", "NET", "UNIX"),
    *("KALLSYMS", "KPROBES", "DEBUG_INFO_BTF", "FTRACE"),
)

_LINE = re.compile(r"CONFIG_(\w+)=(.+)|# CONFIG_(\w+) is not set")


def fragment_text(words: Sequence[str]) -> str:
    """The text of packaged configurations or files, with ``lab`` before any file; Misuse if not found."""
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
    """The text of a user's fragment, a file that can be read more than once; Misuse if it is unreadable."""
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
    """A name for the configuration given by *words*; for a file it includes a checksum of the path."""
    names = []
    for word in words or ("lab",):
        if word not in PACKAGED:
            place = hashlib.sha256(str(Path(word).absolute()).encode()).hexdigest()[:8]
            word = f"{re.sub('[^A-Za-z0-9._-]', '_', Path(word).stem)}_{place}"
        names.append(word)
    return "+".join(names)


def options_of(text: str) -> dict[str, str]:
    """The options of a configuration, without ``CONFIG_``; ``n`` if not set, and the last line wins."""
    found = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line.strip())
        if match:
            found[match[1] or match[3]] = match[2] or "n"
    return found


def merged(base: str, fragment: str) -> str:
    """The configuration *base*, with its options overridden by those in *fragment*."""
    wanted = options_of(fragment)
    lines = [
        line
        for line in base.splitlines()
        if not ((match := _LINE.fullmatch(line.strip())) and (match[1] or match[3]) in wanted)
    ]
    return "\n".join([*lines, *(f"CONFIG_{name}={value}" for name, value in wanted.items()), ""])


def lacking(config: str, fragment: str, requested: Container[str]) -> list[str]:
    """The options that *fragment* turns on but that the tree's final *config* has off, or does not know.

    :param requested: options that were requested by name; in some series the others are renamed or always on
    """
    has = options_of(config)
    return [
        name
        for name, value in options_of(fragment).items()
        if name in requested and value in ("y", "m") and has.get(name, "n") not in ("y", "m")
    ]


def requested_options(words: Sequence[str]) -> set[str]:
    """Options required by the lab, the rules or programs, plus those in the user's files among *words*."""
    of_rules = {name for rows in OPTIONS.values() for row in rows for name in row}
    own = [_own_text(word) for word in words if word not in PACKAGED]
    return {*REQUIRED, *of_rules, *(name for text in own for name in options_of(text))}
