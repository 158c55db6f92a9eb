"""Command lines that are read without the framework: the request is the one that the framework gives."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asking import Ask
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st
from test_options import CountedRequest, perform

from pfnlab.cli import options
from pfnlab.cli.direct import performed_directly, request_directly
from pfnlab.cli.examples import examples_of
from pfnlab.cli.plain import DECLARED, PLAIN, Verbs
from pfnlab.cli.verb_modules import GROUPS, loaded, option_fields, request_of
from pfnlab.cli.verbs import framework_command
from pfnlab.errors import Misuse

#: Words of examples from which on they are the shell's.
_SHELL = ("|", ">", "<", "&&")


def of_framework(verb: str, words: list[str]) -> Any:
    """The request that the framework makes; None where it refuses the words."""
    asked: list[Any] = []

    def performed(verb: str, request: Any) -> int:
        asked.append(request)
        return 0

    alone = Verbs(**PLAIN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(options, "performed", performed)
        alone.command()(options.function_of(verb))
        try:
            alone(words, standalone_mode=False)
        except Misuse:
            return None
        except Exception as trouble:
            assert "ClickException" in {kind.__name__ for kind in type(trouble).__mro__}
            return None
    return asked[0] if asked else None


def _of_examples(verb: str) -> list[list[str]]:
    lines = [shlex.split(example.line) for example in examples_of(verb)]
    words = [line[line.index("pfnlab") + 1 + len(verb.split()) :] for line in lines if "pfnlab" in line]
    return [line for line in words if not {*_SHELL} & {*line}]


@for_each("verb", sorted(DECLARED))
def test_examples_need_no_framework(verb: str) -> None:
    """Each is read, and as the framework reads it."""
    for words in _of_examples(verb):
        request = request_directly(verb, words)

        assert request is not None
        assert of_framework(verb, words) == request


@st.composite
def command_lines(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A verb and words: many that it takes, and some that it does not."""
    verb = draw(st.sampled_from(sorted(DECLARED)))
    fields = list(option_fields(request_of(verb)))
    names = [name for field in fields for name in field.option.names or (f"--{field.name}",)]
    names = [name.replace("_", "-") for name in names]
    values = st.sampled_from(
        ["model:7.2", "3", "-1", "0", "900", "2.5", "1_0", "fork/a.pfn", "-", "", "ü", "/"]
    )
    word = st.one_of(
        st.sampled_from(names),
        values,
        st.tuples(st.sampled_from(names), values).map(lambda both: "=".join(both)),
        st.sampled_from(["--", "--no-browser", "-o", "-ox", "--nothing", "-q"]),
    )
    pairs = st.tuples(st.sampled_from(names), values).map(list)
    return verb, [
        one for some in draw(st.lists(st.one_of(word.map(lambda w: [w]), pairs), max_size=5)) for one in some
    ]


@settings(max_examples=150, deadline=None)
@given(command_lines())
def test_the_framework_gives_the_same_request(line: tuple[str, list[str]]) -> None:
    """Whatever is written, wherever this module gives one."""
    verb, words = line
    request = request_directly(verb, words)

    if request is not None:
        assert of_framework(verb, words) == request


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Reads the words of a verb that is made up, with a field of every kind."""
    from types import ModuleType

    module = ModuleType("pfnlab.verbs.counting")
    module.__dict__.update(perform=perform, CountedRequest=CountedRequest)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return lambda *words: request_directly("counting", list(words))


@for_each(
    ("words", "said"),
    [
        (("a", "--on", "x", "b", "--on=y"), {"what": ("a", "b"), "on": ("x", "y")}),
        (("--", "--of-all"), {"what": ("--of-all",)}),
        (("a", "--of-all", "--no-shown"), {"what": ("a",), "of_all": True, "shown": False}),
        (("a", "--shown"), {"what": ("a",)}),
        (("a", "-n", "4", "--many", "6"), {"what": ("a",), "number": 6}),
        (("a", "--pair", "x", "y"), {"what": ("a",), "pair": ("x", "y")}),
        (("-", "--folder", "there"), {"what": ("-",), "folder": Path("there")}),
    ],
)
def test_every_way_to_write_is_read(
    counting: Callable[..., Any], words: tuple[str, ...], said: dict[str, Any]
) -> None:
    """Options anywhere, with a sign or a word for the value, given twice, and words after two dashes."""
    assert CountedRequest(**said) == counting(*words)
    assert of_framework("counting", list(words)) == counting(*words)


@for_each(
    "words",
    [
        (),
        ("a", "--nothing"),
        ("a", "--help"),
        ("a", "-h"),
        ("a", "--many"),
        ("a", "--many", "--on", "x"),
        ("a", "--many", "x"),
        ("a", "--many", "0"),
        ("a", "--many", "10"),
        ("a", "--many", "3"),
        ("a", "-n4"),
        ("a", "--of-all=yes"),
        ("a", "--no-of-all"),
        ("a", "--inner", "3"),
        ("a", "--pair", "x"),
        ("a", "--pair=x", "y"),
        ("a", ""),
    ],
)
def test_what_is_in_question_is_left_to_the_framework(
    counting: Callable[..., Any], words: tuple[str, ...]
) -> None:
    """A mistake, help, and what is written in a rare way."""
    assert counting(*words) is None


@for_each(
    "words", [(), ("--help",), ("kernels",), ("kernels-list",), ("kernels_list",), ("option",), ("new",)]
)
def test_what_is_no_verb_is_left_to_the_framework(words: tuple[str, ...]) -> None:
    """Also a group without a verb, and the name of a module."""
    assert performed_directly(words) is None


def test_groups_are_those_of_the_framework() -> None:
    """By the same names."""
    commands = framework_command().commands

    assert {*GROUPS} == {name for name, command in commands.items() if hasattr(command, "commands")}


@for_each(
    "words",
    [
        ("run",),
        ("run", "no-such-program"),
        ("run", "munmap-middle", "--on"),
        ("run", "munmap-middle", "--colour"),
        ("check", "--depth", "much"),
        ("check", "--jobs", "100000"),
        ("fuzz", "--on", "model:7.2", "--programs", "-3"),
    ],
)
def test_a_mistake_is_one_line(ask: Ask, words: tuple[str, ...]) -> None:
    """Whoever finds it."""
    answer = ask(*words)

    assert (2, "") == (answer.code, answer.out)
    assert 1 == len(answer.err.splitlines())


def test_the_framework_is_not_imported() -> None:
    """For a line without a question; for a word that it has to refuse it is, and pydantic too."""
    code = (
        "import sys\nfrom pfnlab.cli import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print(sorted({'typer', 'pydantic'} & {*sys.modules}))"
    )

    def loaded_by(*words: str) -> str:
        command = [sys.executable, "-c", code, *words]
        return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.splitlines()[-1]

    assert "[]" == loaded_by("litmus", "list", "--grep", "fork")
    assert "typer" in loaded_by("litmus", "list", "--grip", "fork")
    assert loaded("litmus list")
