"""Which family a text is of: all templates at once, and the words that a text needs for any of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache

import msgspec

from pfnlab.messages.family import Family, Wording
from pfnlab.messages.family_files import families
from pfnlab.messages.template import Found, LineTemplate
from pfnlab.messages.values import is_plausible

#: Words that stand in too many other lines of a log to look for.
_COMMON = frozenset(
    [
        "the",
        "a",
        "an",
        "of",
        "for",
        "in",
        "on",
        "to",
        "at",
        "is",
        "not",
        "and",
        "or",
        "with",
        "by",
        "from",
        "failed",
        "error",
        "kernel",
        "memory",
        "mem",
        "cpu",
        "pid",
        "bug",
        "address",
        "size",
        "type",
        "device",
        "page",
        "pages",
        "range",
        "line",
        "init",
        "probe",
        "support",
        "enabled",
        "disabled",
        "cannot",
        "can't",
        "could",
        "unable",
        "invalid",
        "mapping",
        "mapped",
        "map",
        "region",
        "system",
        "write",
        "read",
        "access",
        "request",
        "requested",
        "reserved",
        "driver",
        "bar",
        "base",
        "new",
        "old",
        "count",
        "warning",
        "size:",
        "resource",
        "pci",
    ]
)

#: The shortest word that is looked for.
_SHORTEST = 4


class Match(msgspec.Struct, frozen=True):
    """A text of a family.

    :param values: texts of its fields by name
    :param missing: fields that a whole line has and this text has not
    :param whole: the text has all of the template's words
    :param reach: letters of the text that the template stands for
    """

    family: Family
    wording: Wording
    values: dict[str, str]
    missing: tuple[str, ...]
    whole: bool
    reach: tuple[int, int]


class _Entry(msgspec.Struct, frozen=True):
    family: Family
    wording: Wording
    template: LineTemplate
    needed: tuple[tuple[str, ...], ...]


class Matcher:
    """All wordings of some families.

    :param known: the families
    :raises Defect: a template is wrong
    """

    def __init__(self, known: Iterable[Family]) -> None:
        self._entries = [
            _Entry(family, wording, template, template.needed)
            for family in known
            for wording in family.wording
            for template in [LineTemplate(wording.text)]
        ]
        self.seeds = _seeds(_groups(entry) for entry in self._entries)
        self._seed = re.compile("|".join(map(re.escape, self.seeds))) if self.seeds else re.compile(r"(?!)")
        self._by_seed: dict[str, list[_Entry]] = defaultdict(list)
        for entry in self._entries:
            words = [word for group in _groups(entry) for word in group]
            for seed in self.seeds:
                if any(seed in word for word in words):
                    self._by_seed[seed].append(entry)

    def interests(self, text: str) -> bool:
        """Whether *text* has a word that some template needs."""
        return self._seed.search(text) is not None

    def whole(self, text: str) -> Match | None:
        """The best match of a whole line; a template that stands for more of the text is better."""
        best: Match | None = None
        for entry in self._candidates(text):
            if not all(any(word in text for word in group) for group in entry.needed):
                continue
            found = entry.template.match(text)
            if found is not None and _is_better(found, best):
                best = _match(entry, found, True)
        return best

    def abridged(self, text: str) -> Match | None:
        """The best match of a line of which parts are missing: by its longest literal."""
        best: tuple[int, int, Match] | None = None
        for entry in self._candidates(text):
            if not entry.wording.abridged or not entry.template.key:
                continue
            found = entry.template.match_abridged(text)
            if found is None or not is_plausible(found.values, entry.wording):
                continue
            letters = max(map(len, entry.template.key))
            rank = (letters, len(found.values))
            if best is None or rank > best[:2]:
                best = (*rank, _match(entry, found, False))
        return best[2] if best else None

    def _candidates(self, text: str) -> list[_Entry]:
        seen: dict[int, _Entry] = {}
        for seed in set(self._seed.findall(text)):
            for entry in self._by_seed[seed]:
                seen[id(entry)] = entry
        return list(seen.values())


@cache
def matcher() -> Matcher:
    """The matcher of all families that pfnlab knows."""
    return Matcher(families())


def _match(entry: _Entry, found: Found, whole: bool) -> Match:
    return Match(entry.family, entry.wording, found.values, found.missing, whole, found.span)


def _is_better(found: Found, best: Match | None) -> bool:
    if best is None:
        return True
    length = found.span[1] - found.span[0]
    return (length, -len(found.missing)) > (best.reach[1] - best.reach[0], -len(best.missing))


def _groups(entry: _Entry) -> tuple[tuple[str, ...], ...]:
    return (entry.wording.seeds,) if entry.wording.seeds else entry.needed


def _seeds(all_groups: Iterable[tuple[tuple[str, ...], ...]]) -> tuple[str, ...]:
    """A few words of which every line of every template has two where it can, else one.

    A word that many templates share is better than a rare one: each costs a pass over the log.
    """
    wanted = [
        tuple(group for group in groups if all(map(_is_telling, group)))
        or (max(groups, key=lambda group: min(map(len, group)), default=()),)
        for groups in all_groups
    ]
    popularity: dict[tuple[str, ...], int] = defaultdict(int)
    for groups in wanted:
        for group in set(groups):
            popularity[group] += 1
    chosen: dict[str, None] = {}
    for want in (1, 2):
        for groups in wanted:
            rest = [group for group in dict.fromkeys(groups) if not all(word in chosen for word in group)]
            have = len(dict.fromkeys(groups)) - len(rest)
            rest.sort(
                key=lambda group: (-popularity[group] / max(1, len(group)), -min(map(len, group), default=0))
            )
            for group in rest[: max(0, want - have)]:
                chosen.update(dict.fromkeys(group))
    return tuple(
        word for word in chosen if word and not any(word != other and other in word for other in chosen)
    )


def _is_telling(word: str) -> bool:
    return len(word) >= _SHORTEST and word.strip(":,.").lower() not in _COMMON and any(map(str.isalpha, word))
