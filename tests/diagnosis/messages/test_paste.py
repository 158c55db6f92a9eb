"""Pieces of lines: what a runtime wrote around a message, and whose it is."""

from __future__ import annotations

from for_each import for_each

from pfnlab.diagnosis.messages.paste import pieces

REFUSED = "Failed to mmap 0000:41:00.0 BAR 1. Performance may be slow"
LINES = {
    "of the host": (f'Mar 02 10:00:00 node7 runtime[77]: level=error msg="{REFUSED}"', "node7"),
    "of nobody": (f'level=error msg="{REFUSED}"', ""),
    "a guest's console": (f'Mar 02 10:00:00 node7 runtime[77]: vmconsole="[    1.203400] {REFUSED}"', ""),
    "plain": (f"Mar 02 10:00:00 node7 kernel: {REFUSED}", "node7"),
}


@for_each(("line", "host"), LINES.values(), ids=list(LINES))
def test_a_line_in_a_line_is_of_its_host(line: str, host: str) -> None:
    """What has a stamp of its own may be of a guest."""
    found = list(pieces(line, lambda text: "mmap" in text))

    assert [(REFUSED, host)] == [(one.text, one.host) for one in found]
