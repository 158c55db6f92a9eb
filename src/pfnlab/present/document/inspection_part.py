"""Part for ``inspect``: a machine's findings, with evidence and the memory around them; or one device."""

from collections.abc import Iterator
from errno import ENOENT
from os import strerror

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import one_line, shell_path, shell_word
from pfnlab.base.units import number_of, size_text
from pfnlab.diagnosis.inspector.device import BarAnswer, CombiningAnswer, DeviceAnswer
from pfnlab.diagnosis.inspector.finding.finding_form import MemoryRow, PlacedFinding, Severity, finding_kinds
from pfnlab.diagnosis.inspector.host_snapshot import Access
from pfnlab.diagnosis.inspector.inspection import APART, InspectionResult, LookedAt
from pfnlab.kernel.bugs.affected import affecting
from pfnlab.present.document.blocks import (
    Block,
    Bullets,
    Cell,
    Code,
    Paragraph,
    Table,
    Tone,
    below,
    cell,
    cells,
)
from pfnlab.present.document.part import Part, part_of_result

#: The maximum number of bugs listed for a kernel.
_MOST_BUGS = 3

#: The tone for each severity of finding.
TONES: dict[Severity, Tone] = {Severity.WRONG: "bad", Severity.LOOK: "lit", Severity.NOTE: "pale"}


def part(content: InspectionResult) -> Part:
    """Return the answer about a device, or the findings; then the sources that were inspected."""
    name = f"{content.host}, " if content.host else ""
    first = f"{content.origin}: {name}{content.kernel or 'unknown kernel'}"
    says = content.device.says if content.device else content.says
    facts = ("kernel", content.kernel), ("runs under", content.virtual)
    return part_of_result(
        content, f"Inspection of {content.origin}", says, _blocks(content), *facts, first=first
    )


def _blocks(content: InspectionResult) -> Iterator[Block]:
    if content.device is not None:
        yield from device_blocks(content.device)
    about = None if content.device is None else content.device.address
    for shown in content.findings:
        # Hidden addresses are reported below with the sources, along with the step that reveals them.
        is_repeated = content.more and shown.finding.kind == "iomem_hidden"
        if about in (None, shown.finding.device) and not is_repeated:
            yield from finding_blocks(shown)
    # First what is certain, then the conclusion.
    yield Paragraph(_inspected(content))
    yield Paragraph(content.device.says if content.device else content.says)
    yield Bullets(tuple(_looked_at(content)))
    for lead, in_part in (("checks skipped", False), ("checks of incomplete data", True)):
        if titles := [one.title for one in content.not_looked_for if one.in_part is in_part]:
            yield Paragraph(f"{lead}: {'; '.join(titles)}")
    if content.kernel and content.counted.reservations is None:
        yield from _bugs_of(content.kernel)


def finding_blocks(shown: PlacedFinding) -> Iterator[Block]:
    """Yield a finding, the memory around it, its bugs and its evidence."""
    found = shown.finding
    kind = finding_kinds().get(found.kind)
    # A newer pfnlab may have additional kinds.
    title = found.kind if kind is None else kind.title
    yield Paragraph(f"{found.severity.upper()}  {title}: {found.says}", TONES[found.severity])
    yield Bullets((f"  {found.means}",))
    if shown.around:
        yield Code("The physical memory there", picture(shown.around))
    yield Bullets(tuple(_below(shown)))


def _below(shown: PlacedFinding) -> Iterator[tuple[str, ...]]:
    found = shown.finding
    yield from below("  known bugs with this effect:", (bug.says for bug in found.bugs))
    commands = (f"pfnlab run {shell_path(name)}" for name in found.programs)
    yield from below("  reproducers:", commands)
    yield from below("  to do:", found.advice)
    yield from below("  evidence:", (f"{line.source}: {line.line}" for line in found.evidence))


def picture(rows: tuple[MemoryRow, ...]) -> str:
    """Return physical memory from low to high, a line where each range begins, nested like the ranges."""
    lines, inside = [], list[int]()
    for row in rows:
        start, end = row.bounds
        inside = [until for until in inside if until > start]
        mark = "   <--" if row.found else ""
        mode = f" {row.mode}" if row.mode else ""
        lines.append(f"  {start:#018x}  {'| ' * len(inside)}{row.label}{mode}, {row.size}{mark}")
        if row.kind in ("bar", "resource"):
            inside.append(end)
    last = max((row.bounds[1] for row in rows), default=0)
    return "\n".join([*lines, f"  {last:#018x}"])


