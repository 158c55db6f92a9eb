"""Find fixes in the changelog of a Debian or RPM package, or in the log of a git tree.

A fix is named by its commit, subject or CVE. Changelogs start with the newest entry, so the first line about
a commit decides: if it is a revert, the fix has been reverted.
"""

import re
import zlib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.files import MOST_LINE, MOST_LOG, log_pieces
from pfnlab.base.result import Count
from pfnlab.base.units import size_text
from pfnlab.kernel.bugs.known_bugs import Bug, all_bugs
from pfnlab.kernel.bugs.repairs import fix_commits, fix_subjects, named_commits, subject_of

#: The ways in which a line can name a fix.
NamingWord = Literal["commit", "subject", "CVE"]


class NamingLine(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest changelog line that names a commit.

    :param line: the line number
    :param how: how the line names the commit
    :param text: the commit, subject or CVE as it appears there
    :param reverted: the line is about a revert of that commit
    """

    line: Count
    how: NamingWord
    text: str
    reverted: bool = False


class NamedRepairs(msgspec.Struct, frozen=True):
    """Every commit, subject and CVE of a known bug that a changelog names.

    :param lines: the number of lines in the changelog
    """

    named: dict[str, NamingLine]
    lines: int

    def of_fix(self, one: Bug) -> tuple[NamingLine, ...]:
        """The lines that name a bug's fix, or the newer line that reverts it; possibly empty.

        A fix made up of several commits counts only if all of them are named.
        """
        found = [self.named[key] for key in (*fix_commits(one), one.cve) if key in self.named]
        subjects = fix_subjects(one)
        by_subject = [self.named[subject] for subject in subjects if subject in self.named]
        if len(by_subject) < len(subjects) and not any(naming.reverted for naming in by_subject):
            by_subject = []
        newest = sorted((*found, *by_subject), key=lambda naming: naming.line)
        return tuple(newest[:1] if not newest or newest[0].reverted else found[:1] or newest)

    def of_cause(self, one: Bug) -> tuple[NamingLine, ...]:
        """The line that names the commit which introduced a bug; possibly empty."""
        introduced = one.dated.introduced
        keys = (introduced, subject_of(introduced), *(point.commit for point in one.dated.came))
        return tuple(self.named[key] for key in keys if key and key in self.named)[:1]


def repairs_named_in(path: Path) -> NamedRepairs:
    """The fixes named in the changelog file *path*, which may be gzipped; uses constant memory.

    :raises Misuse: if the file cannot be read, or is not text
    """
    return repairs_named(_lines(path))


def repairs_named(lines: Iterable[str]) -> NamedRepairs:
    """The fixes named in a changelog's lines, newest entry first."""
    named: dict[str, NamingLine] = {}
    window = ["", "", ""]
    number = 0
    for number, line in enumerate(lines, 1):
        window = [*window[1:], line[:_MOST_READ]]
        for naming in _of_line(number, window):
            named.setdefault(naming.text, naming)
    # An empty line after the last one closes the window.
    for naming in _of_line(number + 1, [*window[1:], ""]):
        named.setdefault(naming.text, naming)
    return NamedRepairs(named, number)


#: Number of characters read per line; no changelog line is that long.
_MOST_READ = 4000

_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,7}", re.IGNORECASE)
#: A commit that a changelog or log lists, as opposed to mentions.
_COMMIT = re.compile(
    r"(?:^[\s>*+|\\/-]*(?P<header>commit[ :]+)?|upstream(?: commit)?[ :]+|\[ ?upstream commit "
    r"|(?:cherry[ -]?picked|back-?ported) from (?:commit )?|\(commit |(?P<revert>reverts (?:commit )?))"
    r"(?P<digits>[0-9a-f]{7,40})\b(?!\s*\(\")",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"^\s*(?:fixes|closes|link|stable-dep-of|references)\s*:", re.IGNORECASE)
_TOKEN = re.compile(r"[a-z0-9_]{3,}")
#: Words with which many subjects begin.
_COMMON = ("fix", "add", "use")


def _of_line(number: int, window: list[str]) -> Iterator[NamingLine]:
    """The commits named by the middle line of three; the name may continue on the third."""
    _, line, below = window
    lowered = line.lower()
    if "cve-" in lowered:
        for cve in _CVE.findall(line):
            if cve.upper() in _cves():
                yield NamingLine(number - 1, "CVE", cve.upper())
    if _REFERENCE.match(line):
        return
    if match := _COMMIT.search(line):
        yield from _commit_named(number - 1, match)
    words = set(_TOKEN.findall(lowered))
    if not words.isdisjoint(_by_word()):
        yield from _subjects_named(number - 1, line, below, words)


