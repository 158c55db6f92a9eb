"""Match the lines in a block, piece by piece, or joined with neighbours where a mailer broke a line."""

import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise, product

import msgspec

from pfnlab.diagnosis.messages.family_files import Family, FamilyKind
from pfnlab.diagnosis.messages.line_relations import STAMPED, LineRelations, Relation
from pfnlab.diagnosis.messages.matching import Match, Matcher
from pfnlab.diagnosis.messages.paste import MOST_LINE, CleanLine, LogPiece, clean, pieces
from pfnlab.diagnosis.messages.scan import MARGIN, LogBlock
from pfnlab.diagnosis.messages.template_fields import FIELDS, is_plausible

#: How many lines after a piece it may continue in, and how many before.
_AFTER, _BEFORE = 3, 1
#: Maximum number of table rows before the first row with one of the table's words.
_MOST_ROWS = 64
#: The shortest line that a mailer or terminal breaks.
_SHORTEST_BROKEN = 40
_CUT = "A line break stands inside a value, which may be cut."


class PlacedPiece(msgspec.Struct, frozen=True):
    """A piece with its position, the number of its last line, and the text of all its lines."""

    line: int
    piece: LogPiece
    match: Match | None
    last: int
    text: str
    doubts: tuple[str, ...] = ()


class _Slot(msgspec.Struct):
    """A piece in a block; an earlier piece may have consumed it."""

    line: int
    place: int
    piece: LogPiece
    glued: bool
    taken: bool = False


