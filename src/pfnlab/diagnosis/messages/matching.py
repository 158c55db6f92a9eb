"""Find the family of a text: try all templates at once, by the words a text needs for any of them."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import cache
from itertools import chain
from typing import TypeVar

import msgspec

from pfnlab.diagnosis.messages.family_files import Family, Wording, families
from pfnlab.diagnosis.messages.seeds import WordShape, WordShapes, choices, chosen, may_touch_a_number
from pfnlab.diagnosis.messages.template import FieldMatch, LineTemplate
from pfnlab.diagnosis.messages.template_fields import is_plausible

Key = TypeVar("Key")
Value = TypeVar("Value")
#: Maximum number of texts with a cached answer (each is queried several times in a row), and of shapes (a log
#: has few); and the longest text whose shape is cached.
_MOST_RECENT, _MOST_SHAPES, _LONGEST_SHAPE = 64, 1 << 13, 1 << 9


class Match(msgspec.Struct, frozen=True):
    """A text that matches a family.

    :param missing: fields that a whole line has but this text lacks
    :param whole: whether the text has all of the template's words
    :param reach: number of characters in the text that the template covers
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
    # From both, those without a word that may be a number.
    needed_words: tuple[tuple[str, ...], ...]
    telling_words: tuple[tuple[str, ...], ...]


class _Likely(msgspec.Struct):
    """The entries that may match a text, judging by its words alone.

    All texts with the same shape share these entries, so words that may be numbers are ignored.

    :param entries: the entries with a seed in the text
    :param whole: the entries whose words are all in the text
    :param telling: whether the text has all the distinctive words of any entry
    :ivar last: the position in *whole* of the entry that matched the last such text; initially -1
    """

    entries: tuple[_Entry, ...]
    whole: tuple[_Entry, ...]
    telling: bool
    last: int = -1


_BLANKS = re.compile(r"(?:\s|&nbsp;)+")


class Matcher:
    """Matches all wordings of some families; raises Defect for a wrong template."""

    def __init__(self, known: Iterable[Family]) -> None:
        self._entries = [
            _Entry(family, wording, template, needed, telling, _plain(needed), _plain(telling))
            for family in known
            for wording in family.wording
            for template in [LineTemplate(wording.text)]
            for needed, telling in [(template.needed, _telling(template))]
        ]
        wanted = [
            (choices(entry.template, entry.wording.seeds), 2 if "{range}" in entry.wording.text else 1)
            for entry in self._entries
        ]
        self.seeds = chosen(wanted)
        self._by_seed: dict[str, list[int]] = defaultdict(list)
        self._likely: dict[str, _Likely] = {}
        self._of_shape: dict[WordShape, _Likely] = {}
        self._whole: dict[str, Match | None] = {}
        self._shapes = WordShapes(self.seeds)
        for at, (some, _) in enumerate(wanted):
            # No seed contains a line end.
            texts = "\n".join({text for choice in some for text in choice})
            for seed in self.seeds:
                if seed in texts:
                    self._by_seed[seed].append(at)

    def interests(self, text: str) -> bool:
        """True if *text* has a word that some template needs."""
        return bool(self._by_words(text).entries)

    def may_match(self, text: str, beside: Callable[[], str]) -> bool:
        """True if a line may belong to a family, judging by its words and, with *beside*, its neighbours'."""
        if self._by_words(text).telling:
            return True
        around = beside()
        # A search text may be broken between the lines.
        return any(_has_telling(entry.telling, around) for entry in self._by_words(around).entries)

    def whole(self, text: str) -> Match | None:
        """Return the best match for a whole line: the template that covers the most text."""
        if text not in self._whole:
            _keep(self._whole, text, self._best(text), _MOST_RECENT)
        return self._whole[text]

    def _best(self, text: str) -> Match | None:
        likely = self._by_words(text)
        best: Match | None = None
        # The entry for the last text with these words nearly always matches this text too.
        tried = likely.last
        for at in chain((tried,), range(len(likely.whole))) if tried >= 0 else range(len(likely.whole)):
            entry, first = likely.whole[at], at < likely.last
            if best is not None and (at == tried or not _may_be_better(entry, best, len(text), first)):
                continue
            found = entry.template.match(text)
            if found is None or not _has_needed(entry.needed, text):
                continue
            if best is None or _is_better(found, best, first):
                best = _match(entry, found, True)
                likely.last = at
        return best

    @property
    def words(self) -> frozenset[str]:
        """All words in the templates, and the seeds."""
        return frozenset(
            chain(self.seeds, *(chain(*entry.needed, *entry.telling) for entry in self._entries))
        )

    def is_possible(self, text: str) -> bool:
        """True if a line, whole or incomplete, would match a template if its values were plausible."""
        if self.whole(text) is not None:
            return True
        return any(
            entry.wording.abridged and entry.template.match_abridged(text) is not None
            for entry in self._by_words(text).entries
        )

    def row(self, family: Family, text: str) -> Match | None:
        """Match a table row next to other rows, whatever its words; return None if it is not a row."""
        for entry in self._entries:
            if entry.family is family and entry.wording.every_row:
                found = entry.template.match(text)
                if found is not None and found.span == (0, len(text)):
                    return _match(entry, found, True)
        return None

    def abridged(self, text: str) -> Match | None:
        """Return the best match for an incomplete line, by its longest literal."""
        best: tuple[int, int, int, Match] | None = None
        for entry in self._by_words(text).entries:
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

    def _by_words(self, text: str) -> _Likely:
        likely = self._likely.get(text)
        if likely is None:
            shape = self._shapes.of(text)
            likely = self._of_shape.get(shape)
            if likely is None:
                likely = self._looked_up(text)
                if len(text) <= _LONGEST_SHAPE:
                    _keep(self._of_shape, shape, likely, _MOST_SHAPES)
            _keep(self._likely, text, likely, _MOST_RECENT)
        return likely

    def _looked_up(self, text: str) -> _Likely:
        # A seed may have several words.
        single = _BLANKS.sub(" ", text)
        seen = {at for seed in self.seeds if seed in single for at in self._by_seed[seed]}
        entries = tuple(self._entries[at] for at in sorted(seen))
        whole = tuple(entry for entry in entries if _has_needed(entry.needed_words, text))
        telling = any(_has_telling(entry.telling_words, text) for entry in entries)
        return _Likely(entries, whole, telling)


