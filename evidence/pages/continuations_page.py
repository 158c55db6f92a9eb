"""The page ``docs/continuations.md``: where operations of races stop, and what is compared there.

The races are those packaged with pfnlab, on the oldest and the newest series that are compared with kernels.
Each task runs alone, turn by turn. ``python -m evidence.pages continuations --write`` writes the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from evidence.pages import markdown
from pfnlab.checker.races.turns import Ground, Live, SetUpKernels
from pfnlab.checker.scopes.scope import RaceScope, load_scope, scope_names
from pfnlab.kernel.policies.releases import CONFIRMED
from pfnlab.programs.model.model_machine import ModelMachine

_HEAD = """\
# Continuations of races

`pfnlab check` searches a race turn by turn: in a turn one task runs from one kernel function to the next.
Two states of a race are one state where the parts of their kernels are equal,
and where every operation that has stopped goes on alike.
How an operation goes on is its continuation: its functions, and the variables of each.
This page has the continuations of all races that come with pfnlab, on {series}.
A variable that is new in one of these functions changes the page, and a test fails until it is written anew.
So somebody sees how the variable is compared before a search relies on it.
"""

_STOPS = """\
## Where operations stop

A turn ends at the beginning of a kernel function.
The functions of the model that the operation is in then stand from the outermost to the innermost.

"""

_SLOTS = """\
## What is compared

These are the variables of each function.
`value` is compared as it is.
An object that other tasks can reach has a name (`VMA by name`): what is in it is compared with its part.
Of `one` object there is no second one in a kernel, or it does not change.

"""

#: Functions between a program and its system call; they are the same for all.
_BEGINNING = (
    "perform",
    "_perform",
    "_system_call",
    "_ask_driver",
    "_perform.<locals>.<lambda>",
    "Kernel.call",
)

#: Turns within which a task running alone must finish.
_MOST_TURNS = 1000


class Stop(NamedTuple):
    """A stopped operation.

    :param word: the operation's word
    :param place: the kernel function it has reached
    :param frames: its functions with their variables, the innermost first
    """

    word: str
    place: str
    frames: Sequence[tuple[str, Sequence[tuple[str, Any]]]]


def page() -> str:
    """The whole page."""
    series = (CONFIRMED[0], CONFIRMED[-1])
    found = list(stops(series))
    ways = sorted({(f"`{stop.place}`", f"`{stop.word}`", _way(stop)) for stop in found})
    return "\n".join(
        (
            _HEAD.format(series=" and ".join(series)),
            _STOPS + markdown.table(("at", "of", "in"), ways),
            _SLOTS + markdown.table(("function", "its variables"), slots(found)),
        )
    )


def stops(series: Iterable[str]) -> Iterator[Stop]:
    """Yield every stop of every task in the races, each running alone from the beginning."""
    scopes = (load_scope(name) for name in scope_names())
    races = [race for scope in scopes if isinstance(scope, RaceScope) for race in scope.races]
    for machine in map(ModelMachine, series):
        for race in races:
            ground = Ground(race)
            for task in dict.fromkeys(op.task for op in race.concurrent):
                yield from _alone(Live(SetUpKernels(machine), race, ground), task)


def _alone(live: Live, task: str) -> Iterator[Stop]:
    for _ in range(_MOST_TURNS):
        result = live.go(task)
        position = live.position(task)
        if position.under_way:
            place, frames = live.variables(task)
            yield Stop(result.turn.kind, place, [(function, values) for function, _, values in frames])
        elif position.done == live.operations(task):
            return
    raise AssertionError(f"{task} is not done after {_MOST_TURNS} turns")


def _way(stop: Stop) -> str:
    return " > ".join(f"`{name}`" for name, _ in reversed(stop.frames) if name not in _BEGINNING)


def slots(found: Iterable[Stop]) -> Iterator[Sequence[str]]:
    """Yield a row per function: its variables, each with the forms in which it is compared."""
    functions: dict[str, dict[str, dict[str, None]]] = {}
    for stop in found:
        for function, values in stop.frames:
            variables = functions.setdefault(function, {})
            for name, value in values:
                variables.setdefault(name, {})[form(value)] = None
    for function, variables in sorted(functions.items()):
        yield f"`{function}`", _forms(variables)


def _forms(variables: Mapping[str, Iterable[str]]) -> str:
    return ", ".join(f"{name}: {' or '.join(sorted(forms))}" for name, forms in sorted(variables.items()))


def form(said: Any) -> str:
    """Describe the form of a value from :func:`pfnlab.checker.races.continuation.variables`."""
    match said:
        case str() if said[:1].isupper():
            return f"one {said}"
        case ("gather", *_):
            return "gather by its state"
        case ("list" | "tuple" as kind, *items):
            forms = sorted(set(map(form, items)))
            return f"{kind} of {' or '.join(forms)}" if forms else f"empty {kind}"
        case ("dict", *_):
            return "dict by its items"
        case ("function" | "method" | "partial" as kind, *_):
            return f"{kind} by what it refers to"
        case ("task", str()):
            return "task by name"
        case ("RwLock", *_) | (str(), _):
            return f"{said[0]} by name"
        case (str() as kind, *_):
            return f"{kind} by its items"
    return "value"
