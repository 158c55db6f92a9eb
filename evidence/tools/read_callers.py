"""Calls in a kernel's source that remove entries from mappings that remain, for ``docs/callers.md``.

``read_callers.py [SERIES]`` reads the archive's source package (default: the newest series that models are
compared with) and writes ``evidence/pages/callers/calls.json``. Then ``python -m evidence.pages callers``
lists the calls that ``evidence/pages/callers/callers.toml`` does not explain yet.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[2]))

from evidence.pages.callers.page import CALLS, Call, Calls
from pfnlab.base.progress import say
from pfnlab.kernel.policies.releases import CONFIRMED
from pfnlab.lab.building.source import files_of, source_for

#: The functions that remove entries from a VMA or from a file's VMAs, by their names on kernels 6.1 to 7.3.
FUNCTIONS = (
    "zap_vma_ptes",
    "zap_special_vma_range",
    "zap_vma",
    "zap_vma_range",
    "zap_vma_range_batched",
    "zap_page_range_single",
    "unmap_mapping_range",
    "unmap_mapping_pages",
    "unmap_shared_mapping_range",
)

#: The files that define them.
_DEFINED = ("mm/internal.h", "include/linux/mm.h")

_CALL = re.compile(rf"\b({'|'.join(FUNCTIONS)})\(")
#: The line of a function's name: words from the line's start, and the name before a parenthesis.
_HEAD = re.compile(r"^(?=[a-zA-Z_])(?:[\w \t*]*?[ \t*])?(\w+)\([^;]*$")
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)


def main(words: Sequence[str]) -> int:
    """Write the calls of a source, see the module; return the exit code."""
    source = source_for(words[0] if words else CONFIRMED[-1], say=say)
    found = [
        call
        for path in files_of(source)
        if path.endswith((".c", ".h")) and path not in _DEFINED and not path.startswith("Documentation")
        for call in calls_in(path, (source.folder / path).read_text(errors="replace"))
    ]
    calls = Calls(source.label, sorted(set(found), key=lambda call: (call.file, call.function, call.called)))
    CALLS.write_bytes(msgspec.json.format(msgspec.json.encode(calls), indent=1) + b"\n")
    print(f"{len(calls.calls)} calls of {source.label}")
    return 0


def calls_in(path: str, text: str) -> Iterator[Call]:
    """The calls in *text*, the source of the file *path*, each with the function that contains it."""
    if not any(f"{name}(" in text for name in FUNCTIONS):
        return
    function = ""
    # Comments keep their lines.
    for line in _COMMENT.sub(lambda comment: "\n" * comment[0].count("\n"), text).split("\n"):
        head = _HEAD.match(line)
        if head is not None:
            function = head[1]
        for call in _CALL.finditer(line):
            if function and call[1] != function:
                yield Call(path, function, call[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
