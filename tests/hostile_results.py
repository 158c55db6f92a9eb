"""Results whose texts try to become more than text, and JSON that no verb prints, for tests of formats."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from math import gcd
from typing import Any

import msgspec
from middle_runs import PROGRAM, careful, cut, forgetful

from pfnlab.base.errors import Why
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.observation import Run

#: A name that closes what it stands in, opens a tag, and moves a terminal's cursor.
HOSTILE = "x]]> <script>alert(1)</script> \x1b[2J\x00 # | `code` [link](http://evil) \ud800\n1..9"


def result(name: str, *runs: Run) -> RunResult:
    """The result of these runs."""
    return RunResult.of(PROGRAM, runs, {}, name=name)


def agreeing(name: str = "same") -> RunResult:
    """Two machines that see the same."""
    return result(name, careful(), msgspec.structs.replace(careful(), machine="qemu:again"))


def differing(name: str = "middle") -> RunResult:
    """Two that do not."""
    return result(name, forgetful(), careful())


def lost(name: str = "cut") -> RunResult:
    """One that was lost on the way."""
    return result(name, cut(careful(), 2))


def undecided(name: str = "no rule") -> RunResult:
    """One whose machine has no answer."""
    return result(
        name,
        msgspec.structs.replace(careful(), steps=(), undecided="the model has no rule", why=Why.NO_RULE),
    )


def hostile() -> RunResult:
    """A difference between machines of hostile names, in a program of one."""
    program = msgspec.structs.replace(PROGRAM, title=HOSTILE, asks=HOSTILE)
    runs = [
        msgspec.structs.replace(run, machine=f"{HOSTILE} {run.machine}") for run in (forgetful(), careful())
    ]
    return RunResult.of(program, runs, {}, name=HOSTILE)


#: Values that no result has at most of its places, as JSON, by what they are.
VALUES = {
    "half a character": '"x\\ud800"',
    "a name that is half a character": '{"\\udcff": 1}',
    "a hostile text": json.dumps(HOSTILE),
    "a text that would run": '"javascript:alert(1)"',
    "a text that would load": '"url(http://x)"',
    "a long text": json.dumps("y" * 200_000),
    "a number of 401 digits": "1" + "0" * 400,
    "a number below all": "-1" + "0" * 400,
    "a number of 5000 digits": "9" * 5000,
    "a number of 64 bits": str((1 << 64) - 1),
    "a number of 65 bits": str(1 << 64),
    "a number without end": "1e999",
    "no number": "NaN",
    "minus one": "-1",
    "a half": "0.5",
    "true": "true",
    "nothing": "null",
    "no text": '""',
    "no list": "[]",
    "no object": "{}",
    "values within values": "[" * 90 + "]" * 90,
    "values far within values": "[" * 900 + "]" * 900,
    "values without end within values": "[" * 100_000,
}

#: The place of a value: the keys and indexes that lead to it.
Place = tuple[str | int, ...]


def places(content: Any) -> Iterator[Place]:
    """The place of every value in *content* but its own."""
    items: Any = ()
    if isinstance(content, dict):
        items = content.items()
    elif isinstance(content, list):
        items = enumerate(content)
    for key, value in items:
        yield (key,)
        yield from ((key, *rest) for rest in places(value))


#: What becomes of a value beside :data:`VALUES`.
GONE, TWICE, MORE = "nothing at all", "the same key twice", "a key that nobody knows"


def mutations(content: Any, most: int) -> Iterator[tuple[Place, str, str]]:
    """The JSON of *content* with another value, or none, at one place, which is named with what stands there.

    Of the items of a list the first two stand for all.

    :param most: how many at most, from all places alike
    """
    alike = dict[Place, Place]()
    for place in places(content):
        alike.setdefault(tuple(min(step, 1) if isinstance(step, int) else step for step in place), place)
    names = [*(name for name, value in VALUES.items() if len(value) < 5000), GONE, TWICE, MORE]
    every = [(place, name) for place in alike.values() for name in names]
    # Each name at other places: a step that shares nothing with their number.
    step = max(1, len(every) // most)
    while gcd(step, len(names)) > 1:
        step += 1
    for place, name in every[::step]:
        yield place, name, _mutated(content, place, name)


def _mutated(content: Any, place: Place, name: str) -> str:
    if name in VALUES:
        return spoiled(content, {place: VALUES[name]})
    changed = inside = deepcopy(content)
    for key in place[:-1]:
        inside = inside[key]
    value = json.dumps(inside.pop(place[-1]))
    if name == GONE or not isinstance(inside, dict):
        return json.dumps(changed)
    key = json.dumps(place[-1]) if name == TWICE else '"x\\n"'
    return spoiled(content, {place: f"{value}, {key}: {value}"})


def spoiled(content: Any, values: dict[Place, str]) -> str:
    """The JSON of *content* with other JSON at some places, where there are such places."""
    changed = deepcopy(content)
    for number, place in enumerate(values):
        inside = changed
        try:
            for key in place[:-1]:
                inside = inside[key]
            inside[place[-1]] = f"@{number}@"
        except (KeyError, IndexError, TypeError):
            # Another of the values stands there.
            continue
    text = json.dumps(changed)
    for number, value in enumerate(values.values()):
        text = text.replace(f'"@{number}@"', value)
    return text
