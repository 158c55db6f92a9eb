"""Read a log of any length in blocks: the few possible messages, with the lines around them.

Memory use does not grow with the log: only one block is kept, or the beginning of an endless line.
"""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from pfnlab.diagnosis.messages.paste import MOST_LINE, without_colours

#: Block size in bytes.
BLOCK = 1 << 20
#: How many lines a message may continue in, and how many to repeat in the next block as context: one more.
_AHEAD = 3
_AGAIN = _AHEAD + 1
#: Total bytes of lines whose answer is cached; beyond that the cache is dropped and rebuilt.
_MOST_KNOWN = 8 << 20
_BLANK = ord(" ")
_OTHER_BLANKS = (b"\t", "\xa0".encode(), b"&nbsp;")
#: Characters around a line in a mail; and the start of any line.
MARGIN, _ANY = b" \t\r>|", (b"",)
#: Translates every digit to zero.
ZEROED = bytes.maketrans(b"123456789", b"000000000")


class LogBlock(msgspec.Struct, frozen=True):
    """Consecutive lines, some of which contain a search word.

    :param first: the number of the first line, from 1
    :param begin: lines before this position were in an earlier block and are only context
    :param end: lines from this position on recur in the next block and are only context here
    """

    first: int
    lines: Sequence[bytes]
    begin: int
    end: int
    hits: Sequence[int]


class LogScan:
    """The blocks in a log that are worth examining; *read* counts the lines so far."""

    def __init__(self, stream: Iterable[bytes | str], words: Sequence[str]) -> None:
        self._stream = stream
        zeroed = [word.encode().translate(ZEROED) for word in words]
        # Columns: the blanks between them tell a row from a line that has the word.
        self._columns = _sought(word for word in zeroed if b"  " in word)
        plain = [word for word in zeroed if b"  " not in word]
        self._plain = _sought(plain)
        # A mailer may break a text at any blank in it, into the end of a line and the start of the next.
        blanks = [(word, at) for word in plain for at, byte in enumerate(word) if byte == _BLANK]
        self._broken = [(word[:at], word[at + 1 :]) for word, at in blanks if at]
        self._ends = tuple(end for end, _ in self._broken)
        self._starts = tuple(word[1:] for word, at in blanks if not at)
        #: For a line with a text, the starts of the next line that complete it; any if it is whole.
        self._known: dict[bytes, tuple[bytes, ...]] = {}
        self._size = 0
        self.read = 0

    def blocks(self) -> Iterator[LogBlock]:
        """Yield each block with a hit, in order; the others are only counted."""
        held, kept = b"", 0
        parts = _by_lines(self._stream)
        part = next(parts, None)
        while part is not None:
            following = next(parts, None)
            last = following is None
            block = held + without_colours(part)
            ends = block.count(b"\n") + (not block.endswith(b"\n") and bool(block))
            hits = self._hits(block)
            first = self.read - kept + 1
            self.read += ends - kept
            carried = b"" if last else _last_lines(block)
            if hits:
                lines = block.removesuffix(b"\n").split(b"\n")
                left = 0 if last else min(_AHEAD, len(lines))
                yield LogBlock(first, lines, max(0, kept - _AHEAD), len(lines) - left, hits)
            held, kept = carried, carried.count(b"\n")
            part = following

    def _hits(self, block: bytes) -> list[int]:
        """Return the positions of lines in which one of the words starts, perhaps with other digits in it.

        Logs repeat lines with different numbers, so the answer is cached for the line with all digits zeroed.
        """
        shapes = block.translate(ZEROED).split(b"\n")
        if self._size > _MOST_KNOWN:
            self._known.clear()
            self._size = 0
        new = set(shapes).difference(self._known)
        if new:
            self._learn(list(new))
        known, shapes = self._known, [*shapes, b""]
        return [
            at
            for at, shape in enumerate(shapes[:-1])
            if (rests := known[shape]) and shapes[at + 1].lstrip(MARGIN).startswith(rests)
        ]

    def _learn(self, shapes: list[bytes]) -> None:
        """Search lines with new shapes for the words."""
        self._size += sum(map(len, shapes))
        raw = b"\n".join(shapes)
        text = _single_blanks(raw)
        self._known.update((shape, self._rests(shape.strip(MARGIN))) for shape in shapes)
        for among, words in ((text, self._plain), (raw, self._columns)):
            self._known.update((shapes[at], _ANY) for at in _found(among, words))

    def _rests(self, line: bytes) -> tuple[bytes, ...]:
        """Return the starts of the next line that complete a text broken after, or before, this line."""
        if line.startswith(self._starts):
            return _ANY
        if not line.endswith(self._ends):
            return ()
        return tuple(rest for end, rest in self._broken if line.endswith(end))


