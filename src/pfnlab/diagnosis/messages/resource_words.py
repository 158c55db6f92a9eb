"""Lines about PCI device resources: the BAR, window or ROM, and whether it has addresses."""

import re

import msgspec

#: Families with such lines: failures, and normal boot messages.
FAILURES, COURSE = "bar_conflict", "bar_assignment"
_SLOT = re.compile(r"(?P<rom>\bROM\b)|(?P<vf>VF )?BAR[: ]+(?P<bar>\d{1,2})\b|resource #(?P<number>\d{1,2})")
_WINDOW = re.compile(r"\bwindow \[|\bbridge (?:[\w ]{0,20})?\[|window: ")
_KIND = re.compile(r"\[(io|mem|bus)\b|\b(io|I/O|mem)\b(?=[\w ]{0,12} \(size|\s+region)")
_RANGE = re.compile(r"\[(?:io|mem)\s+(?:0x)?([0-9a-f]{1,16})-(?:0x)?([0-9a-f]{1,16})", re.IGNORECASE)
_SIZE = re.compile(r"\bsize\s+(?:0x)?([0-9a-f]{1,16})", re.IGNORECASE)
_GIVEN = re.compile(r"(?<!not )(?<!to )\b(?:assigned|claiming|reassigned|got res|set to)\b")
_NOT_GIVEN = re.compile(r"\b(?:releasing|trying|moving|disabling|enabling|un\w+)\b", re.IGNORECASE)
#: Slot numbers in old wordings: the ROM, device VF BARs or bridge windows, and windows.
_ROM, _FIRST_VF, _FIRST_WINDOW = 6, 7, 13
#: The bridge slots that are BARs.
_BRIDGE_BARS = frozenset({"BAR 0", "BAR 1"})


class ResourceWord(msgspec.Struct, frozen=True):
    """A line's statement about one resource.

    :param slot: ``BAR 0``, ``VF BAR 0``, ``ROM``, ``window``, or empty if the line does not name it
    :param kind: ``io``, ``mem``, ``bus``, or empty
    :param size: bytes; None if the line does not state it
    :param given: whether it has addresses from then on
    """

    slot: str
    kind: str
    size: int | None
    given: bool

    def case(self, is_bridge: bool) -> str:
        """Return the kind of resource if drivers do not map it; empty if they do."""
        if self.kind == "io":
            return "ports"
        if self.kind == "bus" or self.slot == "window":
            return "window"
        if self.slot == "ROM":
            return "rom"
        if is_bridge and self.slot in _BRIDGE_BARS:
            return "bridge_bar"
        return "vf" if self.slot.startswith("VF ") else ""


def resource_word(text: str, is_bridge: bool) -> ResourceWord:
    """Read the resource named in a line of :data:`FAILURES` or :data:`COURSE`."""
    kind = _KIND.search(text)
    named = next((part for part in kind.groups() if part), "") if kind is not None else ""
    plain = "io" if named == "I/O" else named
    ends, size = _RANGE.search(text), _SIZE.search(text)
    number = int(size[1], 16) if size is not None else None
    if ends is not None:
        number = int(ends[2], 16) - int(ends[1], 16) + 1
    given = _GIVEN.search(text) is not None and _NOT_GIVEN.search(text) is None
    return ResourceWord(_slot(text, plain, is_bridge), plain, number, given)


def _slot(text: str, kind: str, is_bridge: bool) -> str:
    # "no compatible bridge window" is about a BAR, which is not itself a window.
    if _WINDOW.search(text.partition("compatible bridge window")[0]):
        return "window"
    found = _SLOT.search(text)
    if found is None:
        return ""
    if found["rom"]:
        return "ROM"
    number = int(found["bar"] or found["number"])
    if found["vf"]:
        return f"VF BAR {number}"
    if number == _ROM:
        return "ROM"
    if number >= _FIRST_WINDOW or (number >= _FIRST_VF and (is_bridge or kind == "io")):
        return "window"
    return f"VF BAR {number - _FIRST_VF}" if number >= _FIRST_VF else f"BAR {number}"