class Joiner:
    """Finds messages in blocks, and lines of no family that state a fact.

    :param facts: texts found in such lines
    :param outcomes: texts found in lines that matter if an event is waiting for them
    """

    def __init__(self, known: Matcher, facts: Sequence[str], outcomes: Sequence[str] = ()) -> None:
        self._known = known
        self._also = re.compile("|".join(map(re.escape, (*facts, *outcomes))))
        self._known_lines = LineRelations(known, facts, outcomes)
        self._block = LogBlock(0, (), 0, 0, ())
        self._cache: dict[int, list[_Slot]] = {}

    def found(self, block: LogBlock, is_awaited: Callable[[], bool] = lambda: True) -> Iterator[PlacedPiece]:
        """Yield the pieces in a block that are messages or state a fact, in order.

        :param is_awaited: whether an event is still waiting for an outcome
        """
        self._block, self._cache = block, {}
        hits = {hit for hit in block.hits if block.begin <= hit < block.end}
        queue, done = deque(sorted(hits)), set[int]()
        while queue:
            at = queue.popleft()
            if at in done or at >= block.end:
                continue
            done.add(at)
            relation = self._relation(at, is_awaited) if at in hits else Relation.ANY
            if relation is Relation.NONE:
                continue
            if relation is Relation.FACT:
                yield from (_fact(slot) for slot in self._slots(at) if not slot.taken)
                continue
            is_file = False
            for slot in self._slots(at):
                if slot.taken or not (is_file or self._wants(slot.piece.text) or self._has_broken(slot)):
                    continue
                placed = self._placed(slot)
                is_file = placed.match is not None and placed.match.family.kind is FamilyKind.FILE
                if placed.match is not None and placed.match.wording.every_row:
                    yield from self._table(at, placed, placed.match.family, done)
                else:
                    yield placed
            if is_file and at + 1 not in done:
                queue.appendleft(at + 1)

    def _table(self, at: int, placed: PlacedPiece, family: Family, done: set[int]) -> Iterator[PlacedPiece]:
        """Yield a row and the rows directly before and after it, whatever their words."""
        before = []
        for place in range(at - 1, max(self._block.begin, at - _MOST_ROWS) - 1, -1):
            row = None if place in done else self._row(place, family)
            if row is None:
                break
            before.append(row)
            done.add(place)
        yield from reversed(before)
        yield placed
        for place in range(at + 1, self._block.end):
            row = None if place in done else self._row(place, family)
            if row is None:
                break
            done.add(place)
            yield row

    def _row(self, at: int, family: Family) -> PlacedPiece | None:
        slots = self._slots(at)
        if len(slots) != 1 or slots[0].taken:
            return None
        match = self._known.row(family, slots[0].piece.text)
        if match is None or not is_plausible(match.values, match.wording):
            return None
        slots[0].taken = True
        return PlacedPiece(slots[0].line, slots[0].piece, match, slots[0].line, slots[0].piece.text)

    def _relation(self, at: int, is_awaited: Callable[[], bool]) -> Relation:
        lines = self._block.lines
        relation = self._known_lines.relation(lines[at], lines[at + 1] if at + 1 < len(lines) else b"")
        if relation is Relation.OUTCOME:
            return Relation.FACT if is_awaited() else Relation.NONE
        if relation is Relation.ANY and not self._may_match(at):
            return Relation.NONE
        return relation

    def _may_match(self, at: int) -> bool:
        """A quick test on the raw line, before cleaning."""
        lines = self._block.lines
        line = lines[at][:MOST_LINE]

        def around() -> str:
            # A line with a timestamp begins a message, so no message continues across it.
            first = at if at < _BEFORE or STAMPED.match(line) else at - _BEFORE
            last = at + 1
            while last < min(at + 1 + _AFTER, len(lines)) and not STAMPED.match(lines[last]):
                last += 1
            parts = (part[:MOST_LINE].strip(MARGIN) for part in lines[first:last])
            return b" ".join(parts).decode("utf-8", "replace")

        text = line.decode("utf-8", "replace")
        return self._also.search(text) is not None or self._known.may_match(text, around)

    def _wants(self, text: str) -> bool:
        return self._known.interests(text) or self._also.search(text) is not None

    def _has_broken(self, slot: _Slot) -> bool:
        """True if a search text is broken between this line and the next or the previous one."""
        runs = self._runs(slot, self._after(slot)[:1])
        return any(self._wants(" ".join(one.piece.text for one in run)) for run in runs)

    def _slots(self, at: int) -> list[_Slot]:
        if at not in self._cache:
            self._cache.pop(at - 16, None)
            line: CleanLine = clean(self._block.lines[at])
            found = enumerate(pieces(line, self._known.interests))
            self._cache[at] = [
                _Slot(self._block.first + at, place, piece, line.glued) for place, piece in found
            ]
        return self._cache[at]

    def _placed(self, slot: _Slot) -> PlacedPiece:
        alone = self._known.whole(slot.piece.text)
        after = self._after(slot)
        glued = self._glued(slot, after, alone)
        if glued is not None:
            return glued
        is_whole = alone is not None and is_plausible(alone.values, alone.wording)
        if alone is not None and is_whole and not self._may_be_a_part(slot, alone):
            return self._finished([slot], slot.piece.text, alone, after)
        joined = self._joined(slot, after)
        if joined is not None:
            return joined
        if alone is None or alone.family.needs_case:
            alone = self._abridged(slot, after) or alone
        return PlacedPiece(slot.line, slot.piece, alone, slot.line, slot.piece.text)

    def _may_be_a_part(self, slot: _Slot, match: Match) -> bool:
        """True if a line is just a name and may be part of a message that was broken nearby."""
        if match.family.kind is not FamilyKind.TRACE:
            return match.family.needs_case
        before = self._before(slot)
        return before is not None and "WARNING:" in before.piece.text

    def _glued(self, slot: _Slot, after: list[_Slot], alone: Match | None) -> PlacedPiece | None:
        """Return the match for a line marked as continued, unless the line alone matches more."""
        count = 0
        while count < len(after) and (slot, *after)[count].glued:
            count += 1
        if not count:
            return None
        run = [slot, *after[:count]]
        text = slot.piece.text
        for first, second in pairwise(run):
            text += self._seam(first.line - self._block.first) + second.piece.text
        match = self._known.whole(text)
        if match is None or not is_plausible(match.values, match.wording):
            return None
        if alone is not None and (match.family is not alone.family or match.reach[1] < alone.reach[1]):
            return None
        for one in run:
            one.taken = True
        return self._finished(run, text, match, after[count:])

    def _seam(self, at: int) -> str:
        """Return the blank between a continued line and the next, if either has one."""
        first, second = (line.rstrip(b"\r\n") for line in self._block.lines[at : at + 2])
        return " " if first.endswith(b" =") or clean(second).startswith(" ") else ""

    def _abridged(self, slot: _Slot, after: list[_Slot]) -> Match | None:
        best = self._known.abridged(slot.piece.text)
        for count in (1, 2):
            if best is None or not best.missing or len(after) < count:
                break
            run = [slot, *after[:count]]
            joined = self._known.abridged(" ".join(one.piece.text for one in run))
            if joined is None or joined.family is not best.family or len(joined.missing) >= len(best.missing):
                break
            for one in after[:count]:
                one.taken = True
            best = joined
        return best

    def _perhaps_longer(self, text: str, match: Match, following: list[_Slot]) -> tuple[str, Match] | None:
        """Return the match with one more line if a value continues there: ``uncached``, ``-minus``, slots."""
        if not following or len(text) < _SHORTEST_BROKEN:
            return None
        more = following[0].piece.text
        for seam in ("", " "):
            if not seam and (match.reach[1] != len(text) or " " in more):
                continue
            whole = text + seam + more
            longer = self._known.whole(whole)
            if longer is None or longer.family is not match.family or longer.reach[0] != match.reach[0]:
                continue
            # After a blank, any text continues an open field.
            goes_on = longer.reach[1] == len(whole) if not seam else longer.reach[1] > len(text)
            if not goes_on or (seam and longer.wording.text.endswith(("{text}", "{holder}", "{path}"))):
                continue
            if (not seam and longer.wording is not match.wording) or not is_plausible(
                longer.values, longer.wording
            ):
                continue
            following[0].taken = True
            return whole, longer
        return None

    def _finished(
        self, run: list[_Slot], text: str, match: Match, following: list[_Slot], doubts: tuple[str, ...] = ()
    ) -> PlacedPiece:
        first, last = run[0], run[-1].line
        first.taken = True
        longer = self._perhaps_longer(text, match, following)
        if longer is not None:
            is_seamless = len(longer[0]) == len(text) + len(following[0].piece.text)
            more = (_CUT,) if is_seamless else _doubts(longer[1], longer[0], [len(text)])
            doubts = (*doubts, *more)
            (text, match), last = longer, following[0].line
        return PlacedPiece(first.line, first.piece, match, last, text, doubts)

    def _joined(self, slot: _Slot, after: list[_Slot]) -> PlacedPiece | None:
        """Return a match for the piece joined with its neighbours."""
        for run in self._runs(slot, after):
            for text, places in _joins(run):
                match = self._known.whole(text)
                if match is None or not is_plausible(match.values, match.wording):
                    continue
                if not match.wording.wraps:
                    continue
                for one in run:
                    one.taken = True
                following = [one for one in after if not one.taken]
                return self._finished(run, text, match, following, _doubts(match, text, places))
        return None

    def _runs(self, slot: _Slot, after: list[_Slot]) -> Iterator[list[_Slot]]:
        for count in range(1, len(after) + 1):
            yield [slot, *after[:count]]
        before = self._before(slot)
        if before is not None:
            for count in range(len(after) + 1):
                yield [before, slot, *after[:count]]

    def _after(self, slot: _Slot) -> list[_Slot]:
        """Return the pieces that may continue a piece: unprefixed ones that are not messages themselves."""
        at = slot.line - self._block.first
        found: list[_Slot] = []
        if slot.place + 1 < len(self._slots(at)):
            return found
        for next_at in range(at + 1, min(at + 1 + _AFTER, len(self._block.lines))):
            if STAMPED.match(self._block.lines[next_at]):
                break
            slots = self._slots(next_at)
            if not slots or not slots[0].piece.bare or slots[0].taken or not slots[0].piece.text:
                break
            if self._wants(slots[0].piece.text) and self._known.whole(slots[0].piece.text) is not None:
                break
            found.append(slots[0])
            if len(slots) > 1:
                break
        return found

    def _before(self, slot: _Slot) -> _Slot | None:
        at = slot.line - self._block.first
        if not slot.piece.bare or slot.place or at < _BEFORE:
            return None
        last = next(reversed(self._slots(at - 1)), None)
        return None if last is None or last.taken or not last.piece.text else last


def _fact(slot: _Slot) -> PlacedPiece:
    return PlacedPiece(slot.line, slot.piece, None, slot.line, slot.piece.text)


def _joins(run: list[_Slot]) -> Iterator[tuple[str, list[int]]]:
    """Yield the possible texts of a run of pieces, broken at blanks or inside words, with break positions."""
    texts = [one.piece.text for one in run]
    choices = [("",) if one.glued else (" ", "") for one in run[:-1]]
    for seams in product(*choices):
        text, places = texts[0], list[int]()
        for seam, more in zip(seams, texts[1:], strict=True):
            places.append(len(text))
            text += seam + more
        yield text, places


def _doubts(match: Match, text: str, places: list[int]) -> tuple[str, ...]:
    """Return doubts about names split by a line break: a blank may or may not belong there."""
    found = []
    for name in ("comm", "device", "driver", "holder"):
        value = match.values.get(name, "")
        at = text.find(value)
        if value and any(at < place <= at + len(value) for place in places):
            called = FIELDS[name].called or "a name"
            found.append(f"There is a line break in {called} ({value}): a space may be wrong.")
    return tuple(found)
