"""Part for ``explain``: the answer, findings from files, then events: what happened, and what to do."""

import re
from collections.abc import Iterator, Sequence

from pfnlab.base.inert import shell_path
from pfnlab.base.units import number_of, size_text
from pfnlab.diagnosis.explanation import (
    ExplainedBoot,
    ExplainedCause,
    ExplainedEvent,
    ExplainResult,
    SaidPlace,
    things_of,
)
from pfnlab.diagnosis.inspector.finding.finding_form import PlacedFinding, serious
from pfnlab.diagnosis.messages.family_files import FamilyVerdict
from pfnlab.diagnosis.messages.kernel_said import KernelSure
from pfnlab.kernel.bugs.distributions import Backports
from pfnlab.kernel.bugs.kernel_name import kernel_name
from pfnlab.present.document.blocks import Block, Brief, Bullets, Paragraph, Tone, below
from pfnlab.present.document.part import Part, part_of_result

_TONES: dict[FamilyVerdict, Tone] = {
    FamilyVerdict.LOOK: "lit",
    FamilyVerdict.DEPENDS: "lit",
    FamilyVerdict.HARMLESS: "good",
    FamilyVerdict.OTHER: "pale",
}

#: The maximum number of ranges, further lines and causes of an error that are listed for an event.
_MOST, _MOST_CAUSES = 6, 4
#: In a boot with more events than this, the harmless ones share a line.
_MOST_TOLD = 2


#: The number of lines per event on a screen, and in one part of an event.
_MOST_LINES, _MOST_PART = 8, 2
#: The maximum number of events on a screen, and of notes about a file.
_MOST_THINGS, _MOST_NOTES = 10, 3
_SENTENCE = re.compile(r"(?<=[.?!]) (?=[A-Z])")
_INDENT = "  "


def part(content: ExplainResult) -> Part:
    """Return the findings, then the boots with all their events."""
    return part_of_result(content, "Explanation", content.answer or content.says, _everything(content))


def screen(content: ExplainResult, *, full: bool) -> Iterator[Block]:
    """Yield the blocks for a terminal: the answer, and what to review; with *full*, everything."""
    yield Paragraph(content.answer)
    yield from _everything(content) if full or content.causes else _brief(content)


def _everything(content: ExplainResult) -> Iterator[Block]:
    if content.findings:
        # Imported here because a single line has no files.
        from pfnlab.present.document.inspection_part import finding_blocks

        for shown in content.findings:
            yield from finding_blocks(shown)
    if content.untold:
        yield Paragraph(content.untold)
    yield from _all_events(content)


def _brief(content: ExplainResult) -> Iterator[Block]:
    wrong = serious(content.findings)
    for number, shown in enumerate(wrong[:_MOST_THINGS], 1):
        yield Paragraph("")
        yield from _finding(f"{number}. " if content.to_review > 1 else "", shown)
    if len(wrong) > _MOST_THINGS:
        yield Paragraph(f"{len(wrong) - _MOST_THINGS:,} more findings: --long has them all")
    # If there is only one undecided finding, it is the answer.
    if wrong or content.to_review or len(content.undecided) > 1:
        for shown in content.undecided[:_MOST_THINGS]:
            yield Paragraph(f"undecided: {shown.finding.says}")
    if around := _around(content):
        yield Paragraph(around)
    if content.untold and content.untold not in content.answer:
        yield Paragraph(content.untold)
    yield from _some_events(content, len(wrong))


def _around(content: ExplainResult) -> str:
    """Return the numbers of holes and neighbours around the findings, or an empty string."""
    rows = {row for shown in content.findings for row in shown.around if not row.found}
    holes = sum(row.kind == "free" for row in rows)
    words = [number_of(holes, "hole")] * (holes > 0)
    words += [number_of(len(rows) - holes, "neighbour")] * (len(rows) > holes)
    return f"around the findings: {' and '.join(words)}; --long draws them" if words else ""


