"""Turn any paste into events, by machine and boot; the entry point of this package."""

import codecs
import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import islice
from operator import attrgetter

import msgspec

from pfnlab.diagnosis.messages import boot_facts, kernel_said, message_event
from pfnlab.diagnosis.messages.boot_story import case_of, story
from pfnlab.diagnosis.messages.family_files import FamilyKind
from pfnlab.diagnosis.messages.joining import Joiner, PlacedPiece
from pfnlab.diagnosis.messages.matching import Match, matcher
from pfnlab.diagnosis.messages.resource_words import COURSE, FAILURES, ResourceWord, resource_word
from pfnlab.diagnosis.messages.scan import LogScan
from pfnlab.diagnosis.messages.template_fields import error_of

#: Maximum number of different events, and of lines not understood, to keep.
MOST_EVENTS, MOST_SHOWN = 10_000, 20
#: A line of another family belongs to an event within these limits: lines, seconds, number of events.
_NEAR, _SOON, _RECENT = 40, 2.0, 8
#: Maximum distance between relevant lines in one file: lspci -vvv prints long lists between them.
_NEAR_IN_FILE = 400
#: Seconds by which timestamps may go backwards within a boot, because processors print concurrently.
_BACK = 1.0
#: Values that all lines of one event share.
_SIGNS = (
    *("comm", "pid", "wanted", "granted", "existing", "differs", "device", "bar", "errno", "failure", "node"),
    "function",
)
_REPEATED = re.compile(r"(?:last )?message repeated (\d{1,9}) times")
_SUPPRESSED = re.compile(r"(\d{1,9}) callbacks suppressed")
_OURS = re.compile(r"x86/PAT\s?:|^x86 PAT |\b(?:reserve|free)_memtype [a-z]|\bmemtype_(?:reserve|free) [a-z]")
_WORDS = (
    *kernel_said.VERSION_WORDS,
    *boot_facts.FACT_WORDS,
    "message repeated",
    "callbacks suppressed",
    "x86/PAT",
    "free_memtype",
    "reserve_memtype",
    "memtype_free",
    "memtype_reserve",
)


class PastedBoot(msgspec.Struct, frozen=True):
    """One boot of a machine: its kernel and its events, in the order of their first lines.

    :param host: the machine's name; empty if no line names it
    :param seen: names of further parts of the boot that the text contains (boot_facts.SEEN_WORDS)
    """

    host: str
    kernel: kernel_said.KernelSaid
    events: tuple[message_event.MessageEvent, ...]
    seen: frozenset[str] = frozenset()


class PasteExplanation(msgspec.Struct, frozen=True):
    """The content of a paste.

    :param boots: every boot, machine by machine
    :param not_understood: lines that look relevant but belong to no family
    :param dropped: lines of events beyond the first ``MOST_EVENTS``
    """

    boots: tuple[PastedBoot, ...]
    lines: int
    not_understood: int = 0
    strange: tuple[tuple[int, str], ...] = ()
    dropped: int = 0

    @property
    def events(self) -> tuple[message_event.MessageEvent, ...]:
        """The events on all machines and boots."""
        return tuple(event for boot in self.boots for event in boot.events)


def explain(stream: Iterable[bytes | str], *, kernel: str | None = None) -> PasteExplanation:
    """Find the events in a paste, log or mail of any length; no input raises an error.

    :param stream: the bytes, in pieces of any size, e.g. an open file
    :param kernel: the version if the user gives it, e.g. ``6.1.85``
    """
    known = matcher()
    scan = LogScan(plain(stream), (*known.seeds, *_WORDS, *boot_facts.OUTCOME_WORDS))
    joiner = Joiner(known, _WORDS, boot_facts.OUTCOME_WORDS)
    paste = _Paste(kernel)
    for block in scan.blocks():
        for placed in joiner.found(block, paste.awaits_outcome):
            paste.take(placed)
    return paste.explanation(scan.read)


def explain_line(text: str, *, kernel: str | None = None) -> PasteExplanation:
    """Like :func:`explain`, for one text in memory."""
    return explain([text.encode("utf-8", "replace")], kernel=kernel)


