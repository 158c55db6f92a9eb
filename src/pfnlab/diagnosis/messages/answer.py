"""The one-line answer to a paste, and the first thing to know about each event."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from pfnlab.base.units import number_of, size_text
from pfnlab.diagnosis.messages.family_files import Family, FamilyKind, FamilyVerdict
from pfnlab.diagnosis.messages.message_event import MessageEvent
from pfnlab.diagnosis.messages.resource_words import resource_word
from pfnlab.kernel.bugs.bug_status import BugStatusWord
from pfnlab.kernel.bugs.here import BugHere
from pfnlab.kernel.bugs.known_bugs import bug

#: Prefix for an event that the lines alone cannot decide.
MAYBE = "may be"
#: Group of the families whose lines name a BAR.
_WITH_BAR = "cant_reserve"
#: Words that can precede a device but are not driver names.
_NO_DRIVERS = frozenset({"pci", "resource", "for", "of", "device"})
#: Name prefix of the bus itself, which owns nothing.
_WINDOW = "PCI "
#: First words of titles that keep their capital letter.
_NAMES = frozenset({"Xen", "Xen's", "PCIe"})
#: Maximum number of objects named in the sentence for an event.
_MOST_OBJECTS = 3
#: Kernel functions and files: the words in a call trace that distinguish bugs.
_FUNCTION = re.compile(r"\b[a-z]\w*_\w{2,60}\b")
_ARM = re.compile(r"\b(?:aarch64|arm64)\b")


def is_to_review(family: Family) -> bool:
    """True if the lines show that something is or may be wrong; False if they only describe a state."""
    if family.verdict is FamilyVerdict.LOOK:
        return True
    is_state = family.fact or family.state or family.kind is FamilyKind.FILE
    return family.verdict is FamilyVerdict.DEPENDS and not is_state


def thing_of(event: MessageEvent) -> str:
    """Return the sentence for an event, without its full stop: its title and the names of its objects."""
    sentence, rest = event.family.title, list[str]()
    for noun, name, beside in _objects(event):
        found = noun.search(sentence) if noun is not None else None
        replaced = (
            sentence if found is None else f"{sentence[: found.start()]}{name}{sentence[found.end() :]}"
        )
        if beside and replaced == sentence and name not in sentence:
            rest.append(beside)
        sentence = replaced
    if sentence.partition(" ")[0] == event.family.title.partition(" ")[0]:
        sentence = _lower(sentence)
    said = f"{sentence} ({', '.join(rest[:_MOST_OBJECTS])})" if rest else sentence
    return f"{MAYBE}: {said}" if event.family.verdict is FamilyVerdict.DEPENDS else said


def answer_of(things: Sequence[str], others: Sequence[str], strange: int, nothing: str) -> str:
    """Return the answer in one line.

    :param nothing: the answer if all is well
    :param things: things to review, most serious first
    :param others: titles of events about other subjects
    :param strange: number of lines on this subject that match no known message
    """
    unknown = f" {number_of(strange, 'line')} of this subject not understood." if strange else ""
    if not things:
        if others:
            more = f" and {len(others) - 1} more" if len(others) > 1 else ""
            return f"Nothing to do here; another subject: {_lower(others[0])}{more}.{unknown}"
        return f"{nothing}{unknown}"
    if len(things) == 1:
        first = things[0]
        return (f"1 thing, {first}." if first.startswith(MAYBE) else f"1 thing: {first}.") + unknown
    return f"{len(things):,} things; first: {things[0]}.{unknown}"


def _lower(title: str) -> str:
    is_name = title.partition(" ")[0] in _NAMES or title[1:2].isupper()
    return title if is_name else title[:1].lower() + title[1:]


def _objects(event: MessageEvent) -> Iterator[tuple[re.Pattern[str] | None, str, str]]:
    """Yield the objects in an event: the noun in the title, the name, and the name to put in brackets."""
    if event.family.kind is FamilyKind.FILE:
        return
    device, bars = event.device, bars_of(event)
    if bars:
        yield _noun("an? BAR"), bars, bars
    elif device is not None and re.search(r"\ba BAR\b", event.family.title, re.IGNORECASE):
        yield _noun("an? BAR"), f"a BAR of {device}", device
    elif device is not None:
        name = event.rows[0].name if event.rows and device in event.rows[0].name else device
        yield _noun("a device"), name, name
    driver = _driver(event) if bars else ""
    if driver:
        yield _noun("a driver"), driver, ""
    if event.comm:
        pid = "" if event.pid is None else f" (pid {event.pid})"
        beside = event.comm if event.pid is None else f"{event.comm}, pid {event.pid}"
        yield _noun("an? (?:program|process|service)"), f"{event.comm}{pid}", beside
    if event.start is not None and not bars:
        where = place_text(event.start, event.end)
        yield _noun("(?:a|the) range"), where, where
    if event.holder and not event.holder.startswith(_WINDOW):
        yield None, event.holder, f"held by {event.holder}"


def _noun(words: str) -> re.Pattern[str]:
    return re.compile(rf"\b{words}\b(?! of)", re.IGNORECASE)


def place_text(start: int, end: int | None) -> str:
    """Format a range in words: ``16 KiB at 0xf8004000``."""
    return f"{size_text(end - start)} at {start:#x}" if end is not None and end > start else f"{start:#x}"


def bars_of(event: MessageEvent) -> str:
    """Return the BARs named in an event's lines, with their device; empty if there are none."""
    if event.family.group != _WITH_BAR:
        return ""
    texts = [event.text, *(part.text for part in event.parts if (event.device or "") in part.text)]
    words = [resource_word(text, False) for text in texts]
    slots = list(dict.fromkeys(word.slot for word in words if word.slot and word.slot != "window"))
    if not slots:
        return ""
    of = f" of {event.device}" if event.device else ""
    if len(slots) > 1:
        rest = ", ".join(slot.removeprefix("BAR ") for slot in slots[1:])
        return f"{slots[0]} (also {rest}){of}"
    size = next((word.size for word in words if word.slot == slots[0] and word.size), None)
    return f"{slots[0]}{of}{f' ({size_text(size)})' if size else ''}"