def _finding(lead: str, shown: PlacedFinding) -> Iterator[Paragraph]:
    """Yield a finding in a few lines: its line, its meaning, what to do, and the bug."""
    from pfnlab.present.document.inspection_part import TONES

    found = shown.finding
    tone = TONES[found.severity]
    if lead:
        yield Paragraph(f"{lead}{found.says}", tone, rows=_MOST_PART)
    for line in found.evidence[:2]:
        yield Paragraph(f"  {line.source}: {line.line}", tone, rows=1)
    yield Paragraph(f"  {found.means}", tone, rows=_MOST_PART)
    parts = {
        "do": found.advice[0].partition(" It costs")[0] if found.advice else "",
        "bug": f"{found.bugs[0].says}" if found.bugs else "",
    }
    for name, text in parts.items():
        if text:
            yield Paragraph(f"  {name}: {text}", tone, rows=_MOST_PART)


def _some_events(content: ExplainResult, before: int) -> Iterator[Block]:
    """Yield the events to review, most serious first, and counts of the rest. *before* was already shown."""
    things = things_of(content.boots)
    events = [(boot, event) for boot in content.boots for event in boot.events]
    others = [one for one in events if one[1].verdict is FamilyVerdict.OTHER]
    instead = [] if before else others or events[: len(events) == 1]
    shown = things or [(boot, [event]) for boot, event in instead]
    for number, (boot, group) in enumerate(shown[:_MOST_THINGS], before + 1):
        lead = f"{number}. " if before + len(shown) > 1 else ""
        yield Paragraph("")
        if len(content.boots) > 1:
            yield Paragraph(f"{boot.host or 'an unnamed machine'}: {_kernel(boot)}")
        yield _summary(lead, group, boot)
    if len(shown) > _MOST_THINGS:
        yield Paragraph(f"{len(shown) - _MOST_THINGS:,} more to review: --long lists them")
    for _, event in events:
        if not event.review:
            yield Bullets(tuple(f"note: {note}" for note in event.notes[:_MOST_NOTES]))
    told_now = {id(event) for _, group in shown[:_MOST_THINGS] for event in group}
    for verdict in (FamilyVerdict.OTHER, FamilyVerdict.DEPENDS, FamilyVerdict.HARMLESS):
        rest = [
            one for _, one in events if one.verdict is verdict and not one.review and id(one) not in told_now
        ]
        if rest:
            titles = dict.fromkeys(event.title for event in rest)
            word = "a state" if verdict is FamilyVerdict.DEPENDS else verdict.value
            says = f"{word}: {number_of(len(rest), 'event')} ({'; '.join(titles)})"
            yield Paragraph(says, "pale", rows=1)
    if content.strange:
        yield Paragraph(f"not understood: {content.strange[0]}", rows=1)
    if content.dropped:
        yield Paragraph(f"dropped: {number_of(content.dropped, 'line')} of further events")
    if events or content.says != content.answer:
        yield Paragraph(content.says if not events else f"{content.says} More: --long.")


def _summary(lead: str, group: Sequence[ExplainedEvent], boot: ExplainedBoot) -> Brief:
    """Return an event in at most ``_MOST_LINES`` lines: its line, meaning, object, advice and bug."""
    event, count = group[0], sum(one.count for one in group)
    of = f", {len(group)} processes" if len(group) > 1 else ""
    tail = f"  ({number_of(count, 'time')}{of})" if count > 1 else ""
    # A single event is the answer, which was shown above.
    thing = f"{lead}{event.thing[:1].upper()}{event.thing[1:]}."
    above = [Paragraph(thing, rows=_MOST_PART)] if lead else []
    above.append(Paragraph(f"{_INDENT if lead else ''}{' '.join(event.text.split())}", rows=1, tail=tail))
    asked = event.send[:1].lower() + event.send[1:]
    parts = {
        "here": "; ".join((*(note.rstrip(".") for note in event.notes[:1]), *_objects(event))),
        "do": _advice(event) or _first_check(event) or (f"send {asked}" if asked else ""),
        "bug": _bug(event, boot),
    }
    rows = (Paragraph(f"{_INDENT}{name}: {text}", rows=_MOST_PART) for name, text in parts.items() if text)
    title = () if event.review else (f"{event.title}.",)
    first, *others = _SENTENCE.split(event.meaning)
    sentences = (" ".join((*title, first)), *others)
    return Brief((tuple(above), tuple(rows)), sentences, _MOST_LINES, _INDENT)


