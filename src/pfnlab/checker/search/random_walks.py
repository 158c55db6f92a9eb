"""Searches for scopes too large to explore completely: random walks, and many small searches of different
parts.

None of these searches is complete, and every result says so. All choices follow from a seed: the same seed,
model and limits give the same result, and a single walk can be repeated from its seed and number.
"""

import time
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from random import Random
from typing import Any, Generic

from pfnlab.base.processes import in_order
from pfnlab.base.units import number_of
from pfnlab.checker.search.exploration import Exploration, Property
from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.model import Action, CountingModel, Model, State, kind
from pfnlab.checker.search.path import Path, path_by_actions
from pfnlab.checker.search.visited import fingerprint

# With equal chances, no thread would run far ahead and no kind of action would be frequent. So the weights of
# kinds differ by up to this many powers of ten, and are redrawn with this probability at each step.
_APART, _TURN = 3.0, 0.1

# Guided walks look back this many steps, and prefer new states to known ones by this factor.
_MEMORY, _NEW = 1, 10.0

# The probability that a swarm member leaves out a kind of action.
_WITHOUT = 0.25


def simulate(
    model: Model[State],
    properties: Sequence[Property[State]] = (),
    *,
    seed: int = 0,
    walks: int = 1000,
    length: int = 50,
    first: int = 0,
    seconds: float | None = None,
    guided: bool = False,
    done: Callable[[], None] = lambda: None,
) -> Exploration[State]:
    """Make *walks* random walks of *length* steps each, and judge every state along the way by *properties*.

    For some steps at a time, random kinds of action are preferred, so that a thread or operation gets far
    ahead while others wait. A walk ends early in a state without further steps. The shortest discovery from
    all walks is kept.

    :param first: the number of the first walk; ``first=n, walks=1`` repeats walk *n* alone
    :param guided: prefer steps to states that no walk has reached, and rare pairs of step kinds. A walk then
        depends on earlier ones and cannot be repeated alone
    """
    found = Exploration(properties)
    begin = time.monotonic()
    fingerprints: set[int] = set()
    count = 0
    novelty = Novelty(fingerprints) if guided else None
    for number in range(first, first + walks):
        if seconds is not None and count and time.monotonic() - begin >= seconds:
            break
        _walk(model, Random(f"{seed}/{number}"), length, found, fingerprints, novelty)
        count += 1
        done()
    found.states, found.seconds = len(fingerprints), time.monotonic() - begin
    found.passed.append(
        f"{'guided' if guided else 'random'} walks: {count:,} of at most {number_of(length, 'step')}, "
        f"seed {seed}, from walk {first}"
    )
    return found


class Novelty:
    """The fingerprints of states reached by walks, for rating the novelty of a step."""

    def __init__(self, states: set[int]) -> None:
        self._states = states
        self._followed: Counter[tuple[str, ...]] = Counter()

    def weight(self, before: Sequence[str], step: str, after: int) -> float:
        """The weight of a step of kind *step* after the last kinds *before*, to the state *after*."""
        rare = 1.0 / (1 + self._followed[*before, step])
        return rare if after in self._states else rare * _NEW

    def met(self, before: Sequence[str], step: str) -> None:
        """Record that a walk has taken this step."""
        self._followed[*before, step] += 1


def _walk(
    model: Model[State],
    random: Random,
    length: int,
    found: Exploration[State],
    fingerprints: set[int],
    novelty: Novelty | None,
) -> None:
    """Make one walk, judging and counting its states."""
    starts = list(model.initial())
    start = random.randrange(len(starts))
    state = starts[start]
    choices: list[int] = []
    actions: list[Action] = []
    weights: dict[str, float] = {}
    while True:
        fingerprints.add(fingerprint(model.key(state)))
        found.depth = max(found.depth, len(choices))
        _judge(found, state, start, choices, actions)
        if len(choices) == length:
            return
        steps = list(enumerate(model.successors(state)))
        if not steps:
            return
        if random.random() < _TURN:
            weights.clear()
        for _, (action, _) in steps:
            if kind(action) not in weights:
                weights[kind(action)] = 10 ** random.uniform(-_APART, 0)
        step_weights = [weights[kind(action)] for _, (action, _) in steps]
        if novelty is not None:
            before = [kind(done) for done in actions[-_MEMORY:]]
            step_weights = [
                weight * novelty.weight(before, kind(action), fingerprint(model.key(after)))
                for weight, (_, (action, after)) in zip(step_weights, steps, strict=True)
            ]
        choice, (action, state) = random.choices(steps, step_weights)[0]
        if novelty is not None:
            novelty.met(before, kind(action))
        choices.append(choice)
        actions.append(action)
        found.transitions += 1
        found.fired[kind(action)] += 1


