"""Facts about an operation that the kernel after it does not show, and the kernel messages that tell them."""

from __future__ import annotations

from collections.abc import Sequence

FREED_WRONGLY, WARNED, FORK_LEFT = "freed wrongly", "warned", "fork left something"
_MESSAGES = (("freeing invalid memtype", FREED_WRONGLY), ("WARNING", WARNED))


def facts_of(log: Sequence[str]) -> list[str]:
    """The facts that the messages *log* tell."""
    return [fact for text, fact in _MESSAGES if any(text in line for line in log)] if log else []