@cache
def matcher() -> Matcher:
    """Return the matcher for all families pfnlab knows."""
    return Matcher(families())


def _keep(known: dict[Key, Value], key: Key, value: Value, most: int) -> None:
    """Cache one more value; if there are too many, drop all the others."""
    if len(known) >= most:
        known.clear()
    known[key] = value


def _has_needed(groups: tuple[tuple[str, ...], ...], text: str) -> bool:
    for group in groups:
        for word in group:
            if word in text:
                break
        else:
            return False
    return True


def _has_telling(choices: tuple[tuple[str, ...], ...], text: str) -> bool:
    return any(all(map(text.__contains__, words)) for words in choices)


def _match(entry: _Entry, found: FieldMatch, whole: bool) -> Match:
    values = {**entry.wording.implies, **found.values} if entry.wording.implies else found.values
    return Match(entry.family, entry.wording, values, found.missing, whole, found.span)


def _may_be_better(entry: _Entry, best: Match, length: int, first: bool) -> bool:
    """False if no match for the entry could cover more than *best*, or as much if it is *first*."""
    return best.reach[1] - best.reach[0] < length or len(entry.template.fields) + first > _said(best)


def _is_better(found: FieldMatch, best: Match, first: bool) -> bool:
    length = found.span[1] - found.span[0]
    said = len(found.values) - len(found.missing) + first
    return (length, said) > (best.reach[1] - best.reach[0], _said(best))


def _said(best: Match) -> int:
    return len(best.values) - len(best.missing)


def _present(entry: _Entry, text: str) -> int:
    """Return how many characters the needed words in a text have, minus those of the missing words."""
    found = 0
    for group in entry.needed:
        here = [len(word) for word in group if word in text]
        found += max(here) if here else -min(map(len, group))
    return found


def _plain(groups: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    return tuple(group for group in groups if not any(map(may_touch_a_number, group)))


def _telling(template: LineTemplate) -> tuple[tuple[str, ...], ...]:
    """Return the words in each choice of the longest literal, without punctuation; a line has all of one."""
    if template.key:
        return tuple(tuple(re.findall(r"\w+", key)) for key in template.key)
    single = [group[0] for group in template.needed if len(group) == 1]
    return (tuple(word for text in single for word in re.findall(r"\w{3,}", text)),)
