"""A boot as a story: events judged by how they ended and by the facts, one event per cause."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from pfnlab.diagnosis.messages.boot_facts import MOST_DEVICES, TAINTING, BootFacts
from pfnlab.diagnosis.messages.cases import possible, untried
from pfnlab.diagnosis.messages.family_files import Family, FamilyEnding, FamilyKind, FamilyVerdict, ended
from pfnlab.diagnosis.messages.file_notes import large_entries, overlaps
from pfnlab.diagnosis.messages.kernel_said import KernelSaid
from pfnlab.diagnosis.messages.matching import Match
from pfnlab.diagnosis.messages.message_event import (
    EventRow,
    GrowingEvent,
    MessageEvent,
    bugs_after,
    is_pci_address,
)
from pfnlab.diagnosis.messages.resource_words import COURSE, FAILURES, resource_word

#: Families about one fact, whether page tables can select write-combining; the cause before its symptoms.
_SETUP = (
    "pat_off_by_option",
    "pat_off_by_processor",
    "pat_off_by_mtrr",
    "pat_configuration",
    "mtrr_absent",
    "mtrr_state",
    "file_mtrr_boot",
)
#: The families that make an event of this; without them the others are only facts.
_ABOUT_PAT = frozenset(_SETUP[:5])
#: Families about a claim that blocks a device; the claim's owner comes before the refused driver.
_CLAIMS = ("file_iomem", "bar_not_reserved", "vmm_mmap_failed")
_FOR_GUESTS = "vfio"
#: Families whose rows are BARs, by device; groups whose range a module may hold; groups with a trace.
_LISTS = frozenset({"file_lspci", "file_iomem"})
_OF_HOLDERS = frozenset({"conflict", "reserve", "free", "map_ram", "map_expected"})
_OF_TRACES = frozenset({"warn_bug", "bad_page_map", "ioremap_ram"})
_LOCKDOWN, _LINK = "devmem_lockdown", "pcie_link"
#: Tasks that probe at every boot and can do without an answer.
_SERVICES = re.compile(r"systemd|Xorg|X$|swapper|fwupd|dmidecode|lsmod|udev|biosdecode|kdump|smartd|lshw")
_PORTS = "raw io port"
_LINK_WIDTHS = re.compile(
    r"limited by (?P<speed>.+?) x(?P<now>\d+) link.*\(capable of .* x(?P<able>\d+) link"
)
#: A clause at the end of a line by which the kernel reports that it fixed something.
_REPAIRED = re.compile(
    r"(?:^|[,;:.-] *)(?:has been |was |were |it )?"
    r"(?:corrected|fixing|fixed|working around|clearing|enabled|enabling)\b[^,;:]*$"
)
_BY_ITSELF = FamilyEnding(
    "repaired",
    FamilyVerdict.HARMLESS,
    "The kernel found and repaired a firmware error, as the line says. "
    "There is nothing to do unless the error returns after a suspend.",
)
_LOUDNESS = (FamilyVerdict.LOOK, FamilyVerdict.DEPENDS, FamilyVerdict.OTHER, FamilyVerdict.HARMLESS)
#: Endings reported separately for each device; others are reported for all devices together.
_RESIZED = "resize_refused"
_OF_A_DEVICE = frozenset({"", "assigned", "rom_wanted", _RESIZED})
_SOON = 100
#: The kernel's reasons for refusing a mapping, the calls they explain, and the lines in between.
_REFUSALS = frozenset({"conflict", "reserve_failed", "reserve_empty", "map_expected"})
_CALLS = frozenset({"device_call", "device_file", "device_mmap", "vfio_region_refused"})
_TOGETHER = 12
#: A failed probe, and its errors if the device has a BAR without addresses.
_GAVE_UP, _OF_LOST_BARS = "driver_gave_up", frozenset({"ENOMEM", "EINVAL", "ENODEV", "ENXIO", "EIO", "EPERM"})
#: A window at least this large is not a spare one for hot plug (pci=hpmemsize).
_LARGE_WINDOW = 1 << 24
_FORGETFUL = (
    f"More than {MOST_DEVICES:,} devices are named; which of the first ones are bridges is forgotten."
)


def case_of(text: str, match: Match) -> str:
    """Return the case in the line's family that the line alone implies, or an empty string."""
    if match.family.name == _LOCKDOWN:
        is_service = _SERVICES.match(match.values.get("comm", "")) is not None
        return "service" if is_service or _PORTS in text else ""
    if match.family.name == _LINK:
        widths = _LINK_WIDTHS.search(text)
        if widths is None:
            return ""
        is_unread = widths["now"] == "0" or widths["speed"].startswith("Unknown")
        return "asleep" if is_unread or widths["now"] == widths["able"] else ""
    return ""


