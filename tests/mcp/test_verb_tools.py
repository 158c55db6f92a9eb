"""Tools, made from the requests of verbs: what a client may give, and what becomes of it."""

from __future__ import annotations

import re
from typing import Any

import pytest
import tooling
from for_each import for_each
from jsonschema import Draft202012Validator

from pfnlab.base.errors import Misuse
from pfnlab.cli.reader import read
from pfnlab.mcp.verb_tools import MOST_TEXT, Grants, ToolCall, called, verb_tools

PROGRAM = "pfnlab program 1\ndevice bar: pci, 4 pages\n\na = mmap bar[0:4] wc shared rw\n"
POLICY = "class Mine:\n    pass\n"

NOTHING, EVERYTHING = Grants(), Grants(kernels=True, policies=True)


def call(name: str, grants: Grants = NOTHING, **arguments: Any) -> ToolCall:
    return called(name, arguments, grants)


def test_each_argument_of_each_tool_was_decided_on() -> None:
    """A new option of a verb is offered on purpose: it writes nothing, and opens no file."""
    offered = {name: list(tool.input_schema["properties"]) for name, tool in verb_tools(NOTHING).items()}

    assert {
        "run": ["programs", "on", "full", "steps", "trace", "compare"],
        "review": ["design", "patch", "base", "seconds"],
        "explain": ["words", "errno", "kernel", "long"],
        "bugs_list": ["kind", "breaks", "discussion", "series", "reach", "cve"],
        "bugs_find": ["words", "all"],
        "bugs_show": ["bug"],
        "bugs_affects": ["version", "config", "changelog", "arch", "all"],
        "bugs_run": ["bug", "on"],
        "discussions_list": ["claims", "discussion"],
        "discussions_show": ["number", "search"],
        "discussions_by": ["author", "discussion"],
        "discussions_review": ["number", "seconds"],
        "help": ["words", "schema"],
    } == offered


def test_more_is_offered_where_more_is_granted() -> None:
    """Options of kernels, and of policies."""
    offered = verb_tools(EVERYTHING)["run"].input_schema["properties"]

    assert {"accel", "look", "policy"} == offered.keys() - verb_tools(NOTHING)["run"].input_schema[
        "properties"
    ]


@for_each("tool", list(verb_tools(EVERYTHING).values()))
def test_an_input_schema_is_a_schema(tool: Any) -> None:
    """Of an object."""
    Draft202012Validator.check_schema(tool.input_schema)

    assert "object" == tool.input_schema["type"]


def test_an_argument_is_described_as_its_option() -> None:
    """With the words of help, its choices, bounds and default."""
    schemas = {name: tool.input_schema["properties"] for name, tool in verb_tools(NOTHING).items()}

    assert ["bug", "change", "proposal", "regression", "rule"] == schemas["bugs_list"]["kind"]["enum"]
    assert (0, 60) == tuple(schemas["review"]["seconds"][key] for key in ("minimum", "default"))
    assert "Also show the order of kernel calls." == schemas["run"]["trace"]["description"]
    assert "array" == schemas["run"]["on"]["type"]


def test_a_call_is_a_command() -> None:
    """Which the command line reads."""
    words = call("run", programs=["munmap-middle"], on=["model:6.1", "7.3"], steps=True, trace=False).words

    assert ("run", "--on", "model:6.1", "--on", "7.3", "--steps", "munmap-middle") == words
    assert read(words).request.steps


def test_the_words_of_a_group_are_its_verb() -> None:
    """As on the command line."""
    assert ("bugs", "find", "--all", "CVE-2024-35877") == call(
        "bugs_find", words=["CVE-2024-35877"], all=True
    ).words


@for_each(
    ("name", "text", "says"),
    [
        ("review", "write a DESIGN, or --patch FILE", "write a design, or `patch` FILE"),
        ("run", "add --on MACHINE or --compare", "add `on` MACHINE or `compare`"),
        ("bugs_affects", "the one VERSION names (- for standard input)", "the one version names"),
        # Commands, options of others, and names of the kernel.
        ("review", "`pfnlab review --patch FILE` --jobs", "`pfnlab review --patch FILE` --jobs"),
        ("review", "DESIGNS, CONFIG_DESIGN, a--patch, EINVAL", "DESIGNS, CONFIG_DESIGN, a--patch, EINVAL"),
    ],
)
def test_a_text_of_the_command_line_names_arguments(name: str, text: str, says: str) -> None:
    """As the client gives them."""
    assert says == verb_tools(NOTHING)[name].in_arguments(text)


