"""Read the messages that the kernel's PAT, MTRR, ioremap, memremap, resource and vfio-pci code can print.

``read_messages.py TREE...`` reads the sources in these folders, oldest first, and writes
``tests/diagnosis/messages/formats.json``: every format string with the first and last of these versions
that have it. A TREE may be a series (``7.2``), whose source is then fetched from the archive. Then
``tests/diagnosis/messages/test_formats.py`` lists the formats that no family covers.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[2]))

from pfnlab.base.progress import say
from pfnlab.kernel.policies.releases import is_version
from pfnlab.lab.building.source import source_for

#: The file with the formats.
FORMATS = Path(__file__).parents[2] / "tests" / "diagnosis" / "messages" / "formats.json"

#: The files to read, and the subject of relevant messages if a file also has others.
SCOPE = {
    # Until 5.6.
    "arch/x86/mm/pat*.c": "",
    "arch/x86/mm/pageattr.c": "",
    "arch/x86/mm/pat/memtype.c": "",
    "arch/x86/mm/pat/memtype_interval.c": "",
    "arch/x86/mm/pat/set_memory.c": "",
    "arch/x86/mm/ioremap.c": "",
    "arch/x86/mm/pgtable.c": "huge-page mapping",
    "arch/x86/kernel/cpu/mtrr/*.c": "",
    # Until 4.16 the second of these contains the first.
    "kernel/iomem.c": "",
    "kernel/memremap.c": "",
    "kernel/resource.c": "",
    "mm/memremap.c": "",
    "lib/devres.c": "",
    "drivers/pci/setup-res.c": "",
    "drivers/pci/devres.c": "",
    "drivers/pci/iomap.c": "",
    "drivers/pci/pci.c": "BAR|reserve|ioremap",
    "drivers/char/mem.c": "tried to",
    "drivers/vfio/pci/vfio_pci*.c": "",
    "drivers/vfio/vfio_main.c": "",
    "drivers/vfio/vfio_iommu_type1.c": "",
    "drivers/vfio/group.c": "",
}

_LEVELS = "emerg|alert|crit|err|warn|warning|notice|info|cont|debug|devel|dbg"
_CALL = re.compile(
    rf"\b(?P<name>(?:pr|dev|pci)_(?:{_LEVELS})(?:_once|_ratelimited)?|printk(?:_once|_ratelimited|_deferred)?"
    r"|WARN(?:_ONCE|_RATELIMIT)?|panic|[dD]printk)\s*\("
)
#: A string, or a comment, which is dropped.
_TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|/\*.*?\*/|//[^\n]*', re.DOTALL)
_PREFIX = re.compile(r'#\s*define\s+pr_fmt\(\w+\)\s+(?P<said>"[^"]*"|KBUILD_MODNAME\s*"[^"]*")?')
_DEBUG = re.compile(r'#\s*define\s+[dD]printk\([^)]*\)(?:[^\n]*\\\n)*?[^\n]*?pr_\w+\(("[^"]*")')
_DEFINED = re.compile(r'#\s*define\s+(\w+)\s+("[^"\n]*")\s*$', re.MULTILINE)
_PIECE = re.compile(r'"((?:\\.|[^"\\])*)"|\b([A-Za-z_]\w*)\b')

#: Macros that expand to a text, or to nothing.
_MACROS = {
    "FW_BUG": "[Firmware Bug]: ",
    "FW_WARN": "[Firmware Warn]: ",
    "FW_INFO": "[Firmware Info]: ",
}


class MessageFormat(msgspec.Struct, frozen=True):
    """One format string from a call.

    :param text: includes the file's own prefix, without the newline at the end
    :param device: whether a driver name and a device name precede it
    :param first: the oldest of the versions read that contains it
    """

    text: str
    file: str
    device: bool
    first: str
    last: str


def main(words: Sequence[str]) -> int:
    """Write the formats of the trees, see the module; return the exit code."""
    found: dict[tuple[str, str, bool], MessageFormat] = {}
    for word in words:
        folder = source_for(word, say=say).folder if is_version(word) else Path(word)
        version = version_of(folder)
        for pattern, about in SCOPE.items():
            for path in sorted(folder.glob(pattern)):
                file = path.relative_to(folder).as_posix()
                headers = "".join(one.read_text(errors="replace") for one in path.parent.glob("m*.h"))
                for text, device in formats_in(path.read_text(errors="replace"), path.stem, headers):
                    if re.search(about, text):
                        known = found.get((file, text, device))
                        first = known.first if known else version
                        found[file, text, device] = MessageFormat(text, file, device, first, version)
    formats = sorted(found.values(), key=lambda one: (one.file, one.text))
    FORMATS.write_bytes(msgspec.json.format(msgspec.json.encode(formats), indent=1) + b"\n")
    print(f"{len(formats)} formats of {len(words)} trees")
    return 0


def version_of(folder: Path) -> str:
    """The version of a kernel's tree, from its Makefile."""
    makefile = (folder / "Makefile").read_text(errors="replace")
    parts = [re.search(rf"^{key} = (\d+)$", makefile, re.MULTILINE) for key in _VERSION_KEYS]
    return ".".join(part[1] for part in parts if part)


_VERSION_KEYS = ("VERSION", "PATCHLEVEL", "SUBLEVEL")


def formats_in(text: str, module: str, headers: str = "") -> Iterator[tuple[str, bool]]:
    """Yield the formats of calls in the source *text*, and whether a device name precedes each.

    :param module: the source's module name in the kernel's build
    :param headers: the text of headers that define their own debug print
    """
    text = _TOKEN.sub(lambda token: token[0] if token[0].startswith('"') else " ", text)
    prefixes = [match["said"] or "" for match in _PREFIX.finditer(text)]
    prefix = _text(prefixes[-1].replace("KBUILD_MODNAME", f'"{module}"'), {}) if prefixes else ""
    debug = _DEBUG.search(text) or _DEBUG.search(headers)
    macros = {name: _text(said, {}) for name, said in _DEFINED.findall(text)} | _MACROS
    for call in _CALL.finditer(text):
        name = call["name"]
        said = next((one for one in _arguments(text, call.end()) if '"' in one), None)
        if said is None or text[: call.start()].rstrip().endswith("define"):
            continue
        before = prefix if name.startswith("pr_") and "cont" not in name else ""
        if name in ("dprintk", "Dprintk"):
            before = _text(debug[1], {}) if debug else prefix
        found = (before + _text(said, macros)).strip("\n")
        if re.search("[A-Za-z]{3}", re.sub(r"%[-#0-9*.]*[a-zA-Z]+", "", found)):
            yield found, name.startswith(("dev_", "pci_"))


def _arguments(text: str, start: int) -> Iterator[str]:
    """The arguments of a call whose parenthesis ends at *start*."""
    depth, begin, place = 1, start, start
    while place < len(text) and depth:
        letter = text[place]
        if letter == '"':
            string = _TOKEN.match(text, place)
            place = string.end() if string else place + 1
            continue
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if (letter == "," and depth == 1) or not depth:
            yield text[begin:place]
            begin = place + 1
        place += 1


def _text(said: str, macros: dict[str, str]) -> str:
    """Adjacent strings and macros, as one text."""
    parts = []
    for string, name in _PIECE.findall(said):
        if not name:
            parts.append(string.encode().decode("unicode_escape"))
        elif name in macros:
            parts.append(macros[name])
    return "".join(parts)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