def device_blocks(device: DeviceAnswer) -> Iterator[Block]:
    """Yield the answer about a device: each BAR with what covers it and who uses it, and what to do."""
    for bar in device.bars:
        caption = f"BAR {bar.number} of {device.address} {device.ids}"
        heads = ("place", "size", "reserved", "")
        yield Table(caption, heads, tuple(_cover(bar)), glance=(0, 1, 2, 3), headed=True)
        lines = [
            f"{'' if bar.prefetchable else 'not '}prefetchable",
            f"held by: {', '.join(bar.holders) or 'no known holder'}",
            *(
                f"{user.comm}:{user.pid} {user.path}: {user.effective or 'unknown mode'} "
                f"by {'its entries' if user.known == 'entries' else 'the list'}, "
                f"write-combining: {user.combining.value}"
                for user in bar.users
            ),
            f"accesses: {_accesses(bar)}; write-combining: {bar.combining.value}",
        ]
        yield Bullets(tuple(lines))
    if device.todo:
        yield Bullets((("To do", *device.todo),))


def _accesses(bar: BarAnswer) -> str:
    """Return the mode of accesses to a BAR, as far as it is known."""
    modes = list(dict.fromkeys(place.mode or "not reserved" for place in bar.cover))
    if bar.effective or not modes:
        return bar.effective or "mode not known"
    # One mode in the list, but none of accesses: an MTRR may weaken it.
    return ", ".join(modes) if len(modes) > 1 else f"{modes[0]}, unless an MTRR changes it (not known)"


def _cover(bar: BarAnswer) -> Iterator[tuple[Cell, ...]]:
    for place in bar.cover:
        start, end = place.bounds
        hole = place.mode is None
        word = "hole" if hole and bar.combining is not CombiningAnswer.YES else ""
        end_cell = cell(word, "lit" if hole else "")
        yield cells(f"{start:#x}", size_text(end - start), place.mode or "-", end_cell)


def _inspected(content: InspectionResult) -> str:
    """Return, as a sentence, how much data was inspected."""
    counted = content.counted
    numbers = [
        number_of(value, *names)
        for names, value in (
            (("reservation",), counted.reservations),
            (("mapping of device memory", "mappings of device memory"), counted.mappings),
            (("PCI device",), counted.devices),
            (("resource",), counted.resources),
        )
        if value is not None
    ]
    return f"inspected: {', '.join(numbers) or 'nothing'}"


def _looked_at(content: InspectionResult) -> Iterator[str | tuple[str, ...]]:
    if content.left_out:
        lines = number_of(sum(one.lines for one in content.left_out), "line")
        files = ", ".join(f"{one.lines} of {one.name}" for one in content.left_out)
        yield f"redacted: {lines} in unknown formats left out: {files}"
    if content.more:
        yield f"to see more: {one_line(content.more)}"
    missing = [source for source in content.sources if source.access is not Access.READ]
    if missing:
        yield ("not inspected:", *map(_unread, missing))
    if content.apart > APART:
        yield f"its parts are {content.apart:.1f} seconds apart: changes in between may look like errors"


def _unread(source: LookedAt) -> str:
    """Return a source that was not read, and why."""
    why = "" if source.access is Access.ABSENT and source.why == strerror(ENOENT) else source.why
    return f"{source.name}: {source.access.value}{f' ({why})' if why else ''}"


def _bugs_of(kernel: str) -> Iterator[Block]:
    """Yield the number of bugs in the kernel, the most severe ones, and the command that lists them all."""
    try:
        known = [one for one in affecting(kernel).rows if one.kind.is_fault]
    except Misuse:
        return
    if known:
        shown = ", ".join(f"{one.id} {one.title}" for one in known[:_MOST_BUGS])
        more = f" and {len(known) - _MOST_BUGS} more" if len(known) > _MOST_BUGS else ""
        yield Paragraph(f"known bugs of this kernel: {shown}{more}:")
        yield Bullets((f"  pfnlab bugs affects {shell_word(kernel)}",))
