"""Compare the data about kernel functions with kernel sources: their files and callers.

``hold_functions.py TREE...`` reads each source tree (or a series, e.g. ``7.2``, whose source is then fetched
from the archive), and prints what ``src/pfnlab/kernel/functions/data`` says otherwise of that release: a file
that does not define the function, a caller that does not mention it, a caller that is left out although the
data describes it, and a function that the release should not have. Exit codes: 0 nothing differs, 1 something
does.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from read_functions import blocks_in

from pfnlab.base.progress import say
from pfnlab.kernel.functions.known_functions import (
    MOST_CALLERS,
    KernelFunction,
    Releases,
    kernel_functions,
)
from pfnlab.lab.building.source import source_for

#: The folders in which callers are looked for. Other architectures and drivers are left out.
FOLDERS = (
    *("mm", "kernel", "lib", "fs/proc", "fs/kernfs", "include/linux", "include/asm-generic"),
    *("arch/x86/mm", "arch/x86/entry", "arch/x86/kernel", "arch/x86/kvm", "arch/x86/include/asm"),
    *("drivers/char", "drivers/pci", "drivers/vfio", "drivers/uio", "drivers/infiniband/core"),
    *("drivers/gpu/drm/i915", "drivers/gpu/drm/ttm", "drivers/video/fbdev/core", "sound/core", "virt/kvm"),
)

#: Files with stubs for kernels without an MMU.
_STUBS = ("mm/nommu.c",)

_WORD = re.compile(r"[A-Za-z_]\w+")

Told = TypeVar("Told")


class Source(NamedTuple):
    """The functions of a tree, and their callers.

    :param defined: the files that define each function
    :param mentions: the functions whose bodies mention each of our functions
    :param members: the members of structures that each of our functions is assigned to: ``.fault``
    """

    defined: Mapping[str, set[str]]
    mentions: Mapping[str, set[str]]
    members: Mapping[str, set[str]]


def main(words: Sequence[str]) -> int:
    """Compare each tree, see the module; return the exit code."""
    wrong = 0
    for word in words:
        found = source_for(word, say=say)
        lines = list(differences(read_source(found.folder), found.series))
        for line in lines:
            print(f"{found.series}: {line}")
        known = sum(one.is_in(found.series) for one in kernel_functions().values())
        print(f"{found.label}: {known} functions, {len(lines)} differences")
        wrong += len(lines)
    return 1 if wrong else 0


def read_source(folder: Path) -> Source:
    """Read the source files in :data:`FOLDERS` of a tree."""
    names = frozenset(kernel_functions())
    defined, mentions, members = (defaultdict[str, set[str]](set) for _ in range(3))
    for path in _files(folder):
        text = path.read_text(errors="replace")
        for member, name in re.findall(r"(\.\w+)\s*=\s*(\w+)", text):
            members[name].add(member)
        for name, body in blocks_in(text):
            defined[name].add(str(path.relative_to(folder)))
            for word in names.intersection(_WORD.findall(body)):
                mentions[word].add(name)
    return Source(defined, mentions, members)


def _files(folder: Path) -> Iterator[Path]:
    for below in FOLDERS:
        for path in sorted((folder / below).rglob("*.[ch]")):
            if str(path.relative_to(folder)) not in _STUBS:
                yield path


def differences(source: Source, series: str) -> Iterator[str]:
    """Yield what the data says otherwise than the source of a release, a line each."""
    for one in kernel_functions().values():
        yield from _of_function(one, source, series)


def _of_function(one: KernelFunction, source: Source, series: str) -> Iterator[str]:
    defined = source.defined.get(one.name, set())
    if not one.is_in(series):
        if defined:
            yield f"{one.name}: not in this release by the data, but defined in {', '.join(sorted(defined))}"
        return
    for file in _by_release(one.files, series):
        if file not in defined:
            yield f"{one.name}: not defined in {file}, but in {', '.join(sorted(defined)) or 'no file'}"
    told = [name for names in _by_release(one.called_by, series) for name in names]
    found = source.mentions.get(one.name, set())
    for name in told:
        if name not in (source.members.get(one.name, ()) if name.startswith(".") else found):
            yield f"{one.name}: not called by {name}"
    if len(told) < MOST_CALLERS:
        for name in sorted(found.intersection(kernel_functions()) - {one.name, *told}):
            yield f"{one.name}: also called by {name}"


def _by_release(rows: Mapping[Releases, Told], series: str) -> list[Told]:
    return [told for releases, told in rows.items() if series in releases]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
