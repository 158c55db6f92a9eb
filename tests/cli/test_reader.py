"""Command lines as requests: an option is written once, as a field of a request."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import msgspec
import pytest
from asking import Ask
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.errors import Misuse
from pfnlab.base.result import Outcome
from pfnlab.cli.reader import CommandLine, perform_words, read
from pfnlab.cli.verbs import help_of, loaded, options_of, page_of, request_of, verb_pages
from pfnlab.present.document.blocks import Paragraph
from pfnlab.verbs.option import Option, Request


def even(number: int) -> None:
    """Refuse an odd number."""
    if number % 2:
        raise Misuse(f"{number} is odd")


class CountedRequest(Request, frozen=True, kw_only=True):
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
    share: Annotated[float | None, Option("A part.", "S", min=0)] = None
    inner: int = 7


class CountedQuestion(msgspec.Struct):
    """What was asked, as it reached the verb."""

    request: CountedRequest

    @property
    def outcome(self) -> Outcome:
        """One thing is as expected."""
        return Outcome.AS_EXPECTED if len(self.request.what) == 1 else Outcome.DISCOVERY

    def blocks(self) -> tuple[Paragraph, ...]:
        """What is printed."""
        return (Paragraph(str(msgspec.structs.asdict(self.request))),)


def perform(request: CountedRequest, say: object) -> Iterator[CountedQuestion]:
    """Give back the request."""
    yield CountedQuestion(request)


#: The help of the verb that is made up, which has no file.
HELP = {"counting": "Count things."}


@pytest.fixture(autouse=True)
def counting(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verb ``counting`` that is not there, with a field of every kind."""
    module = ModuleType("pfnlab.verbs.counting")
    module.__dict__.update(perform=perform, CountedRequest=CountedRequest)
    monkeypatch.setitem(sys.modules, "pfnlab.verbs.counting", module)
    monkeypatch.setattr(loaded(""), "VERBS", ("counting", *loaded("").VERBS))
    monkeypatch.setattr("pfnlab.cli.verbs.help_of", lambda verb: HELP.get(verb) or help_of(verb))


def request_from(*words: str) -> Any:
    """The request that the words of the verb make."""
    asked = read(["counting", *words])
    assert "counting" == asked.verb
    return asked.request


def refusal(*words: str) -> str:
    """What is said of a command line that is refused."""
    with pytest.raises(Misuse) as caught:
        read(words)
    return str(caught.value)


@for_each(
    ("words", "fields"),
    [
        (("a",), {}),
        (("a", "--on", "x", "--on", "y"), {"on": ("x", "y")}),
        (("a", "--on", "x", "b", "--on=y"), {"what": ("a", "b"), "on": ("x", "y")}),
        (("--of-all", "a", "--no-shown"), {"of_all": True, "shown": False}),
        (("a", "--no-shown", "--shown"), {}),
        (("a", "--pair", "x", "y"), {"pair": ("x", "y")}),
        (("a", "--pair", "x", "y", "--pair", "z", "w"), {"pair": ("z", "w")}),
        (("a", "-n", "4", "--many", "6"), {"number": 6}),
        (("a", "-n4"), {"number": 4}),
        (("a", "--many", "+4"), {"number": 4}),
        (("a", "--many", "4.0"), {"number": 4}),
        (("a", "--share", "1e3"), {"share": 1000.0}),
        (("a", "--share", "inf"), {"share": float("inf")}),
        (("a", "--folder", "there"), {"folder": Path("there")}),
        (("a", "--on=--of-all", "--on=x=y"), {"on": ("--of-all", "x=y")}),
        (("--of-all", "--", "--on", "-"), {"what": ("--on", "-"), "of_all": True}),
        (("-", "--", "--", "b"), {"what": ("-", "--", "b")}),
    ],
)
def test_every_way_to_write_is_read(words: tuple[str, ...], fields: dict[str, Any]) -> None:
    """Options anywhere, with a sign or a word for the value, given twice, and words after two dashes."""
    assert CountedRequest(**{"what": ("a",), **fields}) == request_from(*words)


