"""Reviews a design: its new violations, repairs, costs and changes compared with a base.

A review runs in stages. The core stages are run for every design; later stages can safely be cut if time runs
out.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pfnlab.base.errors import Undecided
from pfnlab.base.processes import in_order
from pfnlab.checker.races.race import RaceState
from pfnlab.checker.races.turns import SetUpKernels
from pfnlab.checker.review.grounds import ALONE, BESIDE, GROUNDS, ground, ops_text, used_areas
from pfnlab.checker.review.judged import newly_broken, other_walkers
from pfnlab.checker.review.pair_answers import PairsOfModels
from pfnlab.checker.review.pairs import (
    ASKED,
    OperationPair,
    claims,
    meetings,
    owners,
    pairs,
    searched,
    triples,
)
from pfnlab.checker.review.parted import Parted
from pfnlab.checker.review.review_result import Broken, Form, ReviewResult, ReviewStage
from pfnlab.checker.review.reviewed_models import ReviewedModels
from pfnlab.checker.review.sequences import PieceAnswer, Sequel, SideBySideModels
from pfnlab.checker.scopes.properties import MODEL_PROPERTIES
from pfnlab.checker.search.path import Path as SearchPath
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.programs.cases.neighbours import NEIGHBOURS, Neighbour
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.problems import program_text
from pfnlab.programs.lang.shorter import shrunk
from pfnlab.programs.model.model_machine import ModelMachine


class FoundPair(NamedTuple):
    """A pair of operations with schedules that violate a property on only one of the two models."""

    pair: OperationPair
    length: int


class ReviewPiece(NamedTuple):
    """One piece of a review, run by one process.

    :param ground: for sequences: the number of the ground; *doubles*: whether two operations are run in
        sequence
    :param pair: for schedules: the concurrent operations
    """

    stage: int
    ground: int = 0
    doubles: bool = False
    pair: OperationPair | None = None

    @property
    def neighbour(self) -> Neighbour:
        """The neighbour of the mapping."""
        return self.pair.neighbour if self.pair is not None else GROUNDS[self.ground][1]

    @property
    def shown(self) -> str:
        """The mapping kinds that show the device: the subject's and its neighbour's."""
        kind = self.pair.kind if self.pair is not None else GROUNDS[self.ground][0]
        return " and ".join(dict.fromkeys(filter(None, (kind.name, self.neighbour.shows))))

    @property
    def core(self) -> bool:
        """True if the review is incomplete without it."""
        return self.stage < _CORE

    def __str__(self) -> str:
        return self.pair.name if self.pair is not None else f"ground {self.ground}"


class ReviewSoFar(NamedTuple):
    """The review's findings so far, reported when a piece is done.

    :param broken: newly violated properties
    :param parted: the differences in the sequences
    :param core: whether the core is complete
    """

    broken: frozenset[str]
    parted: Parted[Sequel]
    core: bool


#: The stages by name, in order.
_STAGES = (
    "every operation on every kind of mapping, and every pair of them in a row",
    "every operation on every kind of mapping with every neighbour",
    "an owner's revocation during every operation that unmaps its mappings",
    "another process maps in another mode while frames are released",
    "operations that read or install entries, while others remove them",
    "an owner's revocation during these, with neighbours",
    "a page walker, or a waiting writer, during two operations",
    "pairs in a row, with neighbours",
    "pairs of other operations at the same time",
)

#: The number of core stages, which come first.
_CORE = 5


def plan() -> list[ReviewPiece]:
    """The pieces of a review, in order."""
    told = list(owners())
    return [
        *(ReviewPiece(0, number, doubles=True) for number in ALONE),
        *(ReviewPiece(1, number) for number in BESIDE),
        *(ReviewPiece(2, pair=pair) for pair in told if pair.neighbour is NEIGHBOURS[0]),
        *(ReviewPiece(3, pair=pair) for pair in claims()),
        *(ReviewPiece(4, pair=pair) for pair in meetings()),
        *(ReviewPiece(5, pair=pair) for pair in told if pair.neighbour is not NEIGHBOURS[0]),
        *(ReviewPiece(6, pair=pair) for pair in triples()),
        *(ReviewPiece(7, number, doubles=True) for number in BESIDE),
        *(ReviewPiece(8, pair=pair) for pair in pairs()),
    ]


def review(
    base: ModelMachine,
    design: ModelMachine,
    *,
    seconds: float,
    jobs: int = 1,
    pieces: Sequence[ReviewPiece] | None = None,
    known: Mapping[int, PieceAnswer] = {},
    keep: Callable[[PieceAnswer], None] = lambda answer: None,
    done: Callable[[], None] = lambda: None,
    enough: Callable[[ReviewSoFar], bool] = lambda found: False,
    interrupted: Callable[[], None] | None = None,
    folder: Path | None = None,
) -> ReviewResult:
    """Run all pieces on *base* and *design*, and compare their answers.

    :param seconds: the time after which no new piece is started
    :param pieces: the pieces to run; all of :func:`plan` if None
    :param known: existing answers, by the index of the piece in *pieces*
    :param keep: called with each new answer, once its piece is complete
    :param done: called when a piece is done
    :param enough: called after each piece; returns whether the rest may be skipped
    :param interrupted: called on Ctrl-C, after which the rest is skipped; None to let Ctrl-C end the review
    :param folder: where answers of bases are kept for other reviews; None to keep none
    """
    begin = time.monotonic()
    chosen = plan() if pieces is None else list(pieces)
    deadline = begin + seconds

    models = ReviewedModels(base, design, folder)
    tried = PairsOfModels(models)

    def answered(piece: ReviewPiece) -> PieceAnswer:
        return _answered(models, piece, deadline, tried)

    new = in_order(answered, [piece for at, piece in enumerate(chosen) if at not in known], jobs, done=done)
    total, asked = Parted[Sequel](), [0] * len(_STAGES)
    broken: dict[str, FoundPair] = {}
    repaired: dict[str, FoundPair] = {}
    schedules, differs = 0, dict[str, int]()
    found_after: dict[str, float] = {}
    for at, piece in enumerate(chosen):
        if at in known:
            answer = known[at]
        else:
            try:
                answer = next(new)
            except KeyboardInterrupt:
                if interrupted is None:
                    raise
                interrupted()
                break
            answer.piece = at
            if answer.done:
                keep(answer)
        total.add(answer)
        asked[piece.stage] += answer.done
        schedules += answer.done and piece.pair is not None
        if differing := answer.differing + bool(answer.broken_pairs or answer.repaired_pairs):
            differs[piece.shown] = differs.get(piece.shown, 0) + differing
        _shorter(broken, answer.broken_pairs, piece)
        _shorter(repaired, answer.repaired_pairs, piece)
        for name in (*total.broken, *total.repaired, *broken, *repaired):
            found_after.setdefault(name, round(time.monotonic() - begin, 3))
        core = at + 1 == len(chosen) or not chosen[at + 1].core
        if enough(ReviewSoFar(frozenset(total.broken) | frozenset(broken), total, core)):
            break
    return total.result(
        _lines,
        MODEL_PROPERTIES,
        design=f"model:{design.spec}",
        base=f"model:{base.spec}",
        broken=tuple(_told(total.broken, broken, design, base, found_after)),
        repaired=tuple(_told(total.repaired, repaired, base, design, found_after)),
        bytes_per_vma=(_bytes(base), _bytes(design)),
        stages=tuple(
            ReviewStage(name, number < _CORE, asked[number], sum(piece.stage == number for piece in chosen))
            for number, name in enumerate(_STAGES)
        ),
        differs=differs,
        schedules=schedules,
        seconds=round(time.monotonic() - begin, 3),
    )


def _bytes(machine: ModelMachine) -> int:
    return machine.boot(qemu_q35(), {}).tracker.BYTES_PER_VMA


def _shorter(shown: dict[str, FoundPair], more: Mapping[str, int], piece: ReviewPiece) -> None:
    for name, length in more.items():
        assert piece.pair is not None
        if name not in shown or length < shown[name].length:
            shown[name] = FoundPair(piece.pair, length)


def _answered(
    models: ReviewedModels, piece: ReviewPiece, deadline: float, pairs_of: PairsOfModels
) -> PieceAnswer:
    """The answer to one piece; empty if time ran out."""
    if time.monotonic() > deadline:
        return PieceAnswer(done=False)
    if piece.pair is not None:
        return pairs_of.answer(piece.pair, deadline, core=piece.core)
    both = SideBySideModels(models, piece.ground)
    both.answer.done = both.try_all(piece.doubles, deadline)
    return both.answer


def _told(
    ways: dict[str, Sequel],
    shown: dict[str, FoundPair],
    machine: ModelMachine,
    other: ModelMachine,
    seconds: Mapping[str, float],
) -> Iterator[Broken]:
    """All properties that *machine* violates and *other* satisfies, in the listed order, each with its
    shortest program or schedule.
    """
    for name, meaning in MODEL_PROPERTIES.items():
        form: Form = "schedule"
        schedule: tuple[str, ...] = ()
        if name in ways:
            form, where = "sequence", ground(ways[name].ground).name
            text: str | None = program_text(_sequence(name, ways[name], machine, other))
        elif name in shown:
            pair = shown[name].pair
            where = pair.where
            text, schedule = _schedule(name, pair, machine)
        else:
            continue
        words = name, form, meaning.happens, meaning.noticed, where, seconds[name]
        yield Broken(*words, text=text, schedule=schedule)


def _sequence(name: str, way: Sequel, machine: ModelMachine, other: ModelMachine) -> Program:
    asks = f"Why is {name} violated by model:{machine.spec} and kept by model:{other.spec}?"
    program = ground(way.ground).program_of(way.ops, f"{name} on model:{machine.spec}", asks)
    walkers = other_walkers(machine, other)

    def shows(candidate: Program) -> bool:
        try:
            return newly_broken(name, machine, other, candidate, walkers)
        except Undecided:
            return False

    return used_areas(shrunk(program, shows))


def _schedule(name: str, pair: OperationPair, machine: ModelMachine) -> tuple[str | None, tuple[str, ...]]:
    race = pair.race()
    assert race is not None
    model, found = searched(SetUpKernels(machine), race)
    path: SearchPath[RaceState] = found.discoveries[name]
    question = next(question for question in ASKED if question.name == name)
    program = model.program(
        *(path, question, f"{name} on model:{machine.spec}", "In which order is it violated?")
    )
    return (None if program is None else program_text(program)), tuple(map(str, path.actions))


def _lines(way: Sequel) -> str:
    return ops_text((*ground(way.ground).program.ops, *way.ops))
