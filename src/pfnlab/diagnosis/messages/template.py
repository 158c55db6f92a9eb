"""Line templates, parsed and compiled to patterns.

Each template gives two patterns: one for the whole line, and one for an incomplete line.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

from pfnlab.base.errors import Defect
from pfnlab.diagnosis.messages.template_fields import ELIDED, FIELDS

#: The message prefix, which old kernels and many pastes lack.
PAT_PREFIX = "x86/PAT: "
_PAT = r"(?:x86\s?/\s?PAT\s*:\s*)?"
_TOKEN = re.compile(r"\{(\??)([^{}]*)\}")
#: Minimum length of a literal that identifies an incomplete line.
_FEWEST = 8
_ELIDED, _ELIDED_ENDS = re.compile(ELIDED), ".…>?Xx"
_LAST_ERROR = re.compile(r"\s(-\d{1,3})$")
#: Fields that give one or both numbers of a range.
_ENDS_IN_NUMBER = frozenset({"range", "holder_range", "start", "end", "size", "pfn"})


_ENDS_IN_MODE = frozenset({"wanted", "granted", "existing", "differs", "track"})


class Literal(NamedTuple):
    """Literal text in a template: one of *choices*; may be missing if *optional*."""

    choices: tuple[str, ...]
    optional: bool = False


class FieldSlot(NamedTuple):
    """A field in a template, by its name."""

    name: str


Token = Literal | FieldSlot


#: Fields whose text has no definite end.
_OPEN = tuple(map(FieldSlot, ("text", "holder", "device")))


class FieldMatch(NamedTuple):
    """A line that matches a template.

    :param values: field texts by name, without fields that are not in the line
    :param missing: fields that the line should have but lacks
    :param span: the part of the text that matched
    """

    values: dict[str, str]
    missing: tuple[str, ...]
    span: tuple[int, int]


class LineTemplate:
    """A template with its patterns; raises Defect for an unmatched brace or an unknown field."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = tuple(_tokens(text))

    @cached_property
    def whole(self) -> re.Pattern[str]:
        """The pattern for a whole line."""
        body = _pattern(self.tokens, set())
        starts_with_task = self.tokens[:1] == (FieldSlot("comm"),)
        before = rf"(?:^\s*{_PAT}|x86\s?/\s?PAT\s*:\s*)" if starts_with_task else rf"(?<![\w/]){_PAT}"
        return re.compile(before + body + _after(self.tokens[-1]))

    @cached_property
    def key(self) -> tuple[str, ...]:
        """The longest literal: any choice of it identifies an incomplete line; empty if all are short."""
        return self._key[0]

    @property
    def needed(self) -> tuple[tuple[str, ...], ...]:
        """Groups of words: every whole line contains one word from each group."""
        groups: list[tuple[str, ...]] = []
        for token in self.tokens:
            if isinstance(token, FieldSlot) or token.optional:
                continue
            if len(token.choices) == 1:
                groups += [(word,) for word in token.choices[0].split()]
            else:
                longest = [max(choice.split(), key=len, default="") for choice in token.choices]
                groups.append(tuple(longest))
        return tuple(group for group in groups if all(group))

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields whose text is kept, in order."""
        return tuple(one.name for one in self.tokens if isinstance(one, FieldSlot) and FIELDS[one.name].kept)

    def match(self, text: str) -> FieldMatch | None:
        """Return the values in a whole line; None if it does not match this template."""
        found = self.whole.search(text)
        if found is None:
            return None
        given = {
            name: value
            for name, value in found.groupdict().items()
            if value is not None and not _is_elided(value)
        }
        return FieldMatch(given, self._not_in(given), found.span())

    def match_abridged(self, text: str) -> FieldMatch | None:
        """Return the values in an incomplete line; None if it lacks :attr:`key`."""
        if not self.key:
            return None
        at = self._loose_key.search(text)
        if at is None:
            return None
        values: dict[str, str] = {}
        for pattern in self._loose_before:
            # Text before the key must directly precede it.
            found = pattern.search(text, 0, at.start())
            if found is not None:
                values |= found.groupdict()
        place = at.end()
        for pattern, following in self._loose_after:
            # Text after the next piece's words does not belong to this piece.
            limit = following.search(text, place) if following is not None else None
            found = pattern.search(text, place, limit.start() if limit is not None else len(text))
            if found is not None:
                values |= {name: value for name, value in found.groupdict().items() if value is not None}
                place = found.end()
        given = {name: value for name, value in values.items() if value and not _is_elided(value)}
        missing = self._not_in(given)
        # An incomplete line may end with an error from another line.
        error = _LAST_ERROR.search(text, place)
        if error is not None:
            given.setdefault("errno", error[1])
        return FieldMatch(given, missing, (at.start(), place))

    def _not_in(self, given: Mapping[str, str]) -> tuple[str, ...]:
        return tuple([name for name in self._called if name not in given])

    @cached_property
    def _called(self) -> tuple[str, ...]:
        """The fields in :attr:`fields` that an event reports as missing if a line lacks them."""
        return tuple(name for name in self.fields if FIELDS[name].called)

    @cached_property
    def _loose_key(self) -> re.Pattern[str]:
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(_literal, self.key))})(?!\w)")

    @cached_property
    def _key(self) -> tuple[tuple[str, ...], int, int]:
        """The choices for the longest run of literals, and where it begins and ends."""
        best: tuple[int, tuple[tuple[str, ...], int, int]] = (_FEWEST - 1, ((), 0, 0))
        for start, end, choices in _runs(self.tokens):
            cores = tuple(map(_core, choices))
            letters = min(sum(map(str.isalpha, core)) for core in cores)
            if letters > best[0] and all(" " in core for core in cores):
                best = (letters, (cores, start, end))
        return best[1]

    @cached_property
    def _loose_before(self) -> list[re.Pattern[str]]:
        """Patterns for the text before the key, up to where it begins."""
        before = self.tokens[: self._key[1]]
        if not any(isinstance(token, FieldSlot) and FIELDS[token.name].kept for token in before):
            return []
        head = (
            rf"(?:^\s*{_PAT}|x86\s?/\s?PAT\s*:\s*)" if before[0] == FieldSlot("comm") else rf"(?<!\w){_PAT}"
        )
        return [re.compile(head + _pattern(before, set()) + r"\s*$")]

    @cached_property
    def _loose_after(self) -> list[tuple[re.Pattern[str], re.Pattern[str] | None]]:
        """Patterns for the pieces after the key, any of which may be missing, and their first words."""
        taken: set[str] = set()
        pieces = [
            piece
            for piece in _pieces(self.tokens[self._key[2] :])
            if any(isinstance(token, FieldSlot) and FIELDS[token.name].kept for token in piece)
        ]
        found: list[tuple[re.Pattern[str], re.Pattern[str] | None]] = []
        for at, piece in enumerate(pieces):
            end = r"(?=\s*(?:[\[(,]|$))" if piece[-1] in _OPEN else ""
            following = next(
                (
                    re.compile(_literal(first.choices[0].strip()))
                    for later in pieces[at + 1 :]
                    for first in later[:1]
                    if isinstance(first, Literal) and re.search(r"[A-Za-z]{2}", first.choices[0])
                ),
                None,
            )
            found.append((re.compile(_pattern(piece, taken) + end), following))
        return found


def _is_elided(value: str) -> bool:
    # Nearly all values end differently.
    return value[-1:] in _ELIDED_ENDS and _ELIDED.fullmatch(value) is not None


def _tokens(text: str) -> Iterator[Token]:
    place = 0
    text = text.removeprefix(PAT_PREFIX)
    for found in _TOKEN.finditer(text):
        if found.start() > place:
            yield Literal((text[place : found.start()],))
        optional, inner = found.groups()
        place = found.end()
        if optional or "|" in inner:
            yield Literal(tuple(inner.split("|")), bool(optional))
        elif inner in FIELDS:
            yield FieldSlot(inner)
        else:
            raise Defect(f"template {text!r}: there is no field {inner!r}")
    rest = text[place:]
    if "{" in rest or "}" in rest:
        raise Defect(f"template {text!r}: a brace is alone")
    if rest:
        yield Literal((rest,))


def _runs(tokens: tuple[Token, ...]) -> Iterator[tuple[int, int, list[str]]]:
    """Yield the runs of required literals: where they begin and end, and all their texts."""
    start, texts = 0, [""]
    for at, token in enumerate((*tokens, FieldSlot("text"))):
        if isinstance(token, FieldSlot) or token.optional:
            if at > start:
                yield start, at, texts
            start, texts = at + 1, [""]
        else:
            texts = [text + choice for text in texts for choice in token.choices]


def _core(text: str) -> str:
    """Return a literal without the bracket at its end, which an incomplete line lacks."""
    return re.sub(r"[\s,]*(?:[\[(]\s*(?:mem|io)?)?\s*$", "", text).strip()


def _literal(text: str) -> str:
    """Return a literal as a pattern: blanks match any white space, and a line may break after a hyphen."""
    parts = [re.escape(part) for part in re.split(r"\s+", text)]
    joined = r"\s+".join(parts)
    joined = re.sub(r"(?:\\s\+)?<->(?:\\s\+)?", r"\\s*<->\\s*", joined.replace(r"\-", "-"))
    # It does not matter if the paste has added or lost a blank next to a bracket.
    return re.sub(r"(\\\]|\\\[|\\\(|\\\)|,|:|=)\\s\+", r"\1\\s*", joined)


def _pattern(tokens: tuple[Token, ...], taken: set[str]) -> str:
    """Return tokens as a pattern. Fields in *taken* get no group; fields that get one are added to it."""
    parts = []
    for token in tokens:
        if isinstance(token, Literal):
            choices = "|".join(map(_literal, token.choices))
            one = choices if len(token.choices) == 1 and not token.optional else f"(?:{choices})"
            parts.append(one + ("?" if token.optional else ""))
        elif FIELDS[token.name].kept and token.name not in taken:
            taken.add(token.name)
            parts.append(f"(?P<{token.name}>{FIELDS[token.name].pattern})")
        else:
            parts.append(FIELDS[token.name].pattern)
    return "".join(parts)


def _after(last: Token) -> str:
    """Return the pattern for text after the end of a template."""
    if isinstance(last, Literal):
        # A line that continues has a different wording.
        return r"(?!,)"
    if last.name in ("text", "holder"):
        return r"\s*$"
    if last.name in _ENDS_IN_MODE:
        return r"(?![\w-])"
    return r"(?![\w-]*[\w])" if last.name in _ENDS_IN_NUMBER else r"(?!\w)"


def _pieces(tokens: tuple[Token, ...]) -> Iterator[tuple[Token, ...]]:
    """Yield tokens after a key in pieces that begin with the last word before a field, bracket included."""
    piece: list[Token] = []
    for token in tokens:
        if isinstance(token, FieldSlot):
            piece.append(token)
            continue
        text = token.choices[0]
        has_word = re.search(r"[A-Za-z]", text)
        if token.optional or len(token.choices) > 1:
            piece.append(token)
            continue
        if not has_word and text.strip():
            closing = text.strip()[:1] in ("]", ")", ".")
            piece.append(Literal((text.strip()[:1] if closing else text,)))
            if closing:
                yield tuple(piece)
                piece = []
            continue
        if any(isinstance(one, FieldSlot) for one in piece):
            yield (*piece, *((Literal((text[0],)),) if text[:1] in "],)" else ()))
        words = text.split()
        piece = [Literal((f"{words[-1]} " if text[-1:].isspace() else words[-1],))] if words else []
    if piece:
        yield tuple(piece)
