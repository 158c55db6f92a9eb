"""Events: each collects the facts from every line about one incident."""

import re
from typing import Any

import msgspec

from pfnlab.diagnosis.messages.cases import fitted
from pfnlab.diagnosis.messages.errno_causes import way_of
from pfnlab.diagnosis.messages.family_files import Family, FamilyKind, Wording
from pfnlab.diagnosis.messages.joining import PlacedPiece
from pfnlab.diagnosis.messages.kernel_said import Dating, KernelSaid, dated
from pfnlab.diagnosis.messages.matching import Match
from pfnlab.diagnosis.messages.template_fields import FIELDS, SaidRange, error_of, mode_of, range_of
from pfnlab.kernel.hw.cachemode import CacheMode

#: Maximum number of rows, parts and trace functions to keep per event; counting continues.
MOST_ROWS, MOST_PARTS, MOST_FRAMES = 256, 32, 64
#: The longest task name that a kernel prints.
_LONGEST_COMM = 15


#: Fields that hold an error.
_ERRORS = frozenset({"errno", "failure"})
#: A BAR's name in a resource table, and a claim on the part that holds the firmware's screen.
_BAR = re.compile(r"(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]")
_BOOT_SCREEN = re.compile(r"BOOTFB|simple|efi(?:fb|drm)|vesa|offb|ofdrm|hyperv_fb|Video RAM")
#: Text that precedes the function in which the kernel was executing.
_STOPPED_AT = re.compile(r"\b(?:RIP|EIP|IP|PC is at|pc|NIP|epc)\b")

#: Kinds of messages with whole-page ranges.
_OF_PAGES = frozenset({"conflict", "reserve", "free", "map_ram", "map_expected", "ioremap_error"})
#: Roles in which a commit counts as the cause of a bug.
_OF_A_BAD_COMMIT = ("introduced", "backported the cause of", "is about")
_PAGE = 4096
_NO_PAGES = "The range is not of whole pages: a part of a number may be missing."


class EventRow(msgspec.Struct, frozen=True):
    """One range in an event, half-open.

    :param end: None if the line has a single address
    """

    start: int
    end: int | None
    mode: CacheMode | None = None
    name: str = ""

    def meets(self, other: "EventRow") -> bool:
        """True if the ranges overlap; a single address is a range of one byte."""
        ends = [row.start + 1 if row.end is None else row.end for row in (self, other)]
        return self.start < ends[1] and other.start < ends[0]


class EventPart(msgspec.Struct, frozen=True):
    """A further line in an event; *family* names the line's own family."""

    line: int
    text: str
    family: str


class MessageEvent(msgspec.Struct, frozen=True):
    """One event, described by one or more lines.

    Facts that no line states are None or empty and are named in *unsure*.

    :param count: how often it happened, including lines that a logger folded
    :param text: the first line, with damage from the paste repaired
    :param line: its number, from 1; *last_line* is the number of the event's last line
    :param start: the first byte of the range in the first line; *end* is the byte after its last
    :param existing: modes already present, in line order
    :param holder: the name of the owner that blocks it
    :param family: its family, with the verdict and the meaning decided at the end of the boot
    :param way: the way to map (errnos.toml) whose call failed; empty if the lines name none
    :param rows: all ranges in the event, in line order; at most the first ``MOST_ROWS``
    :param notes: sentences about several of its rows
    :param commit: the first bad commit that its lines name; empty if they name none
    """

    family: Family
    count: int
    text: str
    line: int
    last_line: int
    comm: str | None = None
    pid: int | None = None
    start: int | None = None
    end: int | None = None
    wanted: CacheMode | None = None
    granted: CacheMode | None = None
    existing: tuple[CacheMode, ...] = ()
    device: str | None = None
    errno: str | None = None
    holder: str | None = None
    rows: tuple[EventRow, ...] = ()
    parts: tuple[EventPart, ...] = ()
    unsure: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    way: str = ""
    commit: str = ""

    @property
    def bugs(self) -> tuple[str, ...]:
        """The numbers of the bugs that its commit caused, or that print its message."""
        return bugs_after(self.commit) if self.commit else self.family.bugs