@for_each("tool", list(verb_tools(EVERYTHING).values()))
def test_no_description_speaks_of_the_command_line(tool: Any) -> None:
    """Of standard input, or of options with dashes."""
    whole = tool.description + "".join(
        argument["description"] for argument in tool.input_schema["properties"].values()
    )

    assert ("standard input", " --") == tuple(word for word in ("standard input", " --") if word not in whole)


@for_each("name", ["number", "words", "on", "seconds"])
def test_an_argument_has_one_type_in_all_tools(name: str) -> None:
    """A client that knows it from one tool may give it to another."""
    properties = [tool.input_schema["properties"] for tool in verb_tools(NOTHING).values()]

    assert 1 == len({one[name]["type"] for one in properties if name in one})


def test_the_page_names_the_arguments_that_are_no_options() -> None:
    """In docs/mcp.md."""
    page = (tooling.markdown_pages().ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
    line = page.partition("The words that follow the options have a name here:\n")[2].partition("\n")[0]

    named = {
        argument
        for tool in verb_tools(NOTHING).values()
        for argument, field in tool._fields.items()
        if not field.names
    }
    assert named == set(re.findall(r"`(\w+)`", line))


def test_what_is_null_was_not_given() -> None:
    """As some clients write it."""
    assert call("bugs_list") == call("bugs_list", kind=None)


@for_each(
    ("name", "arguments"),
    [
        ("bugs_find", {"words": ["--all", "x"]}),
        ("bugs_list", {"discussion": "--json"}),
        ("discussions_by", {"author": "--json"}),
        ("explain", {"errno": "EINVAL", "words": ["--output", "x"]}),
    ],
)
def test_a_value_is_never_an_option(name: str, arguments: dict[str, Any]) -> None:
    """Whatever it begins with."""
    line = read(called(name, arguments, NOTHING).words)

    assert not line.is_help
    assert not getattr(line.request, "as_json", False)
    assert "--" in str(line.request)


@for_each(
    ("name", "arguments", "texts"),
    [
        ("run", {"programs": [PROGRAM]}, {"program.pfn": PROGRAM}),
        ("run", {"programs": [PROGRAM, "fork", "{}"]}, {"program.pfn": PROGRAM, "program-2.pfn": "{}"}),
        ("explain", {"words": ["one line", "two"]}, {"log.txt": "one line\ntwo"}),
        ("explain", {"words": ["/etc/passwd"]}, {"log.txt": "/etc/passwd"}),
        ("bugs_affects", {"version": "6.1.85", "config": "/etc/passwd"}, {"config.txt": "/etc/passwd"}),
        ("explain", {"errno": "EINVAL", "words": ["mmap", "resource0"]}, {}),
    ],
)
def test_a_text_is_a_file_of_the_call(name: str, arguments: dict[str, Any], texts: dict[str, str]) -> None:
    """Whose name is not the client's."""
    made = called(name, arguments, NOTHING)

    assert texts == made.texts
    assert set(texts) == {word for word in made.words if word in texts}


REFUSED = [
    (
        "run",
        {"programs": ["/etc/passwd"]},
        "no program /etc/passwd comes with pfnlab: send the program's text",
    ),
    ("run", {"programs": ["../x.pfn"]}, "no program ../x.pfn comes with pfnlab"),
    ("run", {"programs": ["-"]}, "no program - comes with pfnlab"),
    ("run", {"programs": ["munmap-midle"]}, "did you mean munmap-middle?"),
    ("run", {"programs": ["fork"], "on": ["model:7.3,tracker=/tmp/a.py"]}, "names a file, and no client may"),
    ("run", {"programs": ["fork"], "on": ["model:7.3,tracker=a.py"]}, "names a file, and no client may"),
    ("run", {"programs": ["fork"], "on": ["model:7.3,config=/boot/config"]}, "names a file"),
    ("run", {"programs": ["fork"], "on": ["model:7.3,config=x"]}, "names a file"),
    ("run", {"programs": ["fork"], "on": ["qemu:/boot/vmlinuz"]}, "names a file"),
    ("run", {"programs": ["fork"], "on": ["qemu:7.3"]}, "start the server with `pfnlab mcp --kernels`"),
    ("bugs_run", {"bug": "A06", "on": ["qemu:6.1..6.12"]}, "start the server with `pfnlab mcp --kernels`"),
    ("run", {"programs": ["fork"], "look": "proc"}, "which need `pfnlab mcp --kernels`"),
    ("review", {"design": "mine.py"}, "names a file"),
    ("review", {"design": "flush=end_vma", "base": "model:7.2,flush=./x.py"}, "names a file"),
    ("review", {"design": POLICY}, "start the server with `pfnlab mcp --policies`"),
    ("run", {"programs": ["fork"], "policy": [POLICY]}, "which needs `pfnlab mcp --policies`"),
    ("run", {"programs": ["fork"], "output": "/tmp/x"}, "run does not take output here"),
    ("run", {"programs": ["fork"], "promote": True}, "run does not take promote here"),
    ("review", {"design": "flush=end_vma", "resume": "/tmp/x"}, "review does not take resume here"),
    ("review", {"design": "flush=end_vma", "store": "/tmp/x"}, "review does not take store here"),
    ("run", {"programs": ["fork"], "steeps": True}, "run has no argument steeps: did you mean steps?"),
    ("run", {"programs": ["fork"], "\n\x1b[2J": 1}, "run has no argument"),
    ("run", {"programs": "fork"}, "programs: expected `array`, got `str`"),
    ("run", {"programs": [1]}, "programs[0]: expected `str`, got `int`"),
    ("run", {"programs": ["fork"], "steps": "yes"}, "steps: expected `bool`, got `str`"),
    ("review", {"design": ["x"]}, "design: expected `str`, got `array`"),
    ("review", {"design": "flush=end_vma", "seconds": "60"}, "seconds: expected `float`, got `str`"),
    ("review", {"design": "flush=end_vma", "seconds": True}, "seconds: expected `float`, got `bool`"),
    ("review", {"design": "flush=end_vma", "seconds": 1e9}, "seconds: expected `float` <= 150.0"),
    ("review", {"design": "flush=end_vma", "seconds": float("nan")}, "seconds: expected `float` >= 0.0"),
    ("explain", {"words": ["x" * (MOST_TEXT + 1)]}, "words has 1,048,577 bytes: send at most 1,048,576"),
    ("run", {"programs": [f"{PROGRAM}#{'x' * MOST_TEXT}"]}, "send at most 1,048,576"),
    ("bugs_show", {"bug": "x" * 1001}, "bug has 1,001 characters: write at most 1,000"),
    ("bugs_show", {"bug": "A06\0"}, "bug is not a line of printable text"),
    ("bugs_show", {"bug": "\ud800"}, "bug is not a line of printable text"),
    ("run", {}, "run: send the argument `programs`"),
    ("bugs_find", {"words": []}, "words: expected `array` of length >= 1"),
    ("bugs_show", {"bug": None}, "bugs_show: send the argument `bug`"),
    ("explain", {"long": True}, "explain: send the argument `words`"),
    ("kernels_build", {}, "there is no tool kernels_build"),
    ("rum", {}, "there is no tool rum: did you mean run?"),
]


@for_each(("name", "arguments", "says"), REFUSED)
def test_what_is_not_granted_is_refused_in_one_line(name: str, arguments: dict[str, Any], says: str) -> None:
    """Which says what to write, or which option of the server grants it."""
    with pytest.raises(Misuse) as refused:
        called(name, arguments, NOTHING)

    assert says in str(refused.value)
    assert str(refused.value).isprintable()


def test_a_word_that_is_not_a_machine_boots_nothing() -> None:
    """Its call has a limit of memory, which one on a kernel has not."""
    assert not call("bugs_find", words=["qemu:7.3"]).on_kernel


def test_a_granted_kernel_runs() -> None:
    """By its version; a file is refused all the same."""
    granted = call("run", EVERYTHING, programs=["fork"], on=["qemu:7.3"])

    assert (granted.on_kernel, call("run", programs=["fork"], on=["model:7.3"]).on_kernel) == (True, False)
    with pytest.raises(Misuse, match="names a file"):
        call("run", EVERYTHING, programs=["fork"], on=["qemu:/boot/vmlinuz"])


@for_each(
    ("name", "arguments"),
    [("review", {"design": POLICY}), ("run", {"programs": ["fork"], "policy": [POLICY]})],
)
def test_a_granted_policy_is_code_that_runs(name: str, arguments: dict[str, Any]) -> None:
    """In a process that is watched."""
    granted = called(name, arguments, EVERYTHING)

    assert (True, {"policy.py": POLICY}) == (granted.runs_code, granted.texts)


def test_a_verb_ends_before_its_call() -> None:
    """Also where nobody said how long it may work."""
    short = Grants(seconds=10)

    assert ("review", "--seconds", "5.0", "flush=end_vma") == call(
        "review", short, design="flush=end_vma"
    ).words
    assert 5 == verb_tools(short)["review"].input_schema["properties"]["seconds"]["default"]
