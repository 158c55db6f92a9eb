"""Contents that are the machine's own: of an area that may show them only the read itself is reported."""

from __future__ import annotations

from pfnlab.programs.lang.ops import Call, Read
from pfnlab.programs.lang.walk_ops import ProcessVmReadv, Walk
from pfnlab.programs.runs.places import Places

#: Walkers whose number is no content of the page.
_COUNTING = ("futex_wake",)


#: The operations that tell what is in a page.
READING = (Read, ProcessVmReadv, Walk)


def shows_unknown(call: Call, places: Places) -> bool:
    """True where *call* reads from an area whose contents are the machine's own."""
    if not isinstance(call, READING) or call.span.name not in places.unknown:
        return False
    return not isinstance(call, Walk) or (call.walker not in _COUNTING and call.value is None)


def without_contents(call: Call, value: int | str | None, places: Places) -> int | str | None:
    """The value of *call* without what the machine has in its pages: no word, and of bytes their number."""
    if value is None or not shows_unknown(call, places):
        return value
    if isinstance(value, int):
        return None
    has_bytes = getattr(call, "bytes", None) is not None
    return value.partition(":")[0] if has_bytes else value