def _first_check(event: ExplainedEvent) -> str:
    """Return the most specific cause of the errno, with the check that reveals it; empty if unknown."""
    return f"{event.causes[0].what} Check: {event.causes[0].check}" if event.causes else ""


def _advice(event: ExplainedEvent) -> str:
    """Return the first thing to do; its cost is included only if that is short."""
    return event.advice[0].partition(" Costs: ")[0] if event.advice else ""


def _bug(event: ExplainedEvent, boot: ExplainedBoot) -> str:
    """Return the bug that matches best, or all bugs that match equally well."""
    if not event.likely:
        return ""
    name = kernel_name(boot.kernel) if boot.kernel else None
    if name is not None and name.distribution is not None and name.distribution.backports is Backports.ANY:
        family = name.distribution.name.partition(" (")[0]
        some = ", ".join(event.likely)
        return f"perhaps {some}: {family} backports fixes to its {name.release}, which the version hides"
    if len(event.likely) > 1:
        first = event.likely[0]
        return f"one of {', '.join(event.likely)} (`pfnlab bugs show {first}`)"
    best = next(bug for bug in event.bugs if bug.id == event.likely[0])
    dates = best.says.partition(" (")[0].rstrip(".")
    return f"{dates}. {_SENTENCE.split(best.what)[0]}"


def _objects(event: ExplainedEvent) -> Iterator[str]:
    """Yield the objects in an event that its sentence does not name."""
    if event.comm is not None and event.comm not in event.thing:
        yield event.comm + (f" (pid {event.pid})" if event.pid is not None else "")
    if event.device is not None and event.device not in event.thing:
        yield event.device
    if event.places and event.places[0].start not in event.thing:
        yield _place(event.places[0])
    if len(event.places) > 1:
        yield number_of(len(event.places), "range")
    yield from _outcome(event)


def _all_events(content: ExplainResult) -> Iterator[Block]:
    """Yield all events in all boots."""
    for boot in content.boots:
        if len(content.boots) > 1 or boot.host:
            yield Paragraph(f"{boot.host or 'an unnamed machine'}: {_kernel(boot)}")
        quiet = [event for event in boot.events if event.verdict is FamilyVerdict.HARMLESS]
        is_long = len(boot.events) > _MOST_TOLD
        for event in boot.events:
            if not is_long or event.verdict is not FamilyVerdict.HARMLESS:
                yield from _event(event, boot)
        if is_long and quiet:
            yield Paragraph(f"harmless: {'; '.join(map(_in_short, quiet))}", _TONES[FamilyVerdict.HARMLESS])
    for cause in content.causes:
        yield Paragraph(cause.what)
        yield Bullets(tuple(_of_cause(cause)))
    if content.strange:
        number = number_of(content.not_understood, "line")
        yield Bullets(((f"{number} about this subject not understood:", *content.strange[:_MOST]),))
    if content.says != content.answer:
        yield Paragraph(content.says)


def _in_short(event: ExplainedEvent) -> str:
    times = f" ({number_of(event.count, 'time')})" if event.count > 1 else ""
    return f"{event.title}{times}"


