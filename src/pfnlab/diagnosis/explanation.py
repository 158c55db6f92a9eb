"""The explanation of a paste as a result: the meaning of each event, what files show, and what to do."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from typing import Annotated

import msgspec

from pfnlab.base.result import ALWAYS, Address, Count, Made, Outcome, Result
from pfnlab.base.units import number_of
from pfnlab.diagnosis.inspector.finding.finding_form import PlacedFinding, serious
from pfnlab.diagnosis.messages.answer import answer_of, is_to_review, parts_of, ranked, still_wanted, thing_of
from pfnlab.diagnosis.messages.errno_causes import ErrnoCause, causes, causes_of
from pfnlab.diagnosis.messages.explaining import PastedBoot, PasteExplanation
from pfnlab.diagnosis.messages.family_files import Advice, FamilyKind, FamilyVerdict, Remedy
from pfnlab.diagnosis.messages.kernel_said import KernelSaid, KernelSure
from pfnlab.diagnosis.messages.message_event import MessageEvent, is_pci_address
from pfnlab.kernel.bugs.here import BugHere, bugs_here


class SaidPlace(msgspec.Struct, frozen=True):
    """A range that a line names.

    :param start: its first byte, in hexadecimal
    :param end: the byte after its last, whatever the line prints; null if it has a single address
    :param mode: its cache mode according to the line; null if not stated
    :param name: the object it belongs to; empty if the line does not name it
    """

    start: Address
    end: Address | None
    mode: str | None = None
    name: str = ""


class ExplainedCause(msgspec.Struct, frozen=True):
    """A cause of an errno.

    :param what: the cause in words
    :param check: the command or file that shows whether it applies
    :param releases: the releases that return the errno; empty for all
    :param rules: steps of docs/semantics
    :param bugs: bugs of this kernel that cause it
    :param programs: programs that show it
    """

    what: str
    check: str
    releases: str
    rules: tuple[str, ...]
    bugs: tuple[BugHere, ...]
    programs: tuple[str, ...]


class ExplainedEvent(msgspec.Struct, frozen=True):
    """One event.

    :param family: its name in the table of messages
    :param title: a description of the family
    :param verdict: ``look here``, ``harmless``, ``another subject``, or ``depends``
    :param count: how often it happened
    :param line: the number of its first line
    :param last_line: the number of its last line
    :param text: the first line, with damage repaired
    :param more: lines of other families that belong to it
    :param comm: the task; null if no line names it
    :param pid: the number of the task
    :param places: the ranges, in the order of the lines
    :param wanted: the requested mode
    :param granted: the mode that was granted, or would have been
    :param existing: the modes already present
    :param device: the device
    :param errno: the name of the error
    :param holder: the owner that blocks it
    :param unsure: facts that the lines do not state
    :param meaning: two sentences
    :param leak: where to find leaked memory; empty if nothing can be leaked
    :param bugs: known bugs of this kernel with this effect, the likeliest first
    :param rules: steps of docs/semantics
    :param programs: reproducers
    :param advice: what to do, with its cost
    :param remedies: remedies that others tried, with their successes and failures
    :param send: what else to send, without the parts that the text has; empty if the lines suffice
    :param notes: conclusions from several of the ranges together
    :param causes: causes of the errno of a call that maps physical memory, as for ``--errno``
    :param thing: the event in one sentence, with its objects
    :param review: whether something is or may be wrong
    :param likely: numbers of the bugs that fit best; several if they fit equally
    """

    family: str
    title: str
    verdict: FamilyVerdict
    count: Annotated[int, msgspec.Meta(ge=1)]
    line: int
    last_line: int
    text: str
    more: tuple[str, ...]
    comm: str | None
    pid: int | None
    places: tuple[SaidPlace, ...]
    wanted: str | None
    granted: str | None
    existing: tuple[str, ...]
    device: str | None
    errno: str | None
    holder: str | None
    unsure: tuple[str, ...]
    meaning: str
    leak: str
    bugs: tuple[BugHere, ...]
    rules: tuple[str, ...]
    programs: tuple[str, ...]
    advice: tuple[str, ...]
    remedies: tuple[str, ...]
    send: str
    notes: Annotated[tuple[str, ...], ALWAYS] = ()
    causes: Annotated[tuple[ExplainedCause, ...], ALWAYS] = ()
    thing: Annotated[str, ALWAYS] = ""
    review: Annotated[bool, ALWAYS] = False
    likely: Annotated[tuple[str, ...], ALWAYS] = ()

    @property
    def key(self) -> object:
        """A key shared by events with the same cause and the same objects, whatever their process."""
        return self.title, self.verdict, self.comm, self.device, self.places[:1], self.holder, self.likely


class ExplainedBoot(msgspec.Struct, frozen=True):
    """One boot of a machine.

    :param host: its name; empty if no line has it
    :param kernel: its version; empty if no line has it
    :param sure: how the version is known: ``given``, ``said``, ``by the wording``, ``not known``
    :param since: the first release that prints these lines, by their wording; empty if unbounded
    :param until: the last such release
    :param events: the events, in the order of their first lines
    """

    host: str
    kernel: str
    sure: KernelSure
    since: str
    until: str
    events: tuple[ExplainedEvent, ...]


class ExplainResult(Result, frozen=True, kw_only=True, tag="pfnlab-explanation/1"):
    """The meaning of lines of a log, and of a machine's files among them.

    :param lines: number of lines read
    :param boots: every machine and boot in the lines
    :param not_understood: lines that look relevant but match no known message
    :param strange: the first of them
    :param says: the result as a sentence
    :param dropped: lines of events beyond those that are kept
    :param causes: causes of the requested errno
    :param answer: whether anything needs to be done, and what, in one line
    :param to_review: what is or may be wrong; events with the same cause and objects count once
    :param findings: findings from joined files, as by ``pfnlab inspect``, most serious first
    :param untold: what cannot be decided, and the missing file; empty if no files are joined
    """

    lines: Count
    boots: tuple[ExplainedBoot, ...]
    not_understood: Count
    strange: tuple[str, ...]
    says: str
    dropped: Annotated[Count, ALWAYS] = 0
    causes: Annotated[tuple[ExplainedCause, ...], ALWAYS] = ()
    answer: Annotated[str, ALWAYS] = ""
    to_review: Annotated[Count, ALWAYS] = 0
    findings: Annotated[tuple[PlacedFinding, ...], ALWAYS] = ()
    untold: Annotated[str, ALWAYS] = ""

    @property
    def undecided(self) -> tuple[PlacedFinding, ...]:
        """Findings about reservations that, as far as the files show, may be leaked."""
        return tuple(one for one in self.findings if one.finding.kind == "perhaps_leaked")

    @property
    def outcome(self) -> Outcome:
        """A discovery if files show one; undecided if they might, or if nothing is known.

        The latter: no line was understood, or no cause of the errno is known.
        """
        if serious(self.findings):
            return Outcome.DISCOVERY
        if self.undecided and not self.to_review:
            return Outcome.UNDECIDED
        known = self.causes or any(boot.events for boot in self.boots)
        return Outcome.AS_EXPECTED if known else Outcome.UNDECIDED


def explained(paste: PasteExplanation) -> ExplainResult:
    """Return the result for a paste."""

    # A kernel prints the same lines over and over.
    @cache
    def bugs(kernel: KernelSaid, ids: tuple[str, ...]) -> tuple[BugHere, ...]:
        return tuple(bugs_here(kernel.version, ids, since=kernel.since, until=kernel.until))

    files = {event.family.name for event in paste.events if event.family.kind is FamilyKind.FILE}
    boots = tuple(
        ExplainedBoot(
            *(boot.host, boot.kernel.version, boot.kernel.sure, boot.kernel.since, boot.kernel.until),
            tuple(
                _event(
                    event,
                    bugs(boot.kernel, event.bugs),
                    boot.kernel.version,
                    files | _known_of(boot),
                )
                for event in boot.events
            ),
        )
        for boot in paste.boots
    )
    things = tuple(group[0].thing for _, group in things_of(boots))
    says = _says(paste, boots)
    others = [event.title for boot in boots for event in boot.events if event.verdict is FamilyVerdict.OTHER]
    return ExplainResult(
        made=Made.now(),
        lines=paste.lines,
        boots=boots,
        not_understood=paste.not_understood,
        strange=tuple(text for _, text in paste.strange),
        says=says,
        dropped=paste.dropped,
        answer=answer_of(things, others, paste.not_understood, "Nothing to do." if paste.events else says),
        to_review=len(things),
    )


def things_of(boots: Iterable[ExplainedBoot]) -> list[tuple[ExplainedBoot, list[ExplainedEvent]]]:
    """Return the events to review, grouped by cause and objects; certain ones come first."""
    found: dict[object, tuple[ExplainedBoot, list[ExplainedEvent]]] = {}
    for place, boot in enumerate(boots):
        for event in boot.events:
            if event.review:
                found.setdefault((place, event.key), (boot, []))[1].append(event)
    return sorted(found.values(), key=lambda thing: thing[1][0].verdict is FamilyVerdict.DEPENDS)


def _known_of(boot: PastedBoot) -> set[str]:
    """Return the names of the parts of a boot in a text: families and others."""
    version = {"version"} if boot.kernel.version else set()
    names = {part.family for event in boot.events for part in event.parts}
    return names | {event.family.name for event in boot.events} | boot.seen | version


def explained_errno(errno_name: str, how: Sequence[str], kernel: str) -> ExplainResult:
    """Return the causes of an errno for one way to map; raise Misuse if either is unknown."""
    found = causes(errno_name, how)
    call = " ".join(how)
    says = f"{call} never answers {errno_name.upper()}, as far as known: check the call before it."
    if found:
        says = f"{number_of(len(found), 'cause')} of {errno_name.upper()} from {call} known."
    return ExplainResult(
        made=Made.now(),
        lines=0,
        boots=(),
        not_understood=0,
        strange=(),
        says=says,
        answer=says,
        causes=tuple(_cause(cause, kernel) for cause in found),
    )


def _cause(cause: ErrnoCause, kernel: str) -> ExplainedCause:
    releases = _releases(cause.since, cause.until)
    bugs = tuple(bugs_here(kernel, cause.bugs))
    return ExplainedCause(cause.what, cause.check, releases, cause.rules, bugs, cause.programs)


def _releases(since: str, until: str) -> str:
    words = (f"from {since} on" if since else "", f"before {until}" if until else "")
    return " and ".join(word for word in words if word)


def _says(paste: PasteExplanation, boots: tuple[ExplainedBoot, ...]) -> str:
    events, lines = [event for boot in boots for event in boot.events], number_of(paste.lines, "line")
    if not events:
        return f"Nothing about PFN mappings, cache modes or device memory in {lines}."
    return f"{number_of(len(events), 'event')} in {lines}, {len(things_of(boots))} to review."


def _event(
    event: MessageEvent, bugs: tuple[BugHere, ...], kernel: str, has: Collection[str]
) -> ExplainedEvent:
    family = event.family
    fitting, likely = ranked(event, bugs)
    told = (
        "count",
        "line",
        "last_line",
        "text",
        "comm",
        "pid",
        "device",
        "errno",
        "holder",
        "unsure",
        "notes",
    )
    known = ("title", "verdict", "meaning", "leak", "rules", "programs")
    return ExplainedEvent(
        family=family.name,
        more=tuple(part.text for part in event.parts),
        places=tuple(_places(event)),
        wanted=event.wanted.short if event.wanted is not None else None,
        granted=event.granted.short if event.granted is not None else None,
        existing=tuple(mode.short for mode in event.existing),
        bugs=fitting,
        send=still_wanted(family.send, {*has, *parts_of(event)}),
        thing=thing_of(event),
        review=is_to_review(family),
        likely=likely,
        advice=tuple(f"{one.do} Costs: {one.costs}" for one in family.advice if _fits(one, event)),
        remedies=tuple(_remedies(event)),
        causes=tuple(_cause(cause, kernel) for cause in causes_of(event.errno or "", event.way))
        if event.way
        else (),
        **{name: getattr(event, name) for name in told},
        **{name: getattr(family, name) for name in known},
    )


def _places(event: MessageEvent) -> Iterator[SaidPlace]:
    if event.start is not None and (event.family.kind is FamilyKind.LOG and not event.rows):
        yield SaidPlace(f"{event.start:#x}", None if event.end is None else f"{event.end:#x}")
    for row in event.rows:
        yield SaidPlace(
            f"{row.start:#x}",
            None if row.end is None else f"{row.end:#x}",
            None if row.mode is None else row.mode.short,
            row.name,
        )


def _remedies(event: MessageEvent) -> Iterator[str]:
    for remedy in event.family.remedies:
        if not _fits(remedy, event):
            continue
        works = f" Seen to work: {remedy.works}." if remedy.works else ""
        fails = f" Seen to fail: {remedy.fails}." if remedy.fails else ""
        yield f"{remedy.text}{works}{fails}"


def _fits(one: Advice | Remedy, event: MessageEvent) -> bool:
    """False if it is meant for PCI devices but the event names another kind of device."""
    return not one.pci_only or event.device is None or is_pci_address(event.device)