def story(growing: Sequence[GrowingEvent], facts: BootFacts, kernel: KernelSaid) -> tuple[MessageEvent, ...]:
    """Return a boot's events in order of their first lines, judged by everything up to its end."""
    fitting = [
        (event, _known(event, fit) if "commit" in event.texts else fit)
        for event, fit in [(event, event.fitted(kernel)) for event in growing]
    ]
    read = [(event, family) for event, family in fitting if family is not None]
    growing = [event for event, _ in read]
    has_setup = any(one.match.family.name in _ABOUT_PAT for one in growing)
    facts.resized = {
        one.said.get("device", "") for one in growing if one.match.family.name == FAILURES and _is_resize(one)
    }
    facts.has_lost_bar = any(_is_lost_bar(one) for one in growing if one.match.family.name == FAILURES)
    judged: list[tuple[GrowingEvent, Family, object]] = []
    for at, (event, fit) in enumerate(read):
        ending = _ending(event, facts)
        if ending is None and _is_repaired(event, growing[at + 1 : at + 1 + _SOON]):
            ending = _BY_ITSELF
        family = possible(fit if ending is None else ended(fit, ending), kernel)
        if facts.options:
            family = untried(family, facts.options)
        key = _key(event, "" if ending is None else ending.when, has_setup)
        judged.append((event, family, event if key is None else key))
    groups = defaultdict[object, list[tuple[GrowingEvent, Family]]](list)
    reasons = [(event, key) for event, _, key in judged if event.match.family.name in _REFUSALS]
    # A driver gives up because its device lost a BAR.
    lost = {
        event.said.get("device"): key
        for event, family, key in judged
        if event.match.family.name == FAILURES and family.verdict is FamilyVerdict.LOOK
    }
    for event, family, key in judged:
        if event.match.family.name in _CALLS:
            key = next((why for one, why in reasons if _is_near(event, one)), key)
        elif event.match.family.name == _GAVE_UP and event.said.get("errno") in _OF_LOST_BARS:
            key = lost.get(event.said.get("device"), key)
        groups[key].append((event, family))
    listed = [row for one in growing if one.match.family.name in _LISTS for row in one.rows]
    found: Iterator[MessageEvent] = map(_told, groups.values())
    if facts.bars or listed:
        found = (_located(event, facts, listed) for event in found)
    return tuple(sorted(found, key=lambda one: one.line))


def _is_near(call: GrowingEvent, reason: GrowingEvent) -> bool:
    """True if a failed call and the kernel's reason for refusing a mapping are close together."""
    return max(call.line - reason.last_line, reason.line - call.last_line) <= _TOGETHER


def _known(event: GrowingEvent, family: Family | None) -> Family | None:
    """Return the family; None if the commit that the lines name has no bugs."""
    return family if bugs_after(event.texts["commit"]) else None


def _told(group: list[tuple[GrowingEvent, Family]]) -> MessageEvent:
    """Merge events with one cause: the most serious becomes the head; the cause precedes its symptoms."""
    head, family = min(group, key=_rank)
    for event, _ in group:
        if event is not head:
            head.absorb(event)
    return head.event(family)


def _located(event: MessageEvent, facts: BootFacts, listed: Sequence[EventRow]) -> MessageEvent:
    """Name the BARs of an event's ranges, and their device, if its own lines name no device."""
    if event.device is not None or event.family.kind is not FamilyKind.LOG or event.family.fact:
        return event
    places = [facts.bar_at(row.start, row.end) or _listed_at(listed, row) for row in event.rows]
    devices = {None if place is None else place[1] for place in places}
    rows = tuple(
        row if place is None or row.name else msgspec.structs.replace(row, name=place[0])
        for row, place in zip(event.rows, places, strict=True)
    )
    return msgspec.structs.replace(event, rows=rows, device=devices.pop() if len(devices) == 1 else None)


def _listed_at(listed: Sequence[EventRow], row: EventRow) -> tuple[str, str] | None:
    """Like :meth:`BootFacts.bar_at`, but look in pasted lists, whose rows begin with the device."""
    for one in listed:
        device = one.name.partition(",")[0]
        if one.end is not None and one.start <= row.start < one.end and is_pci_address(device):
            return f"a BAR of {device}", device
    return None


def _rank(one: tuple[GrowingEvent, Family]) -> tuple[int, int, int]:
    event, family = one
    place = next((names.index(family.name) for names in (_SETUP, _CLAIMS) if family.name in names), 0)
    place += len(_SETUP) * (family.name in _CALLS)
    return _LOUDNESS.index(family.verdict), place, event.line


