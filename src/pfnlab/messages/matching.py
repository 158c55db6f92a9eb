"""Which family a text is of: all templates at once, and the words that a text needs for any of them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from functools import cache

import msgspec

from pfnlab.messages.family import Family, Wording
from pfnlab.messages.family_files import families
from pfnlab.messages.seeds import choices, chosen
from pfnlab.messages.template import FieldMatch, LineTemplate
from pfnlab.messages.values import is_plausible

#: The most texts of which it is remembered what they may be: each is asked about several times in a row.
_MOST_RECENT = 64


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
    telling: tuple[tuple[str, ...], ...]


class Matcher:
    """All wordings of some families.

    :param known: the families
    :raises Defect: a template is wrong
    """

    def __init__(self, known: Iterable[Family]) -> None:
        self._entries = [
            _Entry(family, wording, template, template.needed, _telling(template))
            for family in known
            for wording in family.wording
            for template in [LineTemplate(wording.text)]
        ]
        wanted = [
            (choices(entry.template, entry.wording.seeds), 2 if "{range}" in entry.wording.text else 1)
            for entry in self._entries
        ]
        self.seeds = chosen(wanted)
        self._by_seed: dict[str, list[int]] = defaultdict(list)
        self._recent: dict[str, list[_Entry]] = {}
        for at, (some, _) in enumerate(wanted):
            # No seed has the end of a line in it.
            texts = "\n".join({text for choice in some for text in choice})
            for seed in self.seeds:
                if seed in texts:
                    self._by_seed[seed].append(at)

    @property
    def wordings(self) -> list[tuple[Family, Wording]]:
        """All families with each of their wordings."""
        return [(entry.family, entry.wording) for entry in self._entries]

    def interests(self, text: str) -> bool:
        """True where *text* has a word that some template needs."""
        return bool(self._candidates(text))

    def may_match(self, text: str, around: str) -> bool:
        """True where a line with a word of interest may be of a family, by words alone.

        :param text: the line as it was pasted
        :param around: the same with the lines beside it
        """
        for entry in self._candidates(text):
            if any(all(map(around.__contains__, words)) for words in entry.telling):
                return True
        return False

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
        best: tuple[int, int, int, Match] | None = None
        for entry in self._candidates(text):
            if not entry.wording.abridged or not entry.template.key:
                continue
            found = entry.template.match_abridged(text)
            if found is None or not is_plausible(found.values, entry.wording):
                continue
            letters = max(map(len, entry.template.key))
            rank = (letters, _present(entry, text), len(found.values))
            if best is None or rank > best[:3]:
                best = (*rank, _match(entry, found, False))
        return best[3] if best else None

    def _candidates(self, text: str) -> list[_Entry]:
        if text not in self._recent:
            if len(self._recent) >= _MOST_RECENT:
                self._recent.clear()
            seen = {at for seed in self.seeds if seed in text for at in self._by_seed[seed]}
            self._recent[text] = [self._entries[at] for at in sorted(seen)]
        return self._recent[text]


@cache
def matcher() -> Matcher:
    """The matcher of all families that pfnlab knows."""
    return Matcher(families())


def _match(entry: _Entry, found: FieldMatch, whole: bool) -> Match:
    return Match(entry.family, entry.wording, found.values, found.missing, whole, found.span)


def _is_better(found: FieldMatch, best: Match | None) -> bool:
    if best is None:
        return True
    length = found.span[1] - found.span[0]
    said = len(best.values) - len(best.missing)
    return (length, len(found.values) - len(found.missing)) > (best.reach[1] - best.reach[0], said)


def _present(entry: _Entry, text: str) -> int:
    """Letters of needed words that are in a text, less those that are not."""
    found = 0
    for group in entry.needed:
        here = [len(word) for word in group if word in text]
        found += max(here) if here else -min(map(len, group))
    return found


def _telling(template: LineTemplate) -> tuple[tuple[str, ...], ...]:
    """Words without signs of the longest literal, of each choice; one choice of them is in every line."""
    if template.key:
        return tuple(tuple(re.findall(r"\w+", key)) for key in template.key)
    single = [group[0] for group in template.needed if len(group) == 1]
    return (tuple(word for text in single for word in re.findall(r"\w{3,}", text)),)