def _commit_named(number: int, match: re.Match[str]) -> Iterator[NamingLine]:
    digits = match["digits"].lower()
    for commit in _by_digits().get(digits[:7], ()):
        if commit.startswith(digits) or digits.startswith(commit):
            yield NamingLine(number, "commit", commit, bool(match["revert"]))


def _subjects_named(number: int, line: str, below: str, words: set[str]) -> Iterator[NamingLine]:
    text = f"{line}\n{below}"
    for word in words & _by_word().keys():
        for subject, pattern in _by_word()[word]:
            for match in pattern.finditer(text):
                # A subject that begins on the next line is found there.
                if match.start("subject") < len(line) and not match["reference"]:
                    reverted = len(re.findall("revert", match["reverts"], re.IGNORECASE)) % 2 == 1
                    yield NamingLine(number, "subject", subject, reverted)
                    break


@cache
def _cves() -> frozenset[str]:
    return frozenset(one.cve for one in all_bugs() if one.cve)


@cache
def _by_digits() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for commit in dict.fromkeys(named_commits()):
        found[commit[:7]] = (*found.get(commit[:7], ()), commit)
    return found


@cache
def _by_word() -> dict[str, tuple[tuple[str, re.Pattern[str]], ...]]:
    """Each subject and its pattern, keyed by the longest of the subject's first words."""
    found: dict[str, tuple[tuple[str, re.Pattern[str]], ...]] = {}
    for subject in dict.fromkeys(_all_subjects()):
        # A subject may wrap after any word, so only its first words are used for the search.
        first = _TOKEN.findall(" ".join(subject.lower().split()[:3]))
        word = max(first, key=lambda token: (len(token), token not in _COMMON))
        found[word] = (*found.get(word, ()), (subject, _pattern(subject)))
    return found


def _all_subjects() -> Iterator[str]:
    for one in all_bugs():
        yield from fix_subjects(one)
        if subject := subject_of(one.dated.introduced):
            yield subject


def _pattern(subject: str) -> re.Pattern[str]:
    """The pattern for a subject in a changelog, including its end: longer subjects may start the same way."""
    area, colon, rest = subject.partition(": ")
    areas = [area]
    for arch in ("x86", "arm64"):
        # Debian writes the architecture in brackets: [x86] mm/pat: ...
        if area == arch:
            areas += [f"[{arch}]", f"[{arch}] {arch}"]
        elif area.startswith(f"{arch}/"):
            areas += [f"[{arch}] {area.removeprefix(f'{arch}/')}", f"[{arch}] {area}"]
    written = [f"{one}{colon}{rest}" for one in areas]
    if "[x86]" in areas or "[arm64]" in areas:
        written.append(f"[{area}] {rest}")
    choices = "|".join(r"\s+".join(map(re.escape, one.split())) for one in written)
    return re.compile(
        rf"(?P<reference>[0-9a-f]{{7}}\s+\([\"'])?(?P<reverts>(?:revert:?\s+[\"“'])*)"
        rf"(?<![\w/])(?P<subject>{choices})(?=[\"”'.,;]*\s*(?:$|[(\[{{<#]|\n\s*(?:$|[-*+\[(]|[0-9a-f]{{7}}|\S+:\s)))",
        re.IGNORECASE,
    )


def _lines(path: Path) -> Iterator[str]:
    rest = b""
    for piece in _unpacked(path):
        *whole, rest = (rest + piece).split(b"\n")
        if len(rest) > MOST_LINE:
            raise Misuse(f"{path}: a line is longer than {size_text(MOST_LINE)}: this is not a changelog")
        yield from (line.decode("utf-8", "replace") for line in whole)
    if rest:
        yield rest.decode("utf-8", "replace")


def _unpacked(path: Path) -> Iterator[bytes]:
    """The text in pieces, decompressed if necessary, up to the size limit for logs."""
    pieces = log_pieces(path, "changelog")
    first = next(pieces, b"")
    if not first.startswith(b"\x1f\x8b"):
        yield first
        yield from pieces
        return
    unpacker = zlib.decompressobj(wbits=31)
    size, packed = 0, first
    try:
        while packed:
            part = unpacker.decompress(packed, _PIECE)
            size += len(part)
            if size > MOST_LOG:
                raise Misuse(f"{path}: over {size_text(MOST_LOG)} unpacked: this is not a changelog")
            yield part
            if unpacker.eof:
                return
            packed = unpacker.unconsumed_tail or next(pieces, b"")
    except zlib.error:
        pass
    else:
        if unpacker.eof:
            return
    raise Misuse(f"{path}: damaged gzip file: unpack it first")


#: Number of bytes decompressed at a time.
_PIECE = 1 << 20