def _key(event: GrowingEvent, when: str, has_setup: bool) -> object | None:
    """Return a key shared by events that are reported as one; None for an event reported separately."""
    family, device = event.match.family, event.said.get("device")
    name = family.name
    if name in _SETUP and has_setup:
        return "setup"
    if name in _CLAIMS and device is not None and not when:
        driver = event.said.get("driver") or _FOR_GUESTS
        if driver.startswith(_FOR_GUESTS):
            return "claim", device
    if name == FAILURES:
        return name, when, device if when in _OF_A_DEVICE else None
    if device is not None and family.kind is FamilyKind.LOG and not family.fact:
        return name, when, device, event.said.get("driver"), event.said.get("errno")
    return name if name == _LOCKDOWN else None


def _ending(event: GrowingEvent, facts: BootFacts) -> FamilyEnding | None:
    by_name = {one.when: one for one in event.match.family.endings}
    _note(event, facts)
    return next((by_name[when] for when in _whens(event, facts) if when in by_name), None)


def _whens(event: GrowingEvent, facts: BootFacts) -> Iterator[str]:
    """Yield the story words that apply to an event, most specific first."""
    if event.match.family.name == FAILURES:
        yield from _of_resource(event, facts)
    yield from event.endings
    yield event.case
    if facts.is_xen:
        yield "xen"
    if event.match.family.name in _ABOUT_PAT and facts.is_plain_guest and not facts.has_wc:
        yield "guest"
    if facts.has_wc is not None:
        yield "wc" if facts.has_wc else "no_wc"
    for part in event.parts:
        yield part.family


def _of_resource(event: GrowingEvent, facts: BootFacts) -> Iterator[str]:
    device = event.said.get("device")
    is_bridge = facts.is_bridge(device, event.said.get("driver"))
    word = resource_word(event.placed.text, is_bridge)
    case = word.case(is_bridge)
    if case and "assigned" in event.endings:
        yield "spare_assigned"
    elif case == "rom" and facts.wants_rom(device):
        yield "rom_wanted"
    elif case == "window" and word.kind == "mem" and (word.size or 0) >= _LARGE_WINDOW:
        # A downstream device that lost a BAR has its own line.
        yield "window" if facts.has_lost_bar else "window_needed"
    elif "assigned" not in event.endings:
        yield case
    elif device in facts.resized:
        yield _RESIZED


def _is_lost_bar(event: GrowingEvent) -> bool:
    """True for a memory BAR that has no addresses at the end of the boot."""
    return "assigned" not in event.endings and not resource_word(event.placed.text, False).case(False)


def _is_resize(event: GrowingEvent) -> bool:
    """True if a memory BAR is smaller than requested, i.e. kept its old size."""
    if "assigned" not in event.endings:
        return False
    wanted = resource_word(event.placed.text, False)
    given = [resource_word(part.text, False) for part in event.parts if part.family == COURSE]
    return wanted.kind == "mem" and any(0 < (one.size or 0) < (wanted.size or 0) for one in given)


def _note(event: GrowingEvent, facts: BootFacts) -> None:
    """Add facts about an event that only several rows together, or other lines, reveal."""
    match event.match.family.name:
        case "file_memtype_list":
            event.notes += large_entries(event.rows)
        case "file_mtrr":
            decided, undefined = overlaps(event.rows)
            if undefined:
                event.endings.append("undefined")
            event.notes += [*undefined, *decided]
        case name if name == FAILURES and facts.is_forgetful:
            event.doubts[_FORGETFUL] = None
        case _ if facts.modules or facts.tainting or facts.taints:
            event.notes += _of_modules(event.match.family, facts)
        case _:
            pass


def _of_modules(family: Family, facts: BootFacts) -> Iterator[str]:
    """Yield sentences about loaded modules that matter to an event: possible range holders, and tainters."""
    if family.group in _OF_HOLDERS and facts.modules:
        yield f"Loaded modules that map device memory: {', '.join(facts.modules)}."
    if family.group not in _OF_TRACES:
        return
    named = [f"{name} ({TAINTING[flag]})" for name, flag in facts.tainting.items()]
    others = [f"{TAINTING[letter]} module" for letter in sorted(facts.taints & TAINTING.keys())]
    if named or others:
        yield f"Tainted by {', '.join(named or others)}: reproduce without it before you report."
    if "W" in facts.taints:
        yield "The kernel had warned before (W): the first warning of the boot is the one to read."


def _is_repaired(event: GrowingEvent, later: Sequence[GrowingEvent]) -> bool:
    """True if the kernel reports that it fixed the failure and no later line shows a failure there."""
    family = event.match.family
    if family.kind is FamilyKind.FILE or family.verdict not in _LOUDNESS[:2]:
        return False
    texts = (event.placed.text, *(part.text for part in event.parts))
    if not any(_REPAIRED.search(text) for text in texts):
        return False
    return not any(
        one.match.family.verdict is FamilyVerdict.LOOK
        and one.rows
        and event.rows
        and one.overlaps_event(event)
        for one in later
    )
