"""``explain``: events of a paste, each with its meaning, what is known of it here, and what to do."""

from collections.abc import Iterator

from pfnlab.base.inert import shell_path
from pfnlab.base.units import number_of, size_text
from pfnlab.diagnosis.messages.explanation import (
    ExplainedBoot,
    ExplainedCause,
    ExplainedEvent,
    ExplainResult,
    SaidPlace,
)
from pfnlab.diagnosis.messages.family_files import FamilyVerdict
from pfnlab.diagnosis.messages.message_event import KernelSure
from pfnlab.present.document.blocks import Block, Bullets, Paragraph, Tone, listed
from pfnlab.present.document.part import Part, told

_TONES: dict[FamilyVerdict, Tone] = {
    FamilyVerdict.LOOK: "lit",
    FamilyVerdict.DEPENDS: "lit",
    FamilyVerdict.HARMLESS: "good",
    FamilyVerdict.OTHER: "pale",
}

#: Of the ranges of an event so many are named, and of further lines; and of the causes of an error.
_MOST, _MOST_CAUSES = 6, 4
#: In a boot with more events than these, the harmless ones are named in one line.
_MOST_TOLD = 2


def part(content: ExplainResult) -> Part:
    """The boots with their events."""
    return told(content, "Explanation", content.says, _blocks(content))


def _blocks(content: ExplainResult) -> Iterator[Block]:
    for boot in content.boots:
        if len(content.boots) > 1 or boot.host:
            yield Paragraph(f"{boot.host or 'a machine without a name'}: {_kernel(boot)}")
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
        yield Bullets(((f"{number} of this subject that no table has:", *content.strange[:_MOST]),))
    yield Paragraph(content.says)


def _in_short(event: ExplainedEvent) -> str:
    times = f" ({number_of(event.count, 'time')})" if event.count > 1 else ""
    return f"{event.title}{times}"


def _of_cause(cause: ExplainedCause) -> Iterator[str | tuple[str, ...]]:
    if cause.releases:
        yield f"  in kernels {cause.releases}"
    yield f"  check: {cause.check}"
    yield from listed("  bugs and changes:", (f"{bug.says} {bug.what}" for bug in cause.bugs))
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
            return f"a kernel{since}{until}, by the wording; no line says which"
        case KernelSure.UNKNOWN:
            return "no line says which kernel"


def _event(event: ExplainedEvent, boot: ExplainedBoot) -> Iterator[Block]:
    times = f"  ({number_of(event.count, 'time')})" if event.count > 1 else ""
    yield Paragraph(f"{event.text}{times}")
    yield Paragraph(f"  {event.verdict.value.upper()}: {event.title}. {event.meaning}", _TONES[event.verdict])
    yield Bullets(tuple(_below(event, boot)))


def _below(event: ExplainedEvent, boot: ExplainedBoot) -> Iterator[str | tuple[str, ...]]:
    values = list(_values(event))
    if values:
        yield f"  here: {'; '.join(values)}"
    yield from listed("  lines that belong to it:", event.more[:_MOST])
    yield from listed("  together:", event.notes[:_MOST])
    yield from listed("  not said:", event.unsure)
    if event.leak:
        yield f"  leaked? {event.leak}"
    bugs = (f"{bug.says} {bug.what}" for bug in event.bugs)
    yield from listed(f"  {_kernel(boot)}; bugs and changes behind it:", bugs)
    commands = (f"pfnlab run {shell_path(name)}" for name in event.programs)
    yield from listed("  programs that make it:", commands)
    causes = [f"{cause.what} Check: {cause.check}" for cause in event.causes]
    if len(causes) > _MOST_CAUSES:
        rest = number_of(len(causes) - _MOST_CAUSES, "more cause")
        causes[_MOST_CAUSES:] = [f"{rest}: `pfnlab explain --errno` has them all."]
    yield from listed(f"  what {event.errno} means here, the most special first:", causes)
    yield from listed("  to do:", event.advice)
    yield from listed("  seen elsewhere:", event.remedies)
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
