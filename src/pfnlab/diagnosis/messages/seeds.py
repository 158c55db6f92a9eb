"""Choose the few texts to search a log for: every matching line contains one of them.

Each text costs a pass over the log, and each line that contains one costs much more. So there are few of
them, and they are rare in logs.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from heapq import heapify, heappop, heappush
from itertools import pairwise
from pathlib import Path

from pfnlab.diagnosis.messages.template import LineTemplate, Literal

#: Addresses, pids and timestamps, as separate words.
_NUMBER = re.compile(r"\b(?:0x[0-9a-f]+|[0-9]+)\b")
#: Part of one of these.
_DIGITS = re.compile(r"[0-9a-fx]+")
#: A key shared by texts with the same words.
WordShape = tuple[str, ...]


class WordShapes:
    """Text shapes: texts with one shape share some words, and so everything that depends on these alone."""

    def __init__(self, words: Iterable[str]) -> None:
        # These are searched for in the raw text.
        self._in_numbers = tuple(sorted({word for word in words if may_touch_a_number(word)}))

    def of(self, text: str) -> WordShape:
        """Return the shape of a text."""
        found = [word for word in self._in_numbers if word in text]
        return (_NUMBER.sub("0", text), *found)


def may_touch_a_number(word: str) -> bool:
    """True if a word may overlap a number, so that texts with the same shape need not have it."""
    return any(map(_DIGITS.fullmatch, re.findall(r"\w+", word)))


#: A line contains at least one of these texts.
Choice = tuple[str, ...]
#: Words that occur in many other log lines.
_COMMON = frozenset(Path(__file__).with_name("common_words.txt").read_text(encoding="utf-8").split())
#: The cost of one more text, as the number of templates it must find.
_RARE, _PLAIN, _PHRASE, _EVERYWHERE = 1.0, 2.0, 4.0, 60.0
_SHORT_AND_RARE = frozenset({"pfn", "vma"})
#: The shortest word to search for.
_SHORTEST = 3


def choices(template: LineTemplate, given: Sequence[str]) -> list[Choice]:
    """Return sets of texts that each find all lines of a template; use only *given*, if not empty."""
    if given:
        return [tuple(given)]
    found: list[Choice] = []
    tokens = template.tokens
    for at, token in enumerate(tokens):
        if not isinstance(token, Literal) or token.optional:
            continue
        # A word that continues beyond the literal is incomplete.
        per_choice = [
            _texts(_without_parts(choice, at > 0, at + 1 < len(tokens))) or _texts(choice)
            for choice in token.choices
        ]
        if len(per_choice) == 1:
            found += [(text,) for text in per_choice[0]]
        elif all(per_choice):
            found.append(tuple(min(texts, key=_cost) for texts in per_choice))
    telling = [choice for choice in found if all(_cost(text) < _EVERYWHERE for text in choice)]
    return telling or found


def chosen(wanted: Sequence[tuple[list[Choice], int]]) -> tuple[str, ...]:
    """Return the texts to search for: for each template, the requested number of choices, or all it has."""
    owners: dict[Choice, list[int]] = defaultdict(list)
    for at, (some, _) in enumerate(wanted):
        for choice in dict.fromkeys(some):
            owners[choice].append(at)
    left = [min(count, len(set(some))) for some, count in wanted]
    taken: dict[str, None] = {}

    def worth(choice: Choice) -> float:
        cost = sum(_cost(text) for text in choice if text not in taken)
        return sum(left[at] > 0 for at in owners[choice]) / (cost or 0.1)

    queue = [(-worth(choice), choice) for choice in owners]
    heapify(queue)
    while queue:
        before, choice = heappop(queue)
        now = -worth(choice)
        if now > before:
            # Others have taken its templates; without any, it is not needed.
            if now:
                heappush(queue, (now, choice))
            continue
        # A text that contains a search text is found by that one.
        if not all(any(_is_in(seed, text) for seed in taken) for text in choice):
            taken.update(dict.fromkeys(choice))
        for at in owners[choice]:
            left[at] -= 1
    return tuple(seed for seed in taken if not any(seed != other and _is_in(other, seed) for other in taken))


def _is_in(part: str, text: str) -> bool:
    """True if *part* occurs in *text* as separate words."""
    return part in text and set(_words(part)) <= set(_words(text))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text)


def _without_parts(literal: str, before: bool, after: bool) -> str:
    if before:
        literal = re.sub(r"^\w+", "", literal)
    return re.sub(r"\w+$", "", literal) if after else literal


def _texts(literal: str) -> list[str]:
    """Return the words in a literal, and pairs of words that are common individually."""
    words = literal.split()
    found = [word for word in words if len(word) >= _SHORTEST and any(map(str.isalpha, word))]
    pairs = [f"{first} {second}" for first, second in pairwise(words)]
    found += [pair for pair in pairs if all(_cost(word) > _RARE for word in pair.split())]
    return [text for text in found if _cost(text) < _EVERYWHERE] or found


@cache
def _cost(text: str) -> float:
    if " " in text.strip():
        # A symbol followed by a short word occurs everywhere.
        return _PHRASE if sum(map(str.isalpha, text)) > 2 * _SHORTEST else _PHRASE * 2
    plain = text.strip(".,;()").lower()
    if plain in _SHORT_AND_RARE:
        return _RARE
    if plain in _COMMON or len(text) <= _SHORTEST:
        return _EVERYWHERE
    return _PLAIN if plain.isalpha() and text.islower() and len(text) < 9 else _RARE