def bugs_after(commit: str) -> tuple[str, ...]:
    """The numbers of the bugs that a commit caused or is about."""
    # Imported here because few pastes name a commit, and looking up its bugs needs the model's switches.
    from pfnlab.kernel.bugs.repairs import bugs_of_commit

    found = (one.bug.number for one in bugs_of_commit(commit) if one.role in _OF_A_BAD_COMMIT)
    return tuple(dict.fromkeys(found))


class GrowingEvent:
    """An event under construction.

    :param case: the case in its family, according to its lines
    :ivar endings: story words added by later lines in the boot
    """

    def __init__(self, placed: PlacedPiece, match: Match, case: str = "") -> None:
        self.match, self.placed, self.case = match, placed, case
        self.endings: list[str] = []
        self.notes: list[str] = []
        self.count = 1
        self.line, self.last_line = placed.line, placed.last
        self.last_stamp = placed.piece.stamp
        self.said: dict[str, Any] = _values(match)
        self.missing: dict[str, None] = dict.fromkeys(match.missing)
        self.doubts: dict[str, None] = dict.fromkeys(placed.doubts)
        self.wordings: list[Wording | Dating] = [match.wording] if match.whole else []
        self.wordings += dated(placed.text)
        #: Field texts by name, and the functions in a call trace.
        self.texts: dict[str, str] = dict(match.values)
        self.frames: dict[str, None] = {}
        self._bar: tuple[str, SaidRange] | None = None
        self.rows: list[EventRow] = []
        self.parts: list[EventPart] = []
        self._texts: set[str] = set()
        self._device = ""
        self._add_row(match)
        if match.family.kind is FamilyKind.FILE:
            self.count = len(self.rows)
        if "function" in match.values:
            self.frame(placed, match)

    @property
    def range(self) -> tuple[int, int | None] | None:
        """The range in the first line."""
        return (self.said["start"], self.said["end"]) if "start" in self.said else None

    def overlaps(self, match: Match) -> bool:
        """True unless both the line and the event have ranges and none of them overlap."""
        said = range_of(match.values, match.wording)
        if said is None or not self.rows:
            return True
        return any(map(EventRow(said.start, said.end).meets, self._ends))

    def overlaps_event(self, other: "GrowingEvent") -> bool:
        """True if the first or last range of one event overlaps the first or last of the other."""
        return any(one.meets(row) for one in self._ends for row in other._ends)

    def is_of(self, match: Match) -> bool:
        """True if a line names the event's range and no other task."""
        said = range_of(match.values, match.wording)
        if said is None or (said.start, said.end) not in ((row.start, row.end) for row in self._ends):
            return False
        names = ("comm", "pid")
        return all(
            name not in self.said or match.values.get(name, str(self.said[name])) == str(self.said[name])
            for name in names
        )

    @property
    def _ends(self) -> list[EventRow]:
        return self.rows[-1:] + self.rows[:1]

    def again(self, placed: PlacedPiece, match: Match) -> None:
        """Add a repetition, perhaps for another range."""
        is_file = match.family.kind is FamilyKind.FILE
        self._moved(placed)
        before = len(self.rows)
        self._add_row(match)
        # A file's header line is not a row.
        self.count += not is_file or len(self.rows) > before or len(self.rows) == MOST_ROWS
        if is_file:
            values = _values(match)
            if self.said.get("device") != values.get("device", self.said.get("device")):
                # The device is named next to its row.
                values["device"] = self.said["device"] = None
            for name, value in values.items():
                self.said.setdefault(name, value)

    def more(self, placed: PlacedPiece, match: Match) -> None:
        """Add a line from another family that says more about this event."""
        self._moved(placed)
        if match.whole and len(self.wordings) < MOST_PARTS:
            self.wordings.append(match.wording)
        if placed.text in self._texts:
            return
        if self._add_part(placed, match.family.name):
            self.wordings += dated(placed.text)
            self.texts = {**match.values, **self.texts}
        has_range = self.range is not None
        for name, value in _values(match).items():
            if name == "range_doubts":
                self.doubts |= dict.fromkeys(value)
            elif name != "end" or not has_range:
                self.said.setdefault(name, value)
        self.missing |= dict.fromkeys(name for name in match.missing if name in ("wanted",))

    def settled(self, placed: PlacedPiece, ending: str) -> None:
        """End the event because of a later line, or restart it if *ending* is empty."""
        self._moved(placed)
        self.endings = [ending] if ending else []
        if ending and placed.match is None:
            self._add_part(placed, ending)

    def _add_part(self, placed: PlacedPiece, family: str) -> bool:
        """Keep a further line, unless there are too many or it is a repetition; True if it was kept."""
        if len(self.parts) >= MOST_PARTS or placed.text in self._texts:
            return False
        self._texts.add(placed.text)
        self.parts.append(EventPart(placed.line, placed.text, family))
        return True

    def absorb(self, other: "GrowingEvent") -> None:
        """Merge another event with the same cause into this one."""
        is_same = other.match.family is self.match.family
        self.last_line = max(self.last_line, other.last_line)
        if is_same:
            self.count += other.count
            self.rows += other.rows[: MOST_ROWS - len(self.rows)]
            if self.said.get("device") != other.said.get("device"):
                self.said["device"] = None
        first = EventPart(other.line, other.placed.text, other.match.family.name)
        self.parts += [first, *other.parts][: MOST_PARTS - len(self.parts)]
        self.notes += other.notes

    def frame(self, placed: PlacedPiece, match: Match) -> None:
        """Add a line of the event's call trace."""
        self._moved(placed)
        if len(self.frames) < MOST_FRAMES:
            function = match.values["function"].partition(".")[0]
            self.frames[function] = None
            if _STOPPED_AT.search(placed.text):
                self.texts.setdefault("rip", function)
            self.wordings += dated(placed.text)

    def folded(self, times: int) -> None:
        """Count repetitions of the last line, as reported by a logger."""
        self.count += times

    def hidden(self, lines: int) -> None:
        """Record that the kernel suppressed lines."""
        self.doubts[f"The kernel left {lines} lines out, of this kind or another."] = None

    def fitted(self, kernel: KernelSaid) -> Family | None:
        """The event's family in the case of its lines; None if it needs a case and no case fits."""
        lines = (self.placed.text, *(part.text for part in self.parts))
        return fitted(self.match.family, self.texts, lines, tuple(self.frames), kernel)

    def event(self, family: Family) -> MessageEvent:
        """The event so far, reported as one of *family*."""
        said = self.said
        named = ("comm", "pid", "start", "end", "wanted", "granted", "device", "errno", "holder")
        return MessageEvent(
            family,
            max(1, self.count),
            self.placed.text,
            self.line,
            self.last_line,
            existing=tuple(dict.fromkeys(said[name] for name in ("existing", "differs") if name in said)),
            rows=tuple(self.rows),
            parts=tuple(self.parts),
            unsure=tuple(self._unsure()),
            notes=tuple(dict.fromkeys(self.notes)),
            commit=self.texts.get("commit", ""),
            way=self.texts.get("way") or family.way or way_of(self.texts.get("node", "")),
            **{name: said.get(name) for name in named},
        )

    def _unsure(self) -> list[str]:
        said = self.said
        found = [*self.doubts, *said.get("range_doubts", ())]
        both = "differs" in said and "existing" in said
        places = {"range": "start", "pfn": "start", "size": "end"}
        gone = [
            FIELDS[name].called
            for name in self.missing
            if places.get(name, name) not in said and not (both and name == "wanted")
        ]
        found += [f"The line does not say {name}." for name in dict.fromkeys(gone)]
        if both:
            if "wanted" not in said:
                found.append(
                    "The requested mode is not in the line: both modes are those of entries, "
                    "or the first is the one set_memory_*() asked for."
                )
            elif said["wanted"] == said["existing"] and not any(
                part.family.startswith("ioremap") for part in self.parts
            ):
                found.append("The first mode is an entry's, or, after set_memory_*(), the requested one.")
        if len(said.get("comm") or "") > _LONGEST_COMM:
            found += ["The task name is too long for a kernel: it may include text that precedes it."]
        return found

    def _moved(self, placed: PlacedPiece) -> None:
        self.last_line = max(self.last_line, placed.last)
        self.last_stamp = placed.piece.stamp if placed.piece.stamp is not None else self.last_stamp

    def _claim(self, said: SaidRange, name: str) -> None:
        """Add a row of a table of resources that claims a part of the BAR in a row above it."""
        if is_pci_address(name):
            self._bar = (name, said)
            return
        bar, whole = self._bar or ("", said)
        if not bar or said.end is None or whole.end is None:
            return
        inside = whole.start <= said.start and said.end <= whole.end
        before = self.texts.get("claimant")
        if inside and (before is None or (_is_boot_screen(name) and not _is_boot_screen(before))):
            self.texts |= {"claimant": name, "bdf": bar}
            self.said |= {"holder": name, "device": bar}

    def _add_row(self, match: Match) -> None:
        self._device = match.values.get("pci", self._device)
        said = range_of(match.values, match.wording)
        if said is None:
            return
        is_file = match.family.kind is FamilyKind.FILE
        name = match.values.get("holder", "")
        if is_file and name:
            self._claim(said, name)
        if len(self.rows) >= MOST_ROWS:
            return
        mode = mode_of(match.values.get("existing", "")) if is_file else None
        if is_file and "prefetch" in match.values:
            name = ", ".join(filter(None, (self._device, match.values["prefetch"])))
        self.rows.append(EventRow(said.start, said.end, mode, name))


