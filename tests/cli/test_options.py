"""Commands made of verbs: an option is written once, as a field of a request."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated

import msgspec
import pytest
import typer
from asking import Ask
from for_each import for_each

from pfnlab.cli.app import app
from pfnlab.cli.options import function_of
from pfnlab.cli.plain import DECLARED
from pfnlab.cli.verb_modules import help_of, loaded, module_of, request_of, verb_modules
from pfnlab.cli.verbs import framework_command, option_of
from pfnlab.errors import Misuse
from pfnlab.result import Outcome
from pfnlab.verbs.option import Option


def even(number: int) -> None:
    """Refuse an odd number."""
    if number % 2:
        raise Misuse(f"{number} is odd")


class CountedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """Count things.

    Not more than that.
    """

    what: Annotated[tuple[str, ...], Option("Things.", "THING", positional=True)]
    on: Annotated[tuple[str, ...], Option("Machines.", "MACHINE")] = ()
    of_all: Annotated[bool, Option("All of them.")] = False
    shown: Annotated[bool, Option("Show them.")] = True
    pair: Annotated[tuple[str, str] | None, Option("Two.", "A B")] = None
    number: Annotated[int, Option("So many.", "N", ("-n", "--many"), min=1, max=9, check=even)] = 2
    folder: Annotated[Path, Option("Where.", "DIR")] = Path("found")
    inner: int = 7


class Counted(msgspec.Struct):
    """What was asked, as it reached the verb."""

    request: CountedRequest

    @property
    def outcome(self) -> Outcome:
        """One thing is as expected."""
        return Outcome.AS_EXPECTED if len(self.request.what) == 1 else Outcome.DISCOVERY

    def __str__(self) -> str:
        return str(msgspec.structs.asdict(self.request))


def perform(request: CountedRequest, say: object) -> Iterator[Counted]:
    """Give back the request."""
    yield Counted(request)


@pytest.fixture
def counting(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """A command of a verb that is not there, in place of its module one made up here."""
    module = ModuleType("pfnlab.verbs.counting")
    module.__dict__.update(perform=perform, CountedRequest=CountedRequest)
    monkeypatch.setitem(sys.modules, "pfnlab.verbs.counting", module)
    alone = typer.Typer(add_completion=False)
    alone.command()(function_of("counting"))
    return alone


def asked(command: typer.Typer, *words: str) -> int:
    """The exit code of a command."""
    return int(command(words, standalone_mode=False))


DEFAULTS = {
    **{"what": ("a",), "on": (), "of_all": False, "shown": True, "pair": None, "number": 2},
    **{"folder": Path("found"), "inner": 7},
}


@pytest.mark.parametrize(
    ("words", "fields"),
    [
        ([], {}),
        (["--on", "x", "--on", "y"], {"on": ("x", "y")}),
        (["--of-all"], {"of_all": True}),
        (["--no-shown"], {"shown": False}),
        (["--pair", "x", "y"], {"pair": ("x", "y")}),
        (["-n", "4"], {"number": 4}),
        (["--many", "8", "--folder", "there"], {"number": 8, "folder": Path("there")}),
    ],
    ids=str,
)
def test_a_command_line_becomes_a_request(
    counting: typer.Typer, capsys: pytest.CaptureFixture[str], words: list[str], fields: dict[str, object]
) -> None:
    """Every kind of field; those that are not given have their defaults."""
    asked(counting, "a", *words)

    assert f"{ {**DEFAULTS, **fields} }\n" == capsys.readouterr().out


@pytest.mark.parametrize(("words", "code"), [(["a"], 0), (["a", "b"], 1)])
def test_the_exit_code_is_that_of_the_results(counting: typer.Typer, words: list[str], code: int) -> None:
    """As of every verb."""
    assert code == asked(counting, *words)


@pytest.mark.parametrize(
    "words", [["a", "--no-of-all"], ["a", "--inner", "3"], ["a", "-n", "0"], ["a", "-n", "10"], []], ids=str
)
def test_what_no_field_has_is_refused(counting: typer.Typer, words: list[str]) -> None:
    """A flag against a flag, a field without an option, a number out of bounds, a missing argument."""
    with pytest.raises(Exception) as caught:
        asked(counting, *words)

    assert "ClickException" in {kind.__name__ for kind in type(caught.value).__mro__}


def test_a_value_that_cannot_be_is_refused_by_its_check(counting: typer.Typer) -> None:
    """Before the verb begins."""
    with pytest.raises(Misuse, match="3 is odd"):
        asked(counting, "a", "-n", "3")


def test_the_help_has_every_field(counting: typer.Typer) -> None:
    """With its name, its word and its meaning."""
    rows = [option_of(parameter) for parameter in typer.main.get_command(counting).params]

    assert [
        ((), "THING", "Things."),
        (("--on",), "MACHINE", "Machines."),
        (("--of-all",), "", "All of them."),
        (("--shown", "--no-shown"), "", "Show them."),
        (("--pair",), "A B", "Two."),
        (("-n", "--many"), "N", "So many."),
        (("--folder",), "DIR", "Where."),
    ] == [(row.names, row.metavar, row.says) for row in rows]


def test_every_module_of_verbs_has_a_command() -> None:
    """By its name, in its group."""
    commands = framework_command().commands
    names = {*commands} | {f"{name} {verb}" for name, group in commands.items() for verb in
                           getattr(group, "commands", {})}  # fmt: skip

    assert {*verb_modules()} <= {module_of(name) for name in names}


@for_each("verb", sorted(DECLARED))
def test_the_help_of_a_verb_is_that_of_its_module(ask: Ask, verb: str) -> None:
    """Also where it is read without an import."""
    help_ = ask(*verb.split(), "--help").out

    assert loaded(verb).__doc__ == help_of(verb)
    assert loaded(verb).__doc__.splitlines()[0] in " ".join(help_.split())


@for_each("verb", sorted(DECLARED))
def test_a_request_says_what_an_option_means_once(verb: str) -> None:
    """In the help of the option: its docstring has no word on it."""
    assert ":param" not in request_of(verb).__doc__


@for_each("verb", sorted(DECLARED))
def test_a_module_of_a_verb_is_quick_to_import(verb: str) -> None:
    """It imports what its options need; what ``perform`` needs is imported there."""
    import subprocess

    command = f"import sys; import {loaded(verb).__name__}; print(*sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)

    light = {"pfnlab", "pfnlab.version", "pfnlab.errors", "pfnlab.verbs", "pfnlab.verbs.option"}
    light |= {"pfnlab.result", "pfnlab.inert", "pfnlab.made"}
    ours = {name for name in modules.stdout.split() if name.partition(".")[0] == "pfnlab"}
    assert {loaded(verb).__name__} == ours - light


def test_the_verbs_of_modules_are_found() -> None:
    """So the tests above mean something."""
    assert "check" in DECLARED
    assert app.registered_commands


@for_each(
    ("words", "says"),
    [
        (
            ("campaign", "status", "--store", ""),
            "--store '' has no value: write one, or leave the option out",
        ),
        (("campaign", "status", "--store="), "--store= has no value: write one, or leave the option out"),
        (("run", "munmap-middle", "-o", ""), "-o '' has no value: write one, or leave the option out"),
        (("results", ""), "'' is an empty word, which names nothing: leave it out"),
        (("run", "--", ""), "'' is an empty word, which names nothing: leave it out"),
    ],
)
def test_an_empty_word_is_refused(words: tuple[str, ...], says: str, ask: Ask) -> None:
    """A variable that is not set would count as an option that is absent."""
    assert (2, "", f"pfnlab: {says}\n") == ask(*words)


def test_a_word_behind_the_options_may_look_like_one(ask: Ask) -> None:
    """What ends in = is a name there."""
    assert "--x=" in ask("run", "--", "--x=.pfn", "--x=").err


@for_each(
    ("words", "says"),
    [
        (
            ("check", "--differ", "trackers/vm_pat", "trackers/track_ctx", "--states", "5"),
            "--differ asks for one program alone: leave --states out",
        ),
        (
            ("check", "--seed", "4"),
            "a search without --random and --swarm has no random numbers: leave --seed out",
        ),
        (
            ("check", "--swarm", "2", "--every-order"),
            "--swarm goes without --memory, --checkpoint, --random and --every-order: "
            "--states limits each search",
        ),
        (("check", "--seconds", "inf"), "inf is no number of seconds: write one up to 31,622,400 (a year)"),
        (
            ("results", "x.db", "--backup", "y", "--kind", "run"),
            "--backup copies the whole store: leave --kind out",
        ),
        (("results", "x.db", "-o", "y.csv", "--full"), "-o writes all columns: leave --full out"),
        (
            ("kernels", "diff", "--model", "6.1", "7.2", "--programs", "5"),
            "--model has no random programs: leave --programs out",
        ),
        (("kernels", "meet", "7.2", "--known", "x"), "--known says where --promote writes: add --promote"),
        (("kernels", "sizes", "--write", "x", "--json"), "--write prints no sizes: leave --json out"),
        (
            ("bisect", "munmap-middle", "--good", "7.3", "--bad", "6.1", "--jobs", "1"),
            "without --tree nothing is built: leave --jobs out",
        ),
        (
            ("campaign", "new", "x.toml", "--schema"),
            "--schema prints the schema of all such files: leave the file's name out",
        ),
    ],
)
def test_an_option_that_would_have_no_effect_is_refused(words: tuple[str, ...], says: str, ask: Ask) -> None:
    """Instead of being left out of account without a word."""
    assert (2, "", f"pfnlab: {says}\n") == ask(*words)


def test_the_command_after_a_new_campaign_can_be_run(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a file that is called like an option."""
    monkeypatch.chdir(tmp_path)

    answer = ask("campaign", "new", "--", "---x.toml")

    assert "---x.toml written; then: pfnlab campaign check ./---x.toml\n" == answer.err
    assert 0 == ask("campaign", "check", "./---x.toml").code
