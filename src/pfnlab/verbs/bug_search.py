"""Search for bugs, messages, programs and claims by commit, CVE, identifier, log line or words."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from math import log
from typing import Literal

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import shell_path, visible_name
from pfnlab.base.result import Count, PrintedStruct
from pfnlab.base.terminal_text import linkless
from pfnlab.diagnosis.messages.explaining import explain_line
from pfnlab.diagnosis.messages.family_files import Family, families
from pfnlab.discussions.lookup import claims_of
from pfnlab.kernel.bugs.known_bugs import Bug, all_bugs, bug
from pfnlab.kernel.bugs.repairs import (
    bugs_of_commit,
    commit_titled,
    fix_subjects,
    is_commit,
    named_commits,
    subject_of,
)
from pfnlab.present.document.blocks import Block, Paragraph, named_rows
from pfnlab.programs.lang.library_list import library_entries

#: How a search was interpreted.
AskedFor = Literal["commit", "CVE", "bug", "log line", "words"]
#: The kinds of entries, in the order of lists.
FoundKind = Literal["bug", "message", "program", "claim"]


class FoundEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One matching entry.

    :param kind: the kind of entry
    :param name: a bug's or claim's number, or the name of a message or program
    :param says: its title or first sentence
    :param why: how it relates to a commit, CVE or log line; empty for words
    :param command: the command that shows it
    """

    kind: FoundKind
    name: str
    says: str
    why: str = ""
    command: str

    @property
    def whole(self) -> str:
        """Its relation to the search, and its text."""
        return f"{self.why}: {self.says}" if self.why else self.says


class BugFindings(PrintedStruct, frozen=True, kw_only=True, tag="pfnlab-bugs-find/1"):
    """Entries that match a search, the best of each kind first.

    :param asked: the search text
    :param read_as: how the search text was interpreted
    :param title: the subject of a commit; empty if it is unknown
    :param found: the matching entries
    :param left_out: how many weaker matches are not listed
    """

    asked: str
    read_as: AskedFor
    title: str = ""
    found: tuple[FoundEntry, ...]
    left_out: Count = 0

    def blocks(self) -> Iterator[Block]:
        """Yield the title of a commit, and the entries by kind."""
        if self.title:
            yield Paragraph(f"{self.asked}: {self.title}")
        if not self.found:
            instead = _INSTEAD[self.read_as]
            yield Paragraph(f"No result for the {self.read_as} {self.asked}. {instead}".rstrip())
        for kind, heading in _HEADINGS.items():
            rows = [one for one in self.found if one.kind == kind]
            yield from named_rows(heading, ((one.name, linkless(one.whole)) for one in rows))
        if self.found:
            shown = dict.fromkeys(one.command for one in self.found if one.command)
            yield Paragraph(f"More: {next(iter(shown))}")
        if self.left_out:
            yield Paragraph(f"{self.left_out} more: --all.")


_HEADINGS: dict[FoundKind, str] = {
    "bug": "Bugs and changes",
    "message": "Messages",
    "program": "Programs",
    "claim": "Claims from discussions",
}
#: What to do if nothing was found.
_INSTEAD: dict[AskedFor, str] = {
    "commit": "A backport has a different commit: search for its subject. "
    "Only bugs of PFN mappings, cache modes and device memory are listed.",
    "CVE": "Only bugs in PFN mappings, cache modes and device memory are listed: `pfnlab bugs list --cve`.",
    "bug": "",
    "log line": "",
    "words": "Use fewer or other words; `pfnlab explain` reads whole logs.",
}
#: The maximum number of entries of a kind that are listed by default.
_MOST = 5


def bug_findings(query: str, *, every: bool = False) -> BugFindings:
    """Return the entries that match a commit, a CVE, an identifier, a log line, or words.

    :param every: return all of them, not just the best of each kind
    :raises Misuse: if there is nothing to search for
    """
    text = " ".join(query.split())
    if not _TOKEN.search(text.lower()):
        raise Misuse("nothing to search for: write words, a commit, a CVE or a log line")
    if _SHORT_COMMIT.fullmatch(text):
        text = _whole_commit(text)
    read_as, found = _found(commit_titled(text) or text)
    kept = found if every else [one for kind in _HEADINGS for one in _first(found, kind)]
    commits = (one.commit for one in bugs_of_commit(text)) if is_commit(text) else ()
    title = next(filter(None, map(subject_of, commits)), "")
    shown = visible_name(text)[:_MOST_SHOWN]
    return BugFindings(
        asked=shown, read_as=read_as, title=title, found=tuple(kept), left_out=len(found) - len(kept)
    )