@for_each(
    ("words", "says"),
    [
        ((), "THING is missing: write pfnlab counting [OPTIONS] THING..."),
        (("a", "--of-al"), "pfnlab counting has no option --of-al: did you mean --of-all?"),
        (("a", "--inner=3"), "pfnlab counting has no option --inner: `pfnlab counting --help` lists them"),
        (("a", "-3"), "pfnlab counting has no option -3: `pfnlab counting --help` lists them"),
        (("a", "--no-of-all"), "pfnlab counting has no option --no-of-all: did you mean --of-all?"),
        (("a", "--many"), "--many needs a value: write --many N"),
        (
            ("a", "--on", "--of-all"),
            "--on needs a value: write --on MACHINE, or --on=--of-all if that is the value",
        ),
        (("a", "--pair", "x"), "--pair needs 2 values: write --pair A B"),
        (("a", "--pair", "x", "--of-all"), "--pair needs 2 values: write --pair A B"),
        (("a", "--of-all=yes"), "--of-all takes no value: drop it"),
        (("a", "--no-shown=yes"), "--no-shown takes no value: drop it"),
        (("a", "-n", "0"), "--many 0 is too small: write at least 1"),
        (("a", "-n", "-1"), "--many -1 is too small: write at least 1"),
        (("a", "--many", "10"), "--many 10 is too large: write at most 9"),
        (("a", "--many", "3"), "3 is odd"),
        (("a", "--many", "1e2"), "--many 1e2 is not a whole number: write --many N"),
        (("a", "--many", "4.5"), "--many 4.5 is not a whole number: write --many N"),
        (("a", "--share", "half"), "--share half is not a number: write --share S"),
        (("a", "--share", "nan"), "--share nan is too small: write at least 0"),
        (("a", "--folder", ""), "--folder is empty: write --folder DIR, or drop it"),
        (("a", "--on="), "--on is empty: write --on MACHINE, or drop it"),
        (("a", "--pair", "x", ""), "--pair is empty: write --pair A B, or drop it"),
        (("a", ""), "THING is empty: write one"),
    ],
)
def test_a_mistake_says_what_to_write(words: tuple[str, ...], says: str) -> None:
    """In one line, whatever is wrong."""
    assert says == refusal("counting", *words)


@for_each(
    ("words", "says"),
    [
        (("countin",), "no verb 'countin': did you mean counting?"),
        (("kernels", "lst"), "no verb 'kernels lst': did you mean list?"),
        (("kernels", "zzz"), "no verb 'kernels zzz': `pfnlab kernels --help` lists them"),
        (("kernels-list",), "no verb 'kernels-list': did you mean kernels?"),
        (("zzz",), "no verb 'zzz': `pfnlab --help` lists them"),
        (("--colour", "run"), "pfnlab has no option --colour: `pfnlab --help` lists them"),
        (
            ("bisect", "A06", "--bad", "qemu:6.1"),
            "--good is missing: write pfnlab bisect [OPTIONS] PROGRAM|PROPERTY|BUG --good VERSION",
        ),
        (("kernels", "--mirror"), "--mirror needs a value: write --mirror URI"),
        (
            ("kernels", "diff", "a", "b", "c"),
            "unexpected argument: 'c'; usage: pfnlab kernels diff [OPTIONS] A B",
        ),
        (("campaign", "status", "--store", ""), "--store is empty: write --store STORE, or drop it"),
    ],
)
def test_a_verb_or_a_group_is_named(words: tuple[str, ...], says: str) -> None:
    """With the nearest that there is."""
    assert says == refusal(*words)


