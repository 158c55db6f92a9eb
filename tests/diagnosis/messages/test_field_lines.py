"""Excerpts of public reports are read as a person wrote them down: expectations.toml, of examples.jsonl."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from for_each import for_each

from pfnlab.diagnosis.messages.explaining import explain, explain_line
from pfnlab.diagnosis.messages.message_event import MessageEvent

_HERE = Path(__file__).parent


@cache
def excerpts() -> dict[str, dict[str, str]]:
    """The excerpts by their ids."""
    lines = (_HERE / "examples.jsonl").read_text(encoding="utf-8").splitlines()
    return {one["id"]: one for one in map(json.loads, lines)}


@cache
def expectations() -> dict[str, list[dict[str, Any]]]:
    """What a person wrote down of each."""
    return tomllib.loads((_HERE / "expectations.toml").read_text(encoding="utf-8"))


def written(event: MessageEvent) -> dict[str, Any]:
    """An event as expectations are written: what is not said is not in it."""
    found: dict[str, Any] = {"family": event.family.name, "verdict": event.family.verdict.value}
    if event.count != 1:
        found["count"] = event.count
    for name in ("comm", "pid", "start", "end", "device", "errno", "holder"):
        value = getattr(event, name)
        if value is not None:
            found[name] = value
    for name in ("wanted", "granted"):
        mode = getattr(event, name)
        if mode is not None:
            found[name] = mode.short
    if event.existing:
        found["existing"] = [mode.short for mode in event.existing]
    if event.parts:
        found["parts"] = [part.family for part in event.parts]
    return found


def cases() -> Iterator[tuple[str, str]]:
    """Ids and texts."""
    return ((name, one["text"]) for name, one in excerpts().items())


@for_each("name, text", cases)
def test_an_excerpt_is_read_as_a_person_reads_it(name: str, text: str) -> None:
    """Family, range with the right end, task, modes and verdict; what is not said is not invented."""
    assert expectations()[name] == [written(event) for event in explain_line(text).events]


def test_every_excerpt_has_an_expectation() -> None:
    """And none stands for an excerpt that is not there."""
    assert set(excerpts()) == set(expectations())


@for_each("name, text", cases)
def test_an_excerpt_says_the_same_among_other_lines(name: str, text: str) -> None:
    """Lines of others before and behind it change nothing but the numbers of lines."""
    alone = [written(event) for event in explain_line(text).events]

    among = explain_line(f"here is what I see:\n\n{text}\n\nany idea?\n").events

    assert alone == [written(event) for event in among]


@for_each("name, text", cases)
def test_an_excerpt_says_the_same_in_pieces(name: str, text: str) -> None:
    """A pipe cuts where it likes."""
    raw = text.encode()

    cut = explain(raw[at : at + 7] for at in range(0, len(raw), 7))

    assert explain_line(text) == cut