#: Digits that can only be the first ones of a commit; e820 and bdf are words.
_SHORT_COMMIT = re.compile(r"(?=.*[0-9])(?=.*[a-f])[0-9a-f]{5,6}", re.IGNORECASE)


def _whole_commit(digits: str) -> str:
    """Return the known commit that begins with these digits; Misuse if there is none, or several."""
    known = sorted({one for one in named_commits() if one.startswith(digits.lower())})
    if len(known) != 1:
        found = f"they begin {' and '.join(known)}" if known else "no commit of a known bug begins with them"
        raise Misuse(f"{digits}: too few digits for a commit, and {found}: write at least 7")
    return known[0]


#: The maximum length of search text that is repeated in the output.
_MOST_SHOWN = 200
_CVE = re.compile(r"CVE-[0-9]{4}-[0-9]{4,7}", re.IGNORECASE)


def _found(text: str) -> tuple[AskedFor, list[FoundEntry]]:
    if is_commit(text):
        named = [
            _bug(one.bug, f"{_ROLES[one.role]}{f' in {one.where}' if one.where else ''}")
            for one in bugs_of_commit(text)
        ]
        return "commit", named
    if cve := _CVE.fullmatch(text):
        number = cve[0].upper()
        own = [_bug(one, "has this CVE") for one in all_bugs() if one.cve == number]
        others = [one for one in all_bugs() if one.cve != number and number in f"{one.what} {one.notes}"]
        return "CVE", own + [_bug(one, "mentions it") for one in others]
    if exact := next((one for one in all_bugs() if text.upper() == one.number or text == one.title), None):
        return "bug", [_bug(exact)]
    if " " in text and (events := explain_line(text).events):
        said = tuple({event.family.name: event.family for event in events}.values())
        numbers = dict.fromkeys(number for event in events for number in event.bugs)
        bugs = [_bug(bug(number), "can print it") for number in numbers]
        programs = dict.fromkeys(name for family in said for name in family.programs)
        return "log line", [
            *bugs,
            *(_message(family, "is this message") for family in said),
            *(_program(entry.name, entry.question) for entry in library_entries() if entry.name in programs),
        ]
    return "words", _by_words(text)


_ROLES = {
    "fixes": "fixed by it",
    "backports the fix of": "fixed by it",
    "introduced": "came with it",
    "backported the cause of": "came with it",
    "is about": "mentions it",
}


def _first(found: list[FoundEntry], kind: FoundKind) -> list[FoundEntry]:
    most = _MOST if kind != "bug" else 2 * _MOST
    return [one for one in found if one.kind == kind][:most]


def _bug(one: Bug, why: str = "") -> FoundEntry:
    return FoundEntry(
        kind="bug", name=one.number, says=one.what, why=why, command=f"pfnlab bugs show {one.number}"
    )


def _message(family: Family, why: str = "") -> FoundEntry:
    return FoundEntry(
        kind="message", name=family.name, says=family.title, why=why, command="pfnlab explain 'LINE'"
    )


def _program(name: str, question: str) -> FoundEntry:
    return FoundEntry(kind="program", name=name, says=question, command=f"pfnlab run {shell_path(name)}")


# Words.

_TOKEN = re.compile(r"[a-z0-9_]{2,}")
#: Words that are ignored.
_EMPTY = frozenset(
    _TOKEN.findall(
        "an and are as at be been but by can do does for from has have how if in into is it its my no not "
        "of on or so that the then there this to too was when where which while why with you your"
    )
)
#: Users' words, and the entries' words with the same meaning.
_SAME = {
    "hang": ("stall", "deadlock", "waits", "lockup"),
    "freeze": ("stall", "deadlock", "lockup"),
    "stuck": ("stall", "deadlock", "ever"),
    "crash": ("oops", "panic", "bug_on", "dereference", "stopped"),
    "slow": ("second", "thousand", "uncached"),
    "passthrough": ("vfio",),
    "gpu": ("i915", "framebuffer", "nvidia", "amdgpu"),
    "wc": ("write", "combining"),
    "cow": ("copied",),
    "hugepage": ("huge", "transparent"),
    "refused": ("einval", "ebusy", "eperm", "fails"),
    "security": ("cve",),
}
_SYNONYM = 0.6
#: The share of the best match's score that an entry must reach.
_SHARE = 0.7