def plain(stream: Iterable[bytes | str]) -> Iterator[bytes | str]:
    """Return the stream, decoded if it is UTF-16, which consoles on other systems write."""
    pieces = iter(stream)
    first = next(pieces, b"")
    if not isinstance(first, bytes) or not first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        yield first
        yield from pieces
        return
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    yield decoder.decode(first)
    for piece in pieces:
        yield decoder.decode(piece) if isinstance(piece, bytes) else piece


#: The order of events.
_line_of = attrgetter("line")
#: How a claim ends if the device works anyway.
_CAME_UP = "came_up"
#: Maximum number of machines to check for claims at each line.
_FEW = 8
#: A device has six BARs; every claim line is a step for each of them.
_MOST_CLAIMS = 8


def _resource(word: ResourceWord) -> object:
    """Return a key for a device's resource: a port window and a memory window differ."""
    return (word.slot, word.kind) if word.slot == "window" else word.slot or (word.kind, word.size)


class _Boot:
    """A boot under construction."""

    def __init__(self) -> None:
        self.said: str = ""
        #: The event that the last line belongs to is at the end.
        self.events: OrderedDict[message_event.GrowingEvent, None] = OrderedDict()
        self.by_sign: dict[tuple[object, ...], message_event.GrowingEvent] = {}
        self.facts = boot_facts.BootFacts()
        #: Failures by device and slot, or by size if a line names no slot; and failures that end if a device
        #: works. There are never more than there are events.
        self.resources: dict[tuple[str, object], message_event.GrowingEvent] = {}
        self.claims: dict[str, list[message_event.GrowingEvent]] = {}
        self.stamp: float | None = None
        self.is_empty = True

    def heard(self, placed: PlacedPiece) -> None:
        """Let a line outside this boot's events end or restart them."""
        self.facts.take(placed)
        if not self.claims:
            return
        works = boot_facts.came_up(placed.text) if placed.match is None else None
        failed = boot_facts.probe_failed(placed.text)
        for claim in self.claims.get(works or failed or "", ()):
            claim.settled(placed, "" if failed else _CAME_UP)

    def remember(self, event: message_event.GrowingEvent, word: ResourceWord | None) -> None:
        """Remember a failure that a later line may resolve."""
        device = event.said.get("device")
        if device is None:
            return
        if word is not None:
            self.resources[device, _resource(word)] = event
        elif any(one.when == _CAME_UP for one in event.match.family.endings):
            driver = event.said.get("driver") or ""
            # Its own driver is no help to a user who wants the device for a guest.
            if not driver.startswith("vfio"):
                claims = self.claims.setdefault(device, [])
                claims += [event] if len(claims) < _MOST_CLAIMS else []

    def given(self, device: str | None, word: ResourceWord) -> list[message_event.GrowingEvent]:
        """Return the failures that a line resolves by assigning addresses to a resource."""
        if not word.given or device is None:
            return []
        keys = (_resource(word), (word.kind, word.size))
        return [self.resources[device, key] for key in keys if (device, key) in self.resources]