def _of_cause(cause: ExplainedCause) -> Iterator[str | tuple[str, ...]]:
    if cause.releases:
        yield f"  in kernels {cause.releases}"
    yield f"  check: {cause.check}"
    yield from below("  known bugs and changes:", (f"{bug.says} {bug.what}" for bug in cause.bugs))
    if cause.programs:
        yield f"  seen in: {', '.join(cause.programs)}"
    if cause.rules:
        yield f"  rules: {', '.join(cause.rules)} (docs/semantics)"


def _kernel(boot: ExplainedBoot) -> str:
    match boot.sure:
        case KernelSure.GIVEN | KernelSure.SAID:
            return f"kernel {boot.kernel}"
        case KernelSure.WORDING:
            since = f" from {boot.since} on" if boot.since else ""
            until = f" up to {boot.until}" if boot.until else ""
            return f"a kernel{since}{until}, judging by the wording; no line names it"
        case KernelSure.UNKNOWN:
            return "no line names the kernel"


def _event(event: ExplainedEvent, boot: ExplainedBoot) -> Iterator[Block]:
    times = f"  ({number_of(event.count, 'time')})" if event.count > 1 else ""
    yield Paragraph(f"{event.text}{times}")
    yield Paragraph(f"  {event.verdict.value.upper()}: {event.title}. {event.meaning}", _TONES[event.verdict])
    yield Bullets(tuple(_below(event, boot)))


def _below(event: ExplainedEvent, boot: ExplainedBoot) -> Iterator[str | tuple[str, ...]]:
    values = list(_values(event))
    if values:
        yield f"  here: {'; '.join(values)}"
    yield from below("  related lines:", event.more[:_MOST])
    yield from below("  together:", event.notes[:_MOST])
    yield from below("  not said:", event.unsure)
    if event.leak:
        yield f"  leaked? {event.leak}"
    bugs = (f"{bug.says} {bug.what}" for bug in event.bugs)
    yield from below(f"  {_kernel(boot)}; known bugs and changes with this effect:", bugs)
    commands = (f"pfnlab run {shell_path(name)}" for name in event.programs)
    yield from below("  reproducers:", commands)
    causes = [f"{cause.what} Check: {cause.check}" for cause in event.causes]
    if len(causes) > _MOST_CAUSES:
        rest = number_of(len(causes) - _MOST_CAUSES, "more cause")
        causes[_MOST_CAUSES:] = [f"{rest}: `pfnlab explain --errno` lists them."]
    yield from below(f"  what {event.errno} means here, most specific first:", causes)
    yield from below("  to do:", event.advice)
    yield from below("  seen elsewhere:", event.remedies)
    if event.send:
        yield f"  to know more: {event.send}"
    if event.rules:
        yield f"  rules: {', '.join(event.rules)} (docs/semantics)"


def _values(event: ExplainedEvent) -> Iterator[str]:
    if event.comm is not None:
        yield f"task {event.comm}" + (f", pid {event.pid}" if event.pid is not None else "")
    if event.device is not None:
        yield f"device {event.device}"
    for place in event.places[:_MOST]:
        yield _place(place)
    if len(event.places) > _MOST:
        yield f"and {number_of(len(event.places) - _MOST, 'more range')}"
    yield from _outcome(event)


def _outcome(event: ExplainedEvent) -> Iterator[str]:
    """Yield the modes, what they conflicted with, and the error."""
    for word, mode in (("wanted", event.wanted), ("got", event.granted)):
        if mode is not None:
            yield f"{word} {mode}"
    if event.existing:
        yield f"there before: {', '.join(event.existing)}"
    if event.holder is not None:
        yield f"in the way: {event.holder}"
    if event.errno is not None:
        yield event.errno


def _place(place: SaidPlace) -> str:
    mode = f" {place.mode}" if place.mode else ""
    name = f" {place.name}" if place.name else ""
    if place.end is None:
        return f"{place.start}{mode}{name}"
    start, end = int(place.start, 16), int(place.end, 16)
    size = f" ({size_text(end - start)})" if end > start else ""
    return f"bytes {place.start} up to {place.end}{size}{mode}{name}"