def _driver(event: MessageEvent) -> str:
    if not event.device:
        return ""
    found = re.search(rf"(?:^|\s)([\w-]{{2,40}}) {re.escape(event.device)}(?=[:\s])", event.text)
    return found[1] if found is not None and found[1] not in _NO_DRIVERS else ""


#: Parts a text may have, by the words used to ask for them.
_HELD = tuple(
    (re.compile(words), name)
    for words, name in (
        (r"list of reservations|memtype list", "file_memtype_list"),
        (r"/proc/iomem", "file_iomem"),
        (r"lspci|bound to the device", "file_lspci"),
        (r"/proc/mtrr", "file_mtrr"),
        (r"lines about MTRRs", "mtrr_state"),
        (r"Configuration \[0-7\]|[Cc]onfiguration of PAT|lines about PAT", "pat_configuration"),
        (r"kernel's (?:exact )?version", "version"),
        (r"\btrace\b|RIP line", "trace"),
        (r"/proc/cmdline", "command line"),
        (r"modules that are loaded", "modules"),
        (r"BIOS-e820", "e820"),
        (r"[Tt]he hypervisor", "hypervisor"),
        (r"log of the boot|(?:lines? .*|log )(?:of|from) the boot", "boot"),
        (r"[Ll]ines? (?:before|above|below|that follows)|[Bb]oth lines", "more"),
        (r"[Ww]hich program|name of the program", "comm"),
    )
)
_BETWEEN = re.compile(
    r"(?:;|, and|,| and) (?!(?:all of|if |for |as root|which |whether|of |on a |behind|IO_|parts|version)\b)"
    r"(?=[^`]*(?:`[^`]*`[^`]*)*$)(?![^(]*\))"
)


def still_wanted(send: str, has: Collection[str]) -> str:
    """Return the items in *send* that a text lacks; empty if it has everything.

    :param has: names of families and of other parts in the text, as in ``_HELD``
    """
    asked, colon, reason = send.rstrip(".").partition(": ") if "`" not in send else (send.rstrip("."), "", "")
    parts = _BETWEEN.split(asked)
    kept = [one for one in parts if not any(name in has and words.search(one) for words, name in _HELD)]
    if len(kept) == len(parts):
        return send
    if not kept:
        return ""
    last = kept[-1] + (f"{colon}{reason}" if kept[-1] == parts[-1] else "")
    text = f"{', '.join(kept[:-1])} and {last}" if len(kept) > 1 else last
    return f"{text[:1].upper()}{text[1:]}."


def parts_of(event: MessageEvent) -> Iterator[str]:
    """Yield the names of the parts in an event's lines, for :func:`still_wanted`."""
    if event.parts:
        yield "more"
    if event.comm:
        yield "comm"
    for part in event.parts:
        yield part.family


def ranked(event: MessageEvent, found: Iterable[BugHere]) -> tuple[tuple[BugHere, ...], tuple[str, ...]]:
    """Return bugs sorted by how well they fit the trace and the version, and the numbers of the best."""
    text = "\n".join((event.text, *(part.text for part in event.parts)))
    names = {event.family.name, *(part.family for part in event.parts)}
    functions, is_arm = set(_FUNCTION.findall(text)), _ARM.search(text) is not None
    rows = []
    for one in found:
        known = bug(one.id)
        if is_arm and "X86_PAT" in known.config:
            continue
        told = " ".join((known.what, known.trigger, known.notes, *known.log))
        frames = sum(name in told for name in functions)
        is_sure = f" {BugStatusWord.HAS.value} {one.id}" in one.says
        families = {printed.partition("/")[0] for printed in known.log}
        fit = (known.kind.is_fault, frames, is_sure, len(names & families))
        rows.append((fit, one))
    rows.sort(key=lambda row: row[0], reverse=True)
    likely = tuple(one.id for fit, one in rows if fit == rows[0][0] and fit[0])
    return tuple(one for _, one in rows), likely
