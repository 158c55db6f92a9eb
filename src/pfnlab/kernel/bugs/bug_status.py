"""The status of a bug in a kernel, decided from the bug's dates and the kernel's version alone."""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from pfnlab.kernel.bugs.distributions import Backports
from pfnlab.kernel.bugs.kernel_name import KernelName, kernel_name, release_key
from pfnlab.kernel.bugs.known_bugs import ALL, Bug, BugKind


class BugStatusWord(StrEnum):
    """The possible answers to "does this kernel have the bug?"."""

    HAS = "has"
    NOT_YET = "not yet"
    MENDED = "mended"
    NEVER = "never"
    NOT_KNOWN = "not known"


class BugStatus(NamedTuple):
    """The status of one bug in one kernel.

    :param sentence: the same for readers, as a sentence with dates and commits
    """

    word: BugStatusWord
    sentence: str


def bug_status(one: Bug, version: str) -> BugStatus:
    """The status of the kernel *version*: it has the bug, no longer has it, does not have it yet, or unknown.

    :param version: an upstream version, a distribution's package version, or as in ``uname -r``
    :raises Misuse: if it does not begin like a version
    """
    kernel, dated = kernel_name(version), msgspec.structs.replace(one.dated, number=one.number)
    word, said = _backported(dated, kernel, *_judged(dated, kernel))
    sentence = f"{said[0].upper()}{said[1:]}."
    if kernel.packaged and word in (BugStatusWord.HAS, BugStatusWord.NOT_YET, BugStatusWord.NOT_KNOWN):
        sentence += " A distribution's kernel may have taken repairs over that its version does not show."
    return BugStatus(word, sentence)


def _backported(
    dated: Bug, kernel: KernelName, word: BugStatusWord, sentence: str
) -> tuple[BugStatusWord, str]:
    """The status for a distribution kernel with more backports than its version shows."""
    family = kernel.distribution
    if family is None or family.backports is Backports.FEW:
        return word, sentence
    ends = bool(dated.mended or dated.commit or dated.stable)
    taken = bool(dated.stable) or (family.backports is Backports.ANY and ends)
    # If one series got the cause by backport, other kernels may have it too.
    brought = family.backports is Backports.ANY and bool(dated.came)
    if (word is BugStatusWord.HAS and taken) or (word is BugStatusWord.NOT_YET and brought):
        unknown = f"whether {kernel.text} has {dated.number} is not known: {family.name} backports"
        return BugStatusWord.NOT_KNOWN, "; ".join(filter(None, (unknown, _went(dated, kernel))))
    return word, sentence


def _judged(dated: Bug, kernel: KernelName) -> tuple[BugStatusWord, str]:
    name, number = kernel.text, dated.number
    if dated.kind is BugKind.PROPOSAL:
        return BugStatusWord.NEVER, f"{number} was proposed only: no kernel has it"
    if dated.measured:
        return _measured(dated, kernel)
    began = _began(dated, kernel)
    if began is False:
        if not dated.since and dated.came:
            series = ", ".join(f"{point.series}.y" for point in dated.came)
            return BugStatusWord.NEVER, f"{name} never had {number}, which only {series} had"
        came = _commit(dated.since, dated.introduced)
        return BugStatusWord.NOT_YET, f"{name} does not have {number} yet: it came in {came}"
    ended = _ended(dated, kernel)
    if ended is True:
        return BugStatusWord.MENDED, f"{name} no longer has {number}: {_went(dated, kernel)}"
    if began is None or ended is None:
        known = (
            [f"it came in {_commit(dated.since, dated.introduced)}"] if began is None and dated.since else []
        )
        known += [_went(dated, kernel) or dated.remark]
        return BugStatusWord.NOT_KNOWN, "; ".join(
            [f"whether {name} has {number} is not known", *filter(None, known)]
        )
    old = "" if dated.since or dated.came else " (since when is not known)"
    return BugStatusWord.HAS, "; ".join(filter(None, [f"{name} has {number}{old}", _went(dated, kernel)]))


def _measured(dated: Bug, kernel: KernelName) -> tuple[BugStatusWord, str]:
    asked = f"measured on {', '.join(dated.measured)}"
    if kernel.release in dated.measured:
        return BugStatusWord.HAS, f"{kernel.text} has {dated.number}, {asked}"
    return BugStatusWord.NOT_KNOWN, f"unknown whether {kernel.text} has {dated.number}: {asked}"


