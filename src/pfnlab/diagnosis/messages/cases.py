"""Cases of a family: its meaning depends on values, call trace functions, and the kernel."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from pfnlab.diagnosis.messages.family_files import Family, FamilyCase
from pfnlab.diagnosis.messages.kernel_said import KernelSaid
from pfnlab.diagnosis.messages.template_fields import error_of, mode_of

#: VMA flags.
_PFNMAP, _MIXEDMAP = 0x400, 0x1000_0000
#: The bit in an x86 page-table entry that marks memory without a struct page.
_SPECIAL = 0x200
#: Any entry with a page frame has one of these bits set: present or, on x86, PROT_NONE.
_PRESENT = 0x101
#: Low RAM in an x86 guest ends here at the latest; elsewhere RAM begins at 1 GiB, with BARs below it.
_X86_HOLE, _OTHER_RAM, _FOUR_GIB = 0x8000_0000, 0x4000_0000, 1 << 32
#: No current guest has RAM above this; 64-bit BARs lie there.
_FAR = 1 << 39


def fitted(
    family: Family,
    values: Mapping[str, str],
    lines: Sequence[str],
    frames: Sequence[str],
    kernel: KernelSaid,
) -> Family | None:
    """Return the family, adapted to the first case that fits.

    :param values: field texts by name
    :param lines: the lines of the event
    :param frames: functions in its call trace
    :return: the family; None if it needs a case and no case fits
    """
    if not family.case:
        return family
    facts = _facts(values, lines)
    case = next((one for one in family.case if _fits(one, facts, lines, frames, kernel)), None)
    if case is None:
        return None if family.needs_case else family
    return msgspec.structs.replace(family, **_said(case, facts))


def possible(family: Family, kernel: KernelSaid) -> Family:
    """Return the family without the advice and remedies that the kernel rules out."""
    advice = tuple(one for one in family.advice if kernel.within(one.since, one.until) is not False)
    remedies = tuple(one for one in family.remedies if kernel.within(one.since, one.until) is not False)
    return msgspec.structs.replace(family, advice=advice, remedies=remedies)


def untried(family: Family, options: Collection[str]) -> Family:
    """Return the family without boot options that, according to the text, are already in use."""
    found = [one for one in sorted(options) if any(one in text for text in _told(family))]
    for option in found:
        family = msgspec.structs.replace(
            family,
            advice=tuple(
                msgspec.structs.replace(one, do=_without(option, one.do))
                for one in family.advice
                if option not in _without(option, one.do)
            ),
            remedies=tuple(one for one in family.remedies if option not in one.text),
        )
    return family


def _told(family: Family) -> tuple[str, ...]:
    return (*(one.do for one in family.advice), *(one.text for one in family.remedies))


def _without(option: str, text: str) -> str:
    """Return a sentence without the alternative that suggests the option."""
    return re.sub(rf",? or (?:the boot option |boot with ){re.escape(option)}(?![\w:=,-]*\w)", "", text)


def _said(case: FamilyCase, facts: Mapping[str, str]) -> dict[str, Any]:
    names = (name for name in case.__struct_fields__ if name != "when")
    said = {name: value for name in names if (value := getattr(case, name)) is not None}
    for name in ("title", "meaning"):
        for field in case.when.values if name in said else ():
            said[name] = said[name].replace(f"{{{field}}}", facts.get(field, ""))
    return said


def _fits(
    case: FamilyCase,
    facts: Mapping[str, str],
    lines: Sequence[str],
    frames: Sequence[str],
    kernel: KernelSaid,
) -> bool:
    when = case.when
    return (
        kernel.within(when.since, when.until) is True
        and all(re.fullmatch(pattern, facts.get(name, "")) for name, pattern in when.values.items())
        and all(any(re.fullmatch(pattern, frame) for frame in frames) for pattern in when.frames)
        and (not when.text or any(re.search(when.text, line) for line in lines))
    )


def _facts(values: Mapping[str, str], lines: Sequence[str]) -> dict[str, str]:
    """Return values, modes and errors by their short names, plus conclusions from several of them."""
    facts = dict(values)
    for name in ("wanted", "granted", "existing", "differs"):
        mode = mode_of(values[name]) if name in values else None
        if mode is not None:
            facts[name] = mode.short
    if "errno" in values or "failure" in values:
        facts["error"] = error_of(values.get("errno") or values["failure"]) or ""
    if "vm_flags" in values:
        flags = int(values["vm_flags"], 16)
        facts["vma"] = "pfn" if flags & _PFNMAP else "mixed" if flags & _MIXEDMAP else "pages"
    if "entry" in values:
        entry = int(values["entry"], 16)
        facts["special"] = "yes" if entry & _SPECIAL else "no"
        facts["present"] = "yes" if entry & _PRESENT else "no"
    if "iova" in values:
        facts["target"] = _target(int(values["iova"], 16), any("aarch64" in line for line in lines))
    return facts


def _target(iova: int, is_arm: bool) -> str:
    """Return the kind of memory at a guest address: ``ram``, ``bar``, or empty if it may be either."""
    if iova >= _FAR:
        return "bar"
    if iova >= _FOUR_GIB:
        return ""
    return "ram" if (iova >= _OTHER_RAM if is_arm else iova < _X86_HOLE) else "bar"