class _Paste:
    """All machines in a paste, under construction."""

    def __init__(self, kernel: str | None) -> None:
        self._kernel = kernel
        self._hosts: dict[str, list[_Boot]] = {}
        self._strange: list[tuple[int, str]] = []
        self._not_understood = self._dropped = self._kept = 0

    def take(self, placed: PlacedPiece) -> None:
        """Process the next piece."""
        boot = self._boot(placed)
        if not boot.said:
            boot.said = kernel_said.version_in(placed.text) or ""
        boot.heard(placed)
        repeated = _REPEATED.search(placed.text) if "message repeated" in placed.text else None
        if placed.match is not None:
            event = self._event(boot, placed, placed.match)
            if repeated is not None and event is not None:
                # The logger itself repeats the line.
                event.folded(int(repeated[1]) - 1)
            return
        suppressed = _SUPPRESSED.search(placed.text)
        last = next(reversed(boot.events), None)
        if repeated is not None:
            if last is not None and placed.line - last.last_line <= 1:
                last.folded(int(repeated[1]))
        elif suppressed is not None:
            if last is not None and placed.line - last.last_line <= _NEAR:
                last.hidden(int(suppressed[1]))
        elif _OURS.search(placed.text):
            self._not_understood += 1
            if len(self._strange) < MOST_SHOWN:
                self._strange.append((placed.line, placed.text))

    def awaits_outcome(self) -> bool:
        """True if a later line may still end a claim in a current boot."""
        return len(self._hosts) > _FEW or any(boots[-1].claims for boots in self._hosts.values())

    def explanation(self, lines: int) -> PasteExplanation:
        """Return the explanation of the lines so far."""
        told = (self._told(host, boot) for host, boots in self._hosts.items() for boot in boots)
        shown = (boot for boot in told if boot.events or boot.kernel.sure is kernel_said.KernelSure.SAID)
        return PasteExplanation(
            tuple(shown), lines, self._not_understood, tuple(self._strange), self._dropped
        )

    def _told(self, host: str, boot: _Boot) -> PastedBoot:
        kernel = self._said(boot)
        events = story(sorted(boot.events, key=_line_of), boot.facts, kernel)
        return PastedBoot(host, kernel, events, frozenset(boot.facts.seen))

    def _said(self, boot: _Boot) -> kernel_said.KernelSaid:
        wordings = [(one.since, one.until) for event in boot.events for one in event.wordings]
        since, until = kernel_said.narrowed(wordings)
        if self._kernel:
            return kernel_said.KernelSaid(self._kernel, kernel_said.KernelSure.GIVEN, since, until)
        if boot.said:
            return kernel_said.KernelSaid(boot.said, kernel_said.KernelSure.SAID, since, until)
        sure = kernel_said.KernelSure.WORDING if since or until else kernel_said.KernelSure.UNKNOWN
        return kernel_said.KernelSaid("", sure, since, until)

    def _boot(self, placed: PlacedPiece) -> _Boot:
        """Return the boot that a piece belongs to; a banner or a decreasing timestamp starts a new one."""
        piece = placed.piece
        host = piece.host
        if not host and piece.stamp is None and len(self._hosts) == 1:
            # The line was copied without its beginning.
            host = next(iter(self._hosts))
        if host and host not in self._hosts and list(self._hosts) == [""]:
            nameless = self._hosts[""]
            if len(nameless) == 1 and nameless[0].stamp is None:
                # Text that precedes the log, e.g. its first line used as a title.
                self._hosts[host] = self._hosts.pop("")
        boots = self._hosts.get(host)
        if boots is None:
            boots = self._hosts[host] = [_Boot()]
        boot = boots[-1]
        is_banner = "Linux version" in placed.text and kernel_said.BANNER.search(placed.text) is not None
        goes_back = piece.stamp is not None and boot.stamp is not None and piece.stamp < boot.stamp - _BACK
        if not boot.is_empty and (is_banner or goes_back) and len(boots) < MOST_EVENTS:
            boot = _Boot()
            boots.append(boot)
        boot.is_empty = False
        if piece.stamp is not None:
            boot.stamp = piece.stamp
        return boot

    def _event(self, boot: _Boot, placed: PlacedPiece, match: Match) -> message_event.GrowingEvent | None:
        family, device = match.family, match.values.get("device")
        if family.kind is FamilyKind.TRACE:
            recent = islice(reversed(boot.events), _RECENT)
            head = next((one for one in recent if _has_frame(placed, match, one)), None)
            if head is not None:
                head.frame(placed, match)
                boot.events.move_to_end(head)
                return None
        word: ResourceWord | None = None
        if family.name in (FAILURES, COURSE):
            is_bridge = boot.facts.is_bridge(device, match.values.get("driver"))
            word = resource_word(placed.text, is_bridge)
        ended = boot.given(device, word) if word is not None and family.name == COURSE else []
        for event in ended:
            event.more(placed, match)
            event.settled(placed, "assigned")
        if ended:
            return None
        sign = self._sign(placed, match, word)
        same = boot.by_sign.get(sign)
        if family.needs_case and same is not None and not same.parts and not same.frames:
            # The event was reopened: its last time counts.
            del boot.events[same], boot.by_sign[sign]
            self._kept -= 1
        elif same is not None and (family.name == FAILURES or _is_same(placed, match, same)):
            same.endings.clear()
            if match.wording is same.match.wording or family.name != FAILURES:
                same.again(placed, match)
            else:
                same.more(placed, match)
            # The next lines belong to this event again.
            boot.events.move_to_end(same)
            return same
        recent = islice(reversed(boot.events), _RECENT)
        head = next((one for one in recent if _belongs(placed, match, one)), None)
        if head is not None:
            head.more(placed, match)
            return None
        if not family.alone:
            return None
        if self._kept >= MOST_EVENTS:
            self._dropped += 1
            return None
        self._kept += 1
        new = message_event.GrowingEvent(placed, match, case_of(placed.text, match))
        boot.events[new] = None
        boot.by_sign[sign] = new
        boot.remember(new, word if family.name == FAILURES else None)
        return new

    def _sign(self, placed: PlacedPiece, match: Match, word: ResourceWord | None) -> tuple[object, ...]:
        """Return a signature shared by lines that differ only in their addresses."""
        name = match.family.name
        if match.family.fact or match.family.kind is FamilyKind.FILE:
            return (name,)
        if word is not None:
            return name, match.values.get("device"), _resource(word)
        return name, case_of(placed.text, match), *map(match.values.get, _SIGNS)


