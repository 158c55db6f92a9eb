"""The lines of a kernel's register dumps and call traces, and the line that begins the one of a WARN."""

from __future__ import annotations

import re

_DUMP = re.compile(
    r"cut here|^---\[ end|^Modules linked in|^CPU: |^Hardware name|^Code: |^Call Trace|^Tainted|^Oops"
    r"|^\s*</?(TASK|IRQ|NMI)>|other lines\)|^irq event|irqs last |^ ?kernfs|^RIP "
    r"|^(RIP|RSP|RAX|RBX|RCX|RDX|RSI|RDI|RBP|R\d\d|FS|GS|CS|DS|ES|CR\d|DR\d|PKRU|EFLAGS|ORIG_RAX)\s*:"
    r"|^\s+\??\s*[\w.]+(\+0x[0-9a-f]+/0x[0-9a-f]+|$)"
)

_WARNING = re.compile(r"^WARNING: .*?(?<![\w./-])(?:/[\w./-]*/)?([\w.-][\w./-]*\.[ch]):\d+")


def warning(line: str) -> str | None:
    """The observation of a WARN's head, ``WARNING: mm/memory.c:2345 at ...``; None for other lines."""
    head = _WARNING.match(line)
    return f"WARNING at {head[1]}" if head else None


def is_dump(line: str) -> bool:
    """True where *line* is a part of a register dump or a call trace."""
    return _DUMP.search(line) is not None
