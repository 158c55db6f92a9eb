"""Random walks, for scopes too large to explore completely.

They are never complete, and every result is cut. All choices follow from a seed: the same seed, model and
limits give the same result, and a single walk can be repeated from its seed and number.
"""

import time
from collections.abc import Callable, Sequence
from random import Random

from pfnlab.base.units import number_of
from pfnlab.checker.search.exploration import Exploration, Property, judgement
from pfnlab.checker.search.model import Action, Model, State, kind
from pfnlab.checker.search.path import Path
from pfnlab.checker.search.visited import fingerprint

# With equal chances, no thread would run far ahead and no kind of action would be frequent. So the weights of
# kinds differ by up to this many powers of ten, and are redrawn with this probability at each step.
_APART, _TURN = 3.0, 0.1


def simulate(
    model: Model[State],
    properties: Sequence[Property[State]] = (),
    *,
    seed: int = 0,
    walks: int = 1000,
    length: int = 50,
    first: int = 0,
    seconds: float | None = None,
    done: Callable[[], None] = lambda: None,
) -> Exploration[State]:
    """Make *walks* random walks of *length* steps each, and judge every state along the way by *properties*.

    For some steps at a time, random kinds of action are preferred, so that a thread or operation gets far
    ahead while others wait. A walk ends early in a state without further steps. The shortest discovery from
    all walks is kept.

    :param first: the number of the first walk; ``first=n, walks=1`` repeats walk *n* alone
    """
    found = Exploration(properties)
    begin = time.monotonic()
    fingerprints: set[int] = set()
    count = 0
    for number in range(first, first + walks):
        if seconds is not None and count and time.monotonic() - begin >= seconds:
            break
        _walk(model, Random(f"{seed}/{number}"), length, found, fingerprints)
        count += 1
        done()
    found.states, found.seconds = len(fingerprints), time.monotonic() - begin
    found.passed.append(
        f"random walks: {count:,} of at most {number_of(length, 'step')}, seed {seed}, from walk {first}"
    )
    return found


def _walk(
    model: Model[State],
    random: Random,
    length: int,
    found: Exploration[State],
    fingerprints: set[int],
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
        shorter = {name for name, way in found.discoveries.items() if len(way) <= len(choices)}
        for name, decides in judgement(found.properties, state, shorter):
            found.premises[name] += 1
            if decides:
                found.discoveries[name] = Path(start, tuple(choices), tuple(actions))
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
        choice, (action, state) = random.choices(steps, step_weights)[0]
        choices.append(choice)
        actions.append(action)
        found.transitions += 1
        found.fired[kind(action)] += 1
