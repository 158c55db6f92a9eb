"""Random walks, for scopes too large to explore completely.

They are never complete, and every result is cut. All choices follow from a seed: the same seed, model and
limits give the same result, and a single walk can be repeated from its seed and number.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from pfnlab.base.units import number_of
from pfnlab.checker.search.exploration import Exploration, Property
from pfnlab.checker.search.model import Action, Model, State, kind
from pfnlab.checker.search.path import Path
from pfnlab.checker.search.visited import fingerprint

# With equal chances, no thread would run far ahead and no kind of action would be frequent. So the weights of
# kinds differ by up to this many powers of ten, and are redrawn with this probability at each step.
_APART, _TURN = 3.0, 0.1

# Guided walks look back this many steps, and prefer new states to known ones by this factor.
_MEMORY, _NEW = 1, 10.0


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
