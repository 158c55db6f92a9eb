"""A line's relation to messages, decided once for all lines that differ only in their numbers.

In a long log, most lines with a word from some message belong to no message. The shape of a line, its text
with all digits zeroed, decides if nothing else can matter: the line and the next both begin with a timestamp,
so no message continues across them, and there is no markup.
"""

import re
from collections.abc import Iterator, Sequence
from enum import Enum
from functools import partial

from pfnlab.diagnosis.messages.matching import Matcher
from pfnlab.diagnosis.messages.paste import clean, is_sound, pieces
from pfnlab.diagnosis.messages.scan import ZEROED

#: A raw line that begins with a timestamp.
STAMPED = re.compile(rb"\[ {0,8}[0-9]{1,7}\.[0-9]{6}\] ")
_NUMBER = re.compile("(?<=0x)[0-9a-f]+|[0-9]")
_HEX = re.compile(rb"(?<=0X)[0-9a-f]*[a-f][0-9a-f]*")
_DIGITS = "0123456789"
#: The longest line whose shape is kept; the maximum number of shapes; and how often a shape must be seen
#: before it is decided, because that costs as much as reading a dozen lines.
_LONGEST, _MOST, _OFTEN = 512, 1 << 14, 12


def _zeroed(text: bytes) -> bytes:
    """Zero the digits; a hexadecimal prefix stays different from another digit before an x."""
    return text.replace(b"0x", b"0X").translate(ZEROED)


class Relation(Enum):
    """A line's relation to messages."""

    NONE = "of none"
    OUTCOME = "of none, and matters to an event that waits for it"
    FACT = "of none, and states a fact"
    ANY = "may be of one"


class LineRelations:
    """Each line shape's relation to messages.

    :param facts: texts found in lines that state a fact
    :param outcomes: texts found in lines that matter if an event is waiting for them
    """

    def __init__(self, known: Matcher, facts: Sequence[str], outcomes: Sequence[str]) -> None:
        self._known = known
        self._facts = re.compile("|".join(map(re.escape, facts)))
        self._outcomes = re.compile("|".join(map(re.escape, outcomes)))
        with_digits = {word for word in (*known.words, *facts, *outcomes) if any(map(str.isdigit, word))}
        words = sorted(with_digits, key=len, reverse=True)
        self._words = [(word, word.encode(), _zeroed(word.encode())) for word in words]
        self._with_words: dict[bytes, tuple[bytes, ...]] = {}
        #: The relation of a shape and its words with digits, or how often it was seen.
        self._relations: dict[tuple[bytes, ...], Relation | int] = {}

    def relation(self, line: bytes, following: bytes) -> Relation:
        """Return a raw line's relation, given the next line; ANY if it depends on more than the shape."""
        stamp = STAMPED.match(line)
        if stamp is None or len(line) > _LONGEST or STAMPED.match(following) is None:
            return Relation.ANY
        message = line[stamp.end() :]
        shape = _zeroed(message)
        if b"0X" in shape:
            shape = _HEX.sub(lambda found: b"0" * len(found[0]), shape)
        words = self._with_words.get(shape)
        if words is None:
            if len(self._with_words) >= _MOST:
                self._with_words.clear()
                self._relations.clear()
            words = tuple(word for _, word, zeroed in self._words if zeroed in shape)
            self._with_words[shape] = words
        key = (shape, *(word for word in words if word in message)) if words else (shape,)
        seen = self._relations.get(key, 0)
        if isinstance(seen, Relation):
            return seen
        relation = self._decided(line) if seen == _OFTEN else Relation.ANY
        self._relations[key] = relation if seen == _OFTEN else seen + 1
        return relation

    def _decided(self, raw: bytes) -> Relation:
        line = raw.decode("utf-8", "replace")
        if not is_sound(line) or any(map(self._may_be_of_a_message, self._variants(line))):
            return Relation.ANY
        if self._facts.search(line):
            return Relation.FACT
        return Relation.OUTCOME if self._outcomes.search(line) else Relation.NONE

    def _may_be_of_a_message(self, line: str) -> bool:
        found = pieces(clean(line), self._known.interests)
        return any(self._known.is_possible(piece.text) for piece in found)

    def _variants(self, line: str) -> Iterator[str]:
        """Yield the line with other numbers: a field may accept only some, and a word may be among them."""
        yield line
        kept = "|".join(re.escape(word) for word, _, _ in self._words if word in line)
        parts = re.split(f"({kept})", line) if kept else [line]
        for digit in _DIGITS:
            others = partial(_NUMBER.sub, lambda found, digit=digit: digit * len(found[0]))
            yield others(line)
            if kept:
                yield "".join(part if at % 2 else others(part) for at, part in enumerate(parts))
