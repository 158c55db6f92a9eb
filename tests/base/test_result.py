"""A result of a verb is one structure: nothing describes its keys again, and its outcome is its exit code."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
import tooling
from for_each import for_each

from pfnlab.api.check_report import CheckReport
from pfnlab.base.result import Outcome
from pfnlab.campaign.work import CheckWork, check_results
from pfnlab.checker.check import CheckResult, check
from pfnlab.checker.scopes.scope import load_scope
from pfnlab.present.document.check_part import part
from pfnlab.present.document.terminal import terminal
from pfnlab.programs.model.model_machine import ModelMachine

SOURCE = Path(__file__).parents[2] / "src" / "pfnlab"

writer = tooling.write_schemas()

#: What has a ``format`` and is no result: a program, and the words of the language.
NO_RESULTS = {"programs.lang.load.to_json", "programs.lang.tokens.token_table"}


def nodes(kind: type[ast.AST]) -> Iterator[tuple[str, ast.AST]]:
    """The nodes of a kind in all modules, each with the name of its module."""
    for path in sorted(SOURCE.rglob("*.py")):
        name = path.relative_to(SOURCE).with_suffix("").as_posix().replace("/", ".")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kind):
                yield name, node


def keys(function: ast.AST) -> set[object]:
    """The keys of the dicts that a function writes down."""
    dicts = [node for node in ast.walk(function) if isinstance(node, ast.Dict)]
    return {key.value for one in dicts for key in one.keys if isinstance(key, ast.Constant)}


def test_no_function_writes_a_result_by_hand() -> None:
    """Nor does any write a ``format`` but of what is no result."""
    functions = [(name, node) for name, node in nodes(ast.FunctionDef) if isinstance(node, ast.FunctionDef)]

    assert NO_RESULTS == {f"{name}.{node.name}" for name, node in functions if "format" in keys(node)}


def test_no_class_describes_a_result_again() -> None:
    """By the endings such classes had."""
    classes = [(name, node) for name, node in nodes(ast.ClassDef) if isinstance(node, ast.ClassDef)]

    assert [] == [f"{name}.{node.name}" for name, node in classes if node.name.endswith(("Item", "Content"))]


def returned(function: ast.AST) -> Iterator[ast.expr]:
    """The values that a function returns: those of conditions singly, those of functions in it not."""
    for node in ast.iter_child_nodes(function):
        if isinstance(node, ast.Return) and isinstance(node.value, ast.IfExp):
            yield from (node.value.body, node.value.orelse)
        elif isinstance(node, ast.Return) and node.value is not None:
            yield node.value
        elif not isinstance(node, ast.FunctionDef | ast.Lambda | ast.ClassDef):
            yield from returned(node)


def is_exit_code(value: ast.expr) -> bool:
    """Whether it is an outcome's or an error's, another function's, or 0."""
    if isinstance(value, ast.Call):
        return not (isinstance(value.func, ast.Name) and value.func.id in ("int", "max", "min"))
    if isinstance(value, ast.Attribute):
        return value.attr in ("value", "exit_code")
    return isinstance(value, ast.Constant) and value.value == 0


def test_exit_codes_are_computed_in_one_place() -> None:
    """A verb returns the value of an :class:`Outcome`; of errors and signals ``cli/__init__.py`` knows."""
    computed = [
        f"{name}:{value.lineno}: {ast.unparse(value)}"
        for name, node in nodes(ast.FunctionDef)
        if isinstance(node, ast.FunctionDef) and name.startswith("cli.") and name != "cli.__init__"
        if isinstance(node.returns, ast.Name) and node.returns.id == "int"
        for value in returned(node)
        if not is_exit_code(value)
    ]

    assert [] == computed


@for_each("name", writer.RESULTS)
def test_a_schema_is_what_its_structure_says(name: str) -> None:
    """``python tools/write_schemas.py --write`` makes the files."""
    kept = (writer.FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")

    assert writer.schema_text_of(writer.RESULTS[name]) == kept


class FurtherResult(CheckResult, frozen=True, kw_only=True, tag="pfnlab-check/1"):
    """A check with a key more.

    :param turns: how often it was turned
    """

    turns: int = 7


@pytest.fixture(scope="module")
def further() -> FurtherResult:
    """One of a model that leaks."""
    checked = check(ModelMachine("6.1"), load_scope("small"))
    return FurtherResult(**{name: getattr(checked, name) for name in checked.__struct_fields__})


#: Where a field shows, and whether it does.
SHOWN: dict[str, Callable[[FurtherResult], bool]] = {
    "JSON": lambda result: json.loads(result.as_json())["turns"] == 7,
    "schema": lambda result: (
        writer.schema_of(type(result))["properties"]["turns"]["description"] == "How often it was turned."
    ),
    "text": lambda result: "turns: 7" in terminal(part(result)).splitlines(),
    "report": lambda result: ("turns", ("7",)) in part(result).facts,
    "notebook": lambda result: all(row["turns"] == 7 for row in CheckReport([result]).to_records()),
    "store": lambda result: (
        check_results(CheckWork(machine="model:6.1", scope="small"), result)[0].detail["turns"] == 7
    ),
}


@pytest.mark.parametrize("place", SHOWN)
def test_a_field_more_shows_everywhere(further: FurtherResult, place: str) -> None:
    """It is written in one file."""
    assert SHOWN[place](further)


def test_a_result_is_read_back(further: FurtherResult) -> None:
    """From what ``--json`` prints: the same value."""
    assert further == msgspec.json.decode(further.as_json(), type=FurtherResult)


@for_each(
    ("outcomes", "expected"),
    [
        ((), Outcome.AS_EXPECTED),
        ((Outcome.UNDECIDED, Outcome.AS_EXPECTED), Outcome.UNDECIDED),
        ((Outcome.UNDECIDED, Outcome.DISCOVERY), Outcome.DISCOVERY),
    ],
)
def test_the_outcome_of_several(outcomes: tuple[Outcome, ...], expected: Outcome) -> None:
    """A discovery is more than what is undecided."""
    assert expected is Outcome.of_all(outcomes)
