"""A kernel's functions by source file, for ``src/pfnlab/lab/running/kernel_files.toml``.

``read_functions.py [SERIES]`` reads the archive's source package (default: the newest series that models
are compared with) and selects, from each file, the functions that are symbols in that series' stock kernel,
except boot-only functions and names that occur twice in the kernel.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from pfnlab.base.progress import say
from pfnlab.kernel.policies.releases import CONFIRMED
from pfnlab.lab.building.source import source_for
from pfnlab.lab.images.image import guest_image
from pfnlab.lab.images.kernels import kernel_for
from pfnlab.lab.images.modules import vfio_modules
from pfnlab.lab.images.tools import run
from pfnlab.lab.running.kernel_blocks import DATA, FILES, MODULE, MODULE_FILE
from pfnlab.lab.steering.symbols import kernel_symbols
from pfnlab.lab.vm.boots import GuestShape
from pfnlab.lab.vm.qemu import Guest

OUTPUT = Path(__file__).parents[2] / "src" / "pfnlab" / "lab" / "running" / DATA

_NO_CODE = re.compile(
    r"""/\*.*?\*/ | //[^\n]* | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | ^[ \t]*\#(?:\\\n|[^\n])*""",
    re.DOTALL | re.MULTILINE | re.VERBOSE,
)
_SYSTEM_CALL = re.compile(r"SYSCALL_DEFINE\d")
#: Sections of a module that are dropped after loading, or used only for unloading.
_BOOT = (".init", ".exit")
_WORD = re.compile(r"\s*(\w+)")


def main(words: Sequence[str]) -> int:
    """Write the data file, see the module; return the exit code."""
    series = words[0] if words else CONFIRMED[-1]
    source, kernel = source_for(series, say=say), kernel_for(series)
    with Guest(kernel.vmlinuz, GuestShape(image=guest_image(say=say))) as guest:
        symbols = kernel_symbols(guest, kernel.vmlinuz)
        image = functions_once(symbols.functions_outside("_sinittext", "_einittext"))
    stem = MODULE.replace("_", "-")
    (core,) = [path for path in vfio_modules(kernel, say=say).values() if path.stem == stem]
    lines = ["# Made by evidence/tools/read_functions.py.", f'kernel = "{kernel.label}"', "", "[functions]"]
    for path in FILES:
        known = functions_once(functions_of_module(core)) if path == MODULE_FILE else image
        found = dict.fromkeys(functions_in((source.folder / path).read_text(errors="replace")))
        names = [name for name in found if name in known]
        lines += [f'"{path}" = [', *(f'    "{name}",' for name in names), "]"]
        print(f"{path}: {len(names)} functions")
    OUTPUT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return 0


def functions_once(symbols: Collection[str]) -> set[str]:
    """The functions that occur once in the kernel; parts split off by the compiler count as their
    function.
    """
    counts = Counter(name.partition(".")[0] for name in symbols if ".cold" not in name)
    return {name for name, count in counts.items() if count == 1}


def functions_of_module(module: Path) -> list[str]:
    """A module's functions that remain after loading."""
    remedy = "apt-get install --no-install-recommends binutils"
    lines = run(["nm", "-f", "sysv", str(module)], limit=60, remedy=remedy).stdout.splitlines()
    rows = [[word.strip() for word in line.split("|")] for line in lines if line.count("|") == 6]
    return [row[0] for row in rows if row[3] == "FUNC" and not row[6].startswith(_BOOT)]


def functions_in(text: str) -> Iterator[str]:
    """Names before parentheses at the start of a source's blocks: functions, and a few other words."""
    return (name for name, _ in blocks_in(text))


def blocks_in(text: str) -> Iterator[tuple[str, str]]:
    """The same names, each with the code of its block, without comments and texts."""
    code = _NO_CODE.sub(" ", text)
    depth = start = begin = 0
    head = ""
    # A brace in the first column ends a function, whatever both branches of an #if opened.
    for sign in re.finditer(r"^\}|[{};]", code, re.MULTILINE):
        if sign[0] == "{":
            if depth == 0:
                head, begin = code[start : sign.start()], sign.end()
            depth += 1
        elif sign[0] == "}":
            depth = 0 if code[sign.start() - 1] == "\n" else depth - 1
            if depth == 0 and "=" not in head:
                yield from ((name, code[begin : sign.start()]) for name in _names_in(head))
                head = "="
        if depth == 0:
            start = sign.end()


def _names_in(head: str) -> Iterator[str]:
    depth = 0
    for sign in re.finditer(r"(\w+)\s*\(|[()]", head):
        if sign[0] == ")":
            depth -= 1
            continue
        if depth == 0 and sign[1]:
            call = _WORD.match(head, sign.end())
            # The macro gives the system call's function this name.
            yield f"__do_sys_{call[1]}" if call and _SYSTEM_CALL.fullmatch(sign[1]) else sign[1]
        depth += 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