@given(st.sampled_from([page.name for page in verb_pages()]), st.data())
def test_no_option_takes_an_empty_word(verb: str, data: st.DataObject) -> None:
    """Whatever it is for, and however it is written."""
    fields = [field for field in options_of(verb) if field.names and field.forms]
    if not fields:
        return
    field = data.draw(st.sampled_from(fields))
    name = data.draw(st.sampled_from([one for one in field.names if one.startswith("--")]))
    empty = [name, "", *([""] * (len(field.forms) - 1))]

    assert refusal(*verb.split(), *empty).startswith(f"{name} is empty: write {name} ")


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the verb begins; one that is not there is not."""
    monkeypatch.setattr("os.access", lambda path, mode: False)

    assert Path("none") == request_from("a", "--folder", "none").folder
    assert refusal("counting", "a", "--folder", str(tmp_path)).startswith(
        f"--folder: {tmp_path} is not readable"
    )


@for_each(
    ("words", "asked"),
    [
        ((), CommandLine("")),
        (("-h",), CommandLine("", is_help=True)),
        (("campaign",), CommandLine("campaign")),
        (("campaign", "--help"), CommandLine("campaign", is_help=True)),
        (("counting", "--help"), CommandLine("counting", is_help=True)),
        (("counting", "--nothing", "-h"), CommandLine("counting", is_help=True)),
    ],
)
def test_help_is_asked_for(words: tuple[str, ...], asked: CommandLine) -> None:
    """Or shown where no verb of a group is named, which is misuse."""
    assert asked == read(words)


@for_each(
    ("group", "verb"),
    [("kernels", "kernels list"), ("bugs", "bugs list"), ("policies", "policies list")],
)
def test_a_group_without_a_verb_has_a_default(group: str, verb: str) -> None:
    """Its list, or what the group does itself."""
    assert verb == read([group]).verb


def test_the_option_of_a_group_is_for_its_verbs() -> None:
    """It stands before the verb."""
    asked = read(["kernels", "--mirror", "file:/a", "rm", "6.1"])

    assert ("kernels rm", "file:/a") == (asked.verb, asked.of_group.mirror)


@for_each(("words", "code"), [(("a",), 0), (("a", "b"), 1)])
def test_the_exit_code_is_that_of_the_results(words: tuple[str, ...], code: int) -> None:
    """As of every verb."""
    assert code == perform_words(["counting", *words])


def test_a_page_has_every_field() -> None:
    """With its name, its word, its meaning, and its limits."""
    page = page_of("counting")
    rows = [*page.arguments, *page.options]

    assert [
        ((), "THING", "Things.", ""),
        (("--on",), "MACHINE", "Machines.", ""),
        (("--of-all",), "", "All of them.", ""),
        (("--shown", "--no-shown"), "", "Show them.", "default: --shown"),
        (("--pair",), "A B", "Two.", ""),
        (("-n", "--many"), "N", "So many.", "default: 2; 1<=x<=9"),
        (("--folder",), "DIR", "Where.", "default: found"),
        (("--share",), "S", "A part.", "x>=0"),
    ] == [(row.all_names, row.metavar, row.help, row.limits) for row in rows]


#: Every verb that has a request, by its whole name.
VERBS = [page.name for page in verb_pages() if request_of(page.name)]


@for_each("verb", VERBS)
def test_the_help_of_a_verb_is_that_of_its_module_or_request(ask: Ask, verb: str) -> None:
    """Also where it is read without an import."""
    help_ = ask(*verb.split(), "--help").out

    assert (request_of(verb) if " " in verb else loaded(verb)).__doc__ == help_of(verb)
    assert help_of(verb).splitlines()[0] in " ".join(help_.split())


@for_each("verb", VERBS)
def test_an_argument_that_takes_all_is_the_last(verb: str) -> None:
    """Nothing would be left for one behind it."""
    arguments = [field.many for field in options_of(verb) if not field.names]

    assert True not in arguments[:-1]


@for_each("verb", VERBS)
def test_a_request_says_what_an_option_means_once(verb: str) -> None:
    """In the help of the option: its docstring has no word on it."""
    assert ":param" not in (request_of(verb).__doc__ or "")


@for_each("verb", VERBS)
def test_a_module_of_a_verb_is_quick_to_import(verb: str) -> None:
    """It imports what its options need; what ``perform`` needs is imported there."""
    import subprocess

    command = f"import sys; import {loaded(verb).__name__}; print(*sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)

    light = {"pfnlab", "pfnlab.base.version", "pfnlab.base.errors", "pfnlab.verbs", "pfnlab.verbs.option"}
    light |= {
        "pfnlab.verbs.verb_option",
        "pfnlab.verbs.kernels_compared",
        "pfnlab.verbs.campaign_results",
        "pfnlab.base",
        "pfnlab.base.result",
        "pfnlab.base.inert",
        "pfnlab.base.made",
    }
    ours = {name for name in modules.stdout.split() if name.partition(".")[0] == "pfnlab"}
    assert {loaded(verb).__name__} == ours - light


@for_each("words", [("--",), ("kernels", "--")])
def test_two_dashes_alone_are_no_options_of_a_group(words: tuple[str, ...]) -> None:
    """They are as nothing."""
    assert read(words[:-1]) == read(words)
