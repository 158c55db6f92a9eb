"""The kernel log with names and addresses changed; lines of known forms pass, field by field.

Known forms are those that the inspector itself reads from the log, and the wordings of all messages
(:mod:`pfnlab.diagnosis.messages.family_files`). Each field is replaced according to its kind.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache

from pfnlab.base.units import PAGE_SIZE
from pfnlab.diagnosis.inspector.parsing.memory_lists import MTRR_TYPES
from pfnlab.diagnosis.inspector.sources.address_shift import AddressShift
from pfnlab.diagnosis.inspector.sources.redacted_names import HYPERVISORS, SOURCES, RedactedNames, each
from pfnlab.diagnosis.messages.family_files import FamilyKind, RangeEnd, Wording, families
from pfnlab.diagnosis.messages.matching import Matcher
from pfnlab.diagnosis.messages.template import FieldSlot, LineTemplate
from pfnlab.diagnosis.messages.template_fields import FIELDS, error_of

#: Replaces a free-text field; readers of messages recognize it as removed text.
_CUT = "..."
_NO_ADDRESS = "(ptrval)"
_USER_END = 1 << 47
#: The beginning of a line: a /dev/kmsg record, a dmesg or journal timestamp, and then the host.
_RECORD = re.compile(r"([0-9]{1,3},[0-9]{1,12},[0-9]{1,16}),[^;]*;")
_STAMP = re.compile(r"(\[ *[0-9]{1,9}\.[0-9]{6}\]) (?:\[ *[TC][0-9]{1,10}\] )?")
_CLOCK = re.compile(
    r"(?:\[[^\]]{10,40}\] |[A-Z][a-z]{2} [ 0-9][0-9] [0-9:]{8} "
    r"|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.,+-]{8,24}Z? )"
)
_HOST = re.compile(r"\S{1,253} kernel: ")

_OWN = re.compile(
    r"Linux version (?P<release>\S+)(?: .*)?"
    r"|(?:mtrr: )?MTRR default type: (?P<type>[a-z-]+)"
    r"|Hypervisor detected: (?P<hypervisor>.+?) *"
)
_PAT = r"(x86/PAT: |x86 PAT: |PAT: )?"
#: If one of several words names a function, an offset into it may follow.
_PLACE = r"(?:\+0x[0-9a-f]{1,8}/0x[0-9a-f]{1,8})?"
_TO = re.compile(r"(\s*(?:->|-|,|\bto\b)\s*)")
#: Fields whose words or numbers do not identify a machine; the numbers are short.
_PLAIN = (
    *("wanted", "granted", "existing", "differs", "track", "slots", "pat_msr"),
    *("perms", "bar", "line", "amount", "prefetch", "function"),
)
_NUMBER, _BYTES = re.compile(r"-?[0-9]{1,6}|0x[0-9a-fA-F]{1,4}"), re.compile(r"[0-9]{1,12}")
_SIZE, _FLAGS = re.compile(r"(?:0[xX])?[0-9a-fA-F]{1,12}"), re.compile(r"(?:0x)?[0-9a-f]{1,9}")
_SMALL = re.compile(r"(?:0x)?[0-9a-f]{1,4}")


class RedactedLog:
    """The form of the log: its lines, with names and addresses changed."""

    def __init__(self, names: RedactedNames, shift: AddressShift) -> None:
        self._names = names
        self._shift = shift
        self._kinds: dict[str, Callable[[str], str]] = {
            **dict.fromkeys(_PLAIN, str),
            "comm": names.process,
            "pid": lambda digits: str(names.pid(int(digits))) if digits.isdecimal() else _CUT,
            **dict.fromkeys(("device", "pci"), names.device),
            "driver": names.driver,
            "holder": names.resource,
            **dict.fromkeys(("path", "device_path"), names.path),
            "symbol": lambda text: f"{names.symbol(text.partition('+')[0])}+0x0/0x0",
            "file": lambda name: name if name in SOURCES else "mm/file.c",
            **dict.fromkeys(("errno", "failure"), lambda text: text if error_of(text) is not None else _CUT),
            "node": lambda text: text if text == "/dev/mem" else _CUT,
            "version": names.release,
            # The bits of a page-table entry outside the address.
            "entry": lambda digits: f"{int(digits, 16) % PAGE_SIZE:x}",
            "size": lambda digits: digits if _SIZE.fullmatch(digits) else _CUT,
            **dict.fromkeys(("bytes", "kib", "mib"), lambda text: text if _BYTES.fullmatch(text) else "0"),
            "vm_flags": lambda digits: digits if _FLAGS.fullmatch(digits) else "0",
            **dict.fromkeys(
                ("addr", "iova"), lambda digits: digits if _SMALL.fullmatch(digits) else _NO_ADDRESS
            ),
            **dict.fromkeys(("number", "fd"), lambda digits: digits if _NUMBER.fullmatch(digits) else "0"),
            "word": lambda _: _CUT,
            "text": lambda _: _CUT,
        }

    def lines(self, text: str) -> Iterator[str]:
        """Rewrite the lines of a log; if no line has a known form, yield one line without information."""
        kept = list(each(self.line)(text))
        yield from kept or ([_CUT] if text.strip() else [])

    def line(self, line: str) -> str | None:
        """Return the line with names and addresses changed; None if its form is unknown."""
        if not line.isascii():
            return None
        head, text = _parted(line)
        own = self._own(text)
        if own is None:
            found = known().whole(text) if text and known().interests(text) else None
            own = None if found is None else self._message(found.wording, text)
        return None if own is None else head + own

    def _own(self, text: str) -> str | None:
        found = _OWN.fullmatch(text)
        if found is None:
            return None
        if found["release"]:
            return f"Linux version {self._names.release(found['release'])}"
        if found["type"]:
            return text if found["type"].encode() in MTRR_TYPES else None
        name = found["hypervisor"]
        return f"Hypervisor detected: {name if name in HYPERVISORS else 'unknown'}"

    def _message(self, wording: Wording, text: str) -> str | None:
        form, fields = full_form(wording.text)
        found = form.fullmatch(text)
        if found is None:
            return None
        parts = [found[1] or ""]
        for at, name in enumerate(fields, 2):
            part = found[at] or ""
            if name is None:
                parts.append(part)
            elif name in ("range", "holder_range"):
                parts.append(self._range(part, wording))
            elif name in ("start", "end", "pfn"):
                parts.append(self._moved(part, PAGE_SIZE if name == "pfn" else wording.unit))
            else:
                parts.append(self._kinds[name](part))
        return "".join(parts)

    def _range(self, text: str, wording: Wording) -> str:
        parts = _TO.split(text.strip(), maxsplit=1)
        if len(parts) != 3:
            return _CUT
        first, to, second = parts
        if wording.end is not RangeEnd.SIZE:
            second = self._moved(second, wording.unit)
        return self._moved(first, wording.unit) + to + second

    def _moved(self, digits: str, unit: int) -> str:
        prefix = digits[:2] if digits[:2] in ("0x", "0X") else ""
        plain = digits[len(prefix) :]
        if not re.fullmatch(r"[0-9a-fA-F]{1,16}", plain):
            return _CUT
        value = int(plain, 16) * unit
        if value >= _USER_END and unit == 1:
            # A kernel address, or a sign-extended 32-bit address.
            return _CUT
        return f"{prefix}{self._shift(value) // unit:0{len(plain)}x}"


@cache
def known() -> Matcher:
    """Return a matcher for the wordings of log messages, without those of other files."""
    return Matcher(family for family in families() if family.kind is FamilyKind.LOG)


@cache
def full_form(text: str) -> tuple[re.Pattern[str], list[str | None]]:
    """Return the regex for a template's whole line, and the field of each group; None for literal words."""
    parts, fields = list[str](), list[str | None]()
    for token in LineTemplate(text).tokens:
        if isinstance(token, FieldSlot):
            parts.append(f"({FIELDS[token.name].pattern})")
            fields.append(token.name)
        else:
            words = "|".join(re.escape(word) for word in sorted(token.choices, key=len, reverse=True))
            parts.append(f"({words}){'?' if token.optional else ''}")
            fields.append(None)
            if len(token.choices) > 1:
                parts.append(_PLACE)
    return re.compile(_PAT + "".join(parts) + r"\s*"), fields


def _parted(line: str) -> tuple[str, str]:
    """Split a line into its beginning, which is rewritten, and its text."""
    line = line.rstrip("\r")
    if found := _RECORD.match(line):
        return f"{found[1]},-;", line[found.end() :]
    head, at = "", 0
    if found := _STAMP.match(line):
        head, at = f"{found[1]} ", found.end()
    elif found := _CLOCK.match(line):
        at = found.end()
    if found := _HOST.match(line, at):
        head, at = f"{head}host kernel: ", found.end()
    return head, line[at:]