def _began(dated: Bug, kernel: KernelName) -> bool | None:
    """True if the kernel has or had it, None if unknown."""
    if dated.since == ALL:
        return True
    points = [point for point in dated.came if point.series == kernel.release]
    by_points = points[0].reached(kernel) if points else False
    if not dated.since:
        # Only in stable series, or older than any kernel tested.
        return by_points if dated.came else None if not dated.mended else True
    by_mainline = _passed(dated.since, kernel)
    return True if True in (by_points, by_mainline) else None if None in (by_points, by_mainline) else False


def _ended(dated: Bug, kernel: KernelName) -> bool | None:
    by_mainline = _passed(dated.mended, kernel) if dated.mended else False
    if by_mainline is not False:
        return by_mainline
    points = [point for point in dated.stable if point.series == kernel.release]
    if points:
        return points[0].reached(kernel)
    if dated.remark and not (dated.mended or dated.commit or dated.stable or dated.is_change):
        # It has ended, or may have; the remark says what is known.
        return None
    listed = bool(dated.stable) and not dated.partial
    if dated.no_stable or listed or kernel.point == 0 or not (dated.mended or dated.commit or dated.stable):
        # If backports of a fix are listed, the list is complete.
        return False
    return None


def _passed(release: str, kernel: KernelName) -> bool | None:
    """Return whether *kernel* has reached *release*; None (unknown) for a candidate of that release."""
    key = release_key(release)
    if kernel.candidate is not None and key == release_key(kernel.release):
        return None
    return kernel.mainline >= key


def _commit(release: str, commit: str) -> str:
    """A release and its commit, if known."""
    return f"{release} ({commit})" if release and commit else release or commit


def _went(dated: Bug, kernel: KernelName) -> str:
    """The end of the bug, in words; empty if it has not ended."""
    own = next((point for point in dated.stable if point.series == kernel.release), None)
    ended = "ended" if dated.is_change else "fixed"
    mainline = _commit(dated.mended, dated.commit)
    if not mainline and own is not None:
        return f"{ended} in {own.version}"
    if not mainline:
        return ""
    if own is not None and own.version.endswith(".y"):
        return f"{ended} in {mainline}, and in an unknown release of {own.version}"
    if own is not None:
        measured = f", where it was measured first (not yet in {own.after})" if own.after else ""
        stable = f" ({own.commit})" if own.commit else ""
        return f"{ended} in {own.version}{stable}{measured}, in mainline in {mainline}"
    said = f"{ended} in {mainline}"
    if dated.mended and _passed(dated.mended, kernel):
        return said
    if dated.no_stable:
        return f"{said}, in no stable series"
    if dated.stable and kernel.point and not dated.partial:
        return f"{said}, not in {kernel.release}.y as far as known"
    if kernel.point:
        return f"{said}, unknown whether backported to {kernel.release}.y"
    return said


def fix_of(dated: Bug, kernel: KernelName) -> tuple[str, str]:
    """The releases that fixed a bug, and what that means for the kernel's own series; either may be empty.

    E.g. ``Fixed in 6.16 (f8e97613fed2).`` and ``No stable series has the fix.``
    """
    own = next((point for point in dated.stable if point.series == kernel.release), None)
    mainline = _commit(dated.mended, dated.commit)
    ended = "Ended" if dated.is_change else "Fixed"
    if own is not None:
        commit = f" ({own.commit})" if own.commit else ""
        where = f"{own.series}.y, release unknown" if own.version.endswith(".y") else f"{own.version}{commit}"
        seen = f"; {own.after} does not have the fix yet" if own.after else ""
        return f"{ended} in {where}{f'; in mainline {mainline}' if mainline else ''}{seen}.", ""
    if not mainline:
        return (f"{dated.remark[0].upper()}{dated.remark[1:]}." if dated.remark else ""), ""
    where = f"{ended} in {mainline}."
    if dated.is_change or not kernel.point or _passed(dated.mended or "999.0", kernel):
        return where, ""
    if dated.no_stable:
        return where, "No stable series has the fix."
    if dated.stable and not dated.partial:
        return where, f"{kernel.release}.y is not known to have the fix."
    return where, f"It is not known whether {kernel.release}.y has the fix."