def _judge(
    found: Exploration[State], state: State, start: int, choices: Sequence[int], actions: Sequence[Action]
) -> None:
    for question in found.properties:
        if question.premise is not None and not question.premise(state):
            continue
        found.premises[question.name] += 1
        discovery = found.discoveries.get(question.name)
        if discovery is not None and len(discovery) <= len(choices):
            continue
        if question.holds(state) == (question.kind == "sometimes"):
            found.discoveries[question.name] = Path(start, tuple(choices), tuple(actions))


class ScopePart(Generic[State]):
    """A model with some kinds of action left out and its steps reordered: one member of a swarm."""

    def __init__(self, model: Model[State], without: Collection[str], seed: str) -> None:
        self._model, self._without, self._seed = model, without, seed

    def initial(self) -> Sequence[State]:
        return list(self._model.initial())

    def successors(self, state: State) -> Iterator[tuple[Action, State]]:
        steps = [step for step in self._model.successors(state) if kind(step[0]) not in self._without]
        # The order depends on the state, and is always the same for a given state.
        Random(f"{self._seed}/{fingerprint(self._model.key(state))}").shuffle(steps)
        yield from steps

    def key(self, state: State) -> Hashable:
        return self._model.key(state)


def swarm(
    model: Model[State],
    properties: Sequence[Property[State]] = (),
    *,
    kinds: Sequence[str],
    seed: int = 0,
    members: int = 16,
    states: int = 10_000,
    depth: int | None = None,
    seconds: float | None = None,
    member: Callable[[Exploration[State], tuple[str, ...]], None] = lambda found, without: None,
    jobs: int = 1,
    done: Callable[[], None] = lambda: None,
) -> Exploration[State]:
    """Run many depth-first searches, each in its own order and without a random selection of *kinds*.

    Together they reach states that a single search of the same size never reaches. Discoveries are paths
    through *model* itself. Without *seconds*, the result follows from the seed alone; *jobs* does not change
    it.

    :param kinds: the kinds of action that may be left out
    :param states: the maximum number of distinct states per member
    :param seconds: the total time, divided equally among the members
    :param member: called with each member's result and the kinds it left out, in order
    :return: the combined result; a state counts once per member that found it
    """
    total = Exploration(properties)
    begin = time.monotonic()
    together = min(jobs, members)

    def search(number: int) -> tuple[Exploration[State], tuple[str, ...], tuple[Any, ...] | None]:
        if isinstance(model, CountingModel):
            model.take_counts()
        random = Random(f"{seed}/{number}")
        without = tuple(sorted(name for name in kinds if random.random() < _WITHOUT))
        found = explore(
            ScopePart(model, without, f"{seed}/{number}"),
            properties,
            order="depth",
            depth=depth,
            states=states,
            seconds=None if seconds is None else seconds * together / members,
        )
        # Properties are functions, so they are not sent back; the caller has them.
        found.properties = ()
        return found, without, model.take_counts() if isinstance(model, CountingModel) else None

    kept = model.take_counts() if isinstance(model, CountingModel) else None
    count = 0
    for found, without, counts in in_order(
        search, range(members), jobs, named=lambda number: f"search {number} of the swarm", done=done
    ):
        found.properties = properties
        if isinstance(model, CountingModel) and counts is not None:
            kept = _with_counts(model, kept, counts)
        _merge(total, found, model)
        count += 1
        member(found, without)
    if isinstance(model, CountingModel) and kept is not None:
        # Drop the counts from replaying paths.
        model.take_counts()
        model.add_counts(kept)
    total.seconds = time.monotonic() - begin
    total.passed.append(
        f"swarm: {number_of(count, 'search', 'searches')} of at most {number_of(states, 'state')}, "
        f"seed {seed}"
    )
    return total


def _with_counts(
    model: CountingModel, kept: tuple[Any, ...] | None, counts: tuple[Any, ...]
) -> tuple[Any, ...]:
    """The sum of the two counts."""
    model.take_counts()
    for some in (kept, counts):
        if some is not None:
            model.add_counts(some)
    return model.take_counts()


def _merge(total: Exploration[State], found: Exploration[State], model: Model[State]) -> None:
    total.states += found.states
    total.transitions += found.transitions
    total.depth = max(total.depth, found.depth)
    total.premises.update(found.premises)
    total.fired.update(found.fired)
    for name, way in found.discoveries.items():
        discovery = total.discoveries.get(name)
        if discovery is None or len(way) < len(discovery):
            total.discoveries[name] = path_by_actions(model, way.start, way.actions)