def _single_blanks(text: bytes) -> bytes:
    """Replace each run of blanks by one plain blank: a search text may have several words."""
    for other in _OTHER_BLANKS:
        text = text.replace(other, b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


def _sought(words: Iterable[bytes]) -> list[tuple[bytes, frozenset[bytes]]]:
    return [(word, frozenset(_whole_tokens(word))) for word in dict.fromkeys(words)]


def _found(text: bytes, words: Sequence[tuple[bytes, frozenset[bytes]]]) -> list[int]:
    """Return the positions of lines that contain one of the words."""
    places = list(range(text.count(b"\n") + 1))
    offsets, found = set[int](), list[int]()
    tokens = set(_tokens(text))
    for word, parts in words:
        # A pass for each text would dominate the run time, although a block has hardly any of them.
        if not parts <= tokens:
            continue
        at = text.find(word)
        while at >= 0:
            offsets.add(text.rfind(b"\n", 0, at) + 1)
            end = text.find(b"\n", at)
            at = text.find(word, end) if end >= 0 else -1
        if 2 * len(offsets) > len(places):
            # If most lines have one of the words, do not search lines that have one for others.
            hits = set(_numbers(text, offsets))
            found += [places[hit] for hit in hits]
            lines = [line for at, line in enumerate(text.split(b"\n")) if at not in hits]
            places = [place for at, place in enumerate(places) if at not in hits]
            text, offsets = b"\n".join(lines), set()
    return sorted((*found, *(places[at] for at in _numbers(text, offsets))))


def _numbers(text: bytes, offsets: set[int]) -> Iterator[int]:
    """Yield the numbers (from 0) of the lines that begin at these offsets, in order."""
    line, place = 0, 0
    for offset in sorted(offsets):
        line += text.count(b"\n", place, offset)
        place = offset
        yield line


#: Everything except letters, digits and ``_`` counts as a blank, so that adjacent markup hides no word.
_BLANKS = bytes(byte if (chr(byte).isalnum() and byte < 128) or byte == 0x5F else 0x20 for byte in range(256))


def _tokens(text: bytes) -> list[bytes]:
    return text.translate(_BLANKS).split()


def _whole_tokens(text: bytes) -> list[bytes]:
    """Return the tokens in a search text; a token that begins or ends with ``_`` is part of a longer one."""
    return [token for token in _tokens(text) if not token.startswith(b"_") and not token.endswith(b"_")]


def _last_lines(block: bytes) -> bytes:
    place = len(block) - 1
    for _ in range(_AGAIN):
        place = block.rfind(b"\n", 0, place)
        if place < 0:
            return block
    return block[place + 1 :]


def _by_lines(stream: Iterable[bytes | str]) -> Iterator[bytes]:
    """Yield the stream in blocks of whole lines; of an endless line, only the beginning."""
    held = bytearray()
    skipping = False
    for part in stream:
        piece = part.encode("utf-8", "replace") if isinstance(part, str) else part
        for start in range(0, len(piece), BLOCK):
            held += piece[start : start + BLOCK]
            if skipping:
                end = held.find(b"\n")
                if end < 0:
                    held.clear()
                    continue
                del held[: end + 1]
                skipping = False
            if len(held) < BLOCK:
                continue
            end = held.rfind(b"\n")
            if end < 0:
                yield bytes(held[:MOST_LINE]) + b"\n"
                held.clear()
                skipping = True
            else:
                yield bytes(held[: end + 1])
                del held[: end + 1]
    if held:
        yield bytes(held)