def _is_same(placed: PlacedPiece, match: Match, event: message_event.GrowingEvent) -> bool:
    """True if a line with the same signature as an event repeats it."""
    if match.family.fact:
        return True
    if match.family.kind is FamilyKind.FILE:
        return placed.line - event.last_line <= _NEAR_IN_FILE
    # A different commit means a different event, however similar the lines.
    same_commit = match.values.get("commit") == event.match.values.get("commit")
    return match.wording is event.match.wording and same_commit


def _has_frame(placed: PlacedPiece, match: Match, event: message_event.GrowingEvent) -> bool:
    """True if a line belongs to an earlier event's call trace."""
    if event.match.family.name != match.family.name and event.match.family.name not in match.family.follows:
        return False
    return placed.line - event.last_line <= _NEAR and placed.piece.host == event.placed.piece.host


def _belongs(placed: PlacedPiece, match: Match, event: message_event.GrowingEvent) -> bool:
    """True if a line adds to an earlier event: its family follows that event's, or words it differently."""
    if event.match.family.name in match.family.after and event.is_of(match):
        return True
    if match.family.fact or match.family.name == FAILURES or not _is_same_device(match, event):
        return False
    if match.family is event.match.family:
        if match.wording is event.match.wording or match.family.kind is FamilyKind.FILE:
            return False
    elif event.match.family.name not in match.family.follows and not any(
        part.family in match.family.follows for part in event.parts
    ):
        return False
    hosts = {placed.piece.host, event.placed.piece.host} - {"", None}
    if placed.line - event.last_line > _NEAR or len(hosts) > 1:
        return False
    stamp = placed.piece.stamp
    if stamp is not None and event.last_stamp is not None and abs(stamp - event.last_stamp) > _SOON:
        return False
    for name in ("pid", "fd"):
        number = match.values.get(name)
        if number is not None and event.texts.get(name) is not None and number != event.texts[name]:
            return False
    return event.overlaps(match) and not _fails_otherwise(match, event)


def _fails_otherwise(match: Match, event: message_event.GrowingEvent) -> bool:
    """True if both report failed calls of the same way but with different errors."""
    families = match.family, event.match.family
    if families[0] is families[1] or not any(one.way for one in families):
        return False
    said = match.values.get("errno") or match.values.get("failure")
    error = error_of(said) if said else None
    return None not in (error, event.said.get("errno")) and error != event.said["errno"]


def _is_same_device(match: Match, event: message_event.GrowingEvent) -> bool:
    """False if a line and an event name different devices."""
    names = match.values.get("device"), event.said.get("device")
    return None in names or names[0] == names[1]