class _Document(msgspec.Struct, frozen=True):
    """An entry with its words, each weighted by the text that it appears in."""

    entry: FoundEntry
    words: dict[str, float]


def _by_words(text: str) -> list[FoundEntry]:
    tokens = [word for word in dict.fromkeys(_TOKEN.findall(text.lower())) if word not in _EMPTY]
    tokens = tokens or _TOKEN.findall(text.lower())
    scored: list[tuple[float, float, int, FoundEntry]] = []
    weights = {token: _rarity(token) for token in tokens}
    for place, document in enumerate(_documents()):
        met = {token: _match(token, document.words) for token in tokens}
        share = sum(weights[token] for token in tokens if met[token])
        if share:
            score = sum(weights[token] * met[token] for token in tokens)
            scored.append((share, score, place, document.entry))
    best = max((share for share, *_ in scored), default=0.0)
    kept = [one for one in scored if one[0] >= _SHARE * best and one[0] >= _SHARE / 2 * sum(weights.values())]
    kept.sort(key=lambda one: (-one[0], -one[1], one[2]))
    return [entry for *_, entry in kept]


def _match(token: str, words: dict[str, float]) -> float:
    """Return the weight with which an entry contains a word, its plural or another form, or a synonym."""
    own = max((words[word] for word in _forms(token) & words.keys()), default=0.0)
    same = (words[word] for other in _SAME.get(_stem(token), ()) for word in _forms(other) & words.keys())
    return max(own, _SYNONYM * max(same, default=0.0))


@lru_cache(maxsize=1000)
def _forms(token: str) -> frozenset[str]:
    """Return all words in the entries that are a form of *token*."""
    return frozenset(word for word in _vocabulary() if _alike(token, word))


@cache
def _vocabulary() -> frozenset[str]:
    return frozenset(word for document in _documents() for word in document.words)


def _alike(token: str, word: str) -> bool:
    if token == word:
        return True
    stem = _stem(token)
    return len(stem) >= 3 and (_stem(word) == stem or (len(stem) >= 5 and word.startswith(stem)))


def _stem(word: str) -> str:
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word


@lru_cache(maxsize=1000)
def _rarity(token: str) -> float:
    documents = _documents()
    having = sum(1 for one in documents if _match(token, one.words))
    return log(1 + len(documents) / (1 + having))


@cache
def _documents() -> tuple[_Document, ...]:
    return tuple(_all_documents())


def _all_documents() -> Iterator[_Document]:
    for one in all_bugs():
        words = _weighed(
            (3.0, (one.number, one.title, one.what, one.cve)),
            (2.0, (one.see, one.trigger, *one.log, *fix_subjects(one), subject_of(one.introduced))),
            (1.0, (one.notes, one.group, one.kind, *one.config, *one.breaks, *one.reach, *one.programs)),
        )
        yield _Document(_bug(one), words)
    for family in families():
        wordings = tuple(wording.text for wording in family.wording)
        words = _weighed((3.0, (family.name, family.title)), (2.0, wordings), (1.0, (family.meaning,)))
        yield _Document(_message(family), words)
    for entry in library_entries():
        words = _weighed((3.0, (entry.name, entry.question)), (1.0, (entry.says, entry.section)))
        yield _Document(_program(entry.name, entry.question), words)
    for number, _, message, claim in claims_of():
        words = _weighed(
            (3.0, (claim.reading,)), (2.0, (claim.quote,)), (1.0, (claim.because, message.author))
        )
        says, command = claim.reading or claim.quote, f"pfnlab discussions show {number}"
        yield _Document(FoundEntry(kind="claim", name=number, says=says, command=command), words)


def _weighed(*texts: tuple[float, Iterable[str]]) -> dict[str, float]:
    """Return the words in *texts*, which are ordered by weight, each with the weight of its first text."""
    found: dict[str, float] = {}
    for weight, parts in texts:
        for part in parts:
            for word in _TOKEN.findall(part.lower()):
                found.setdefault(word, weight)
                for piece in word.split("_"):
                    found.setdefault(piece, weight)
    return found
