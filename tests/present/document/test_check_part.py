"""The output of a check: the JSON object has the form of its schema, the text says the same as the object."""

from __future__ import annotations

import json

import jsonschema
import msgspec
import pytest

from pfnlab.base.schema_files import schema
from pfnlab.checker.check import CheckResult, check
from pfnlab.checker.limits import Exhaustive
from pfnlab.checker.scopes.properties import questions
from pfnlab.checker.scopes.scope import load_scope
from pfnlab.present.document.check_part import part
from pfnlab.present.document.terminal import terminal
from pfnlab.programs.lang.problems import program_text
from pfnlab.programs.lang.text import parse
from pfnlab.programs.model.model_machine import ModelMachine


def small(spec: str, *, states: int | None = None) -> CheckResult:
    """The small scope on one model."""
    return check(ModelMachine(spec), load_scope("small"), None, Exhaustive(states=states))


def test_the_schema_is_one() -> None:
    """The schema itself is valid."""
    jsonschema.Draft202012Validator.check_schema(schema("check"))


def test_the_object_has_its_form() -> None:
    """A check with violations, confirmed on a machine, is of the form the schema says."""
    found = small("6.1")
    first, *rest = found.answers
    confirmed = msgspec.structs.replace(first, confirmed={"qemu:6.1": "shows the same"})
    found = msgspec.structs.replace(found, answers=(confirmed, *rest))

    jsonschema.validate(json.loads(found.as_json()), schema("check"))


def test_a_race_has_the_same_form() -> None:
    """A race that breaks a property, with its schedule, is of that form too."""
    found = check(ModelMachine("7.2,flush=none"), load_scope("race"), None, Exhaustive(states=600))

    item = json.loads(found.as_json())
    jsonschema.validate(item, schema("check"))
    assert item["properties"][0]["schedule"][0] == "main: munmap a[0:2]"


def test_the_programs_text_is_in_its_canonical_form() -> None:
    """A counterexample's text reads back and stays as it is."""
    program = next(one.program for one in small("6.1").answers if one.program is not None)

    assert program_text(parse(program_text(program))) == program_text(program)


def test_what_was_cut_is_said() -> None:
    """A search that was ended says so, and what it did not find is undecided."""
    lines = terminal(part(small("7.2", states=20))).splitlines()

    assert any(line.startswith("cut: states:") for line in lines)
    assert any(line.startswith("undecided") for line in lines)


def test_what_never_arose_is_no_verdict() -> None:
    """A property whose question never arose is not printed as one that holds."""
    scope = load_scope("small")
    asked = questions(["claimed_free"], scope)
    lines = terminal(part(check(ModelMachine("7.2"), scope, asked, Exhaustive(depth=2)))).splitlines()

    assert any(line.startswith("never asked") and "claimed_free" in line for line in lines)


def test_the_command_that_replays_is_a_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """However narrow the terminal is, and from the first column on: so it can be copied."""
    monkeypatch.setenv("COLUMNS", "40")
    checked = check(ModelMachine("7.2,flush=none"), load_scope("race"))

    commands = [line for line in terminal(part(checked)).splitlines() if "replay" in line]

    assert [f"pfnlab replay {answer.replay}" for answer in checked.answered("violated")] == commands