def is_pci_address(name: str) -> bool:
    """True for a PCI device address, with or without its domain."""
    return _BAR.fullmatch(name) is not None


def _is_boot_screen(name: str) -> bool:
    return _BOOT_SCREEN.match(name) is not None


def _values(match: Match) -> dict[str, Any]:
    """Return the values of a match by an event's field names; ``range_doubts`` are sentences."""
    values, found, doubts = match.values, dict[str, Any](), list[str]()
    is_file = match.family.kind is FamilyKind.FILE
    for name in ("comm", "device", "driver", "holder"):
        # A row's name does not apply to the whole table.
        if name in values and not (is_file and name == "holder"):
            # Pastes double blanks; kernels do not.
            found[name] = " ".join(values[name].split())
    if "pci" in values:
        found["device"] = values["pci"]
    if "[" in values.get("holder", "") and not is_file:
        # The range after the name is truncated.
        found["holder"] = values["holder"].partition("[")[0].strip()
        if not values["holder"].endswith("]"):
            doubts.append("The line is cut behind the name of what is in the way.")
    if values.get("pid", "").isdigit():
        found["pid"] = int(values["pid"])
    for name in ("wanted", "granted", "existing", "differs", "track"):
        if is_file and name == "existing" and range_of(values, match.wording) is not None:
            continue
        mode = mode_of(values[name]) if name in values else None
        if mode is not None:
            found[name] = mode
    error = error_of(values.get("errno") or values["failure"]) if values.keys() & _ERRORS else None
    if error is not None:
        found["errno"] = error
    said = range_of(values, match.wording)
    if said is not None:
        found |= {"start": said.start, "end": said.end}
        doubts += said.doubts
    holder = range_of(values, match.wording, "holder_range")
    if holder is not None:
        doubts += holder.doubts
    is_of_pages = match.family.group in _OF_PAGES
    if is_of_pages and said is not None and said.end is not None and (said.start | said.end) % _PAGE:
        doubts.append(_NO_PAGES)
    return found | ({"range_doubts": tuple(doubts)} if doubts else {})
