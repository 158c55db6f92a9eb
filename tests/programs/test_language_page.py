"""docs/programs.md says what the language is: every example on it is real."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from for_each import for_each

from pfnlab.base.errors import ProgramError
from pfnlab.kernel.mm.processors import Need
from pfnlab.kernel.policies.profiles import PROFILES
from pfnlab.programs.lang import words
from pfnlab.programs.lang.load import from_json, load_text, program_hash, to_json
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.lang.problems import format_text
from pfnlab.programs.lang.process_ops import ADVICE
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import expectation_failures
from pfnlab.programs.runs.observation import BUSY, HELD, NOT_HELD, WAITS

PAGE = (Path(__file__).parents[2] / "docs" / "programs.md").read_text()


def blocks(mark: str) -> list[str]:
    """The fenced blocks of the page that are marked *mark*."""
    return re.findall(rf"^```{mark}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    """The text of one section."""
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(title: str) -> list[list[str]]:
    """The cells of all tables of a section, those of the heads left out."""
    lines = section(title).replace(r"\|", "&").splitlines()
    cells = [line.strip("|").split(" | ") for line in lines if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in cells if "`" in row[0]]


PROGRAMS = blocks("pfn")
BEGINNING = re.findall(r"^```pfn\n(.*?)^```$", section("Operations"), re.MULTILINE | re.DOTALL)[0]
OPERATIONS = [row[0].strip("`") for row in rows("Operations")]
SCHEDULES = [row[0].strip("`") for row in rows("Schedules")]
SLOTS = [row[0].strip("`") for row in rows("Slots")]


@for_each("text", PROGRAMS)
def test_a_program_of_the_page_is_one(text: str):
    """
    Every program loads, and stands there as the formatter would write it.
    """
    assert load_text(text).ops

    assert text == format_text(text)


@for_each("text", [text for text in PROGRAMS if "expect" in text])
def test_what_the_page_expects_is_left(text: str):
    """
    The expectations of the page's programs hold on the model of every series.
    """
    program = load_text(text)

    failures = [
        expectation_failures(program, ModelMachine(series).run_one(program, check=True), series)
        for series in PROFILES
    ]

    assert [[]] * len(PROFILES) == failures


@for_each("line", OPERATIONS)
def test_an_operation_of_the_page_is_one(line: str):
    """
    Every line of the tables can follow the beginning given above them.
    """
    before = load_text(BEGINNING)

    assert len(before.ops) + 1 == len(load_text(BEGINNING + line).ops)


def test_a_task_advises_its_own_memory_as_on_the_page():
    """
    The effect of process_madvise names a line for this, in which the task is its own target.
    """
    (effect,) = [row[1] for row in rows("Operations") if row[0].startswith("`process_madvise")]
    (line,) = re.findall(r"`(.+?)`", effect)
    head = "pfnlab program 1\ndevice bar: pci, 4 pages\na = mmap bar[0:4] wc shared rw\n"

    op = load_text(f"{head}{line}\n").ops[-1]

    assert op.task == op.call.target


@for_each("line", [line for line in SCHEDULES if not line.startswith("release")])
def test_a_hold_of_the_page_is_one(line: str):
    """
    Every hold of the table can follow the same beginning, and be released as the table says.
    """
    program = load_text(f"{BEGINNING}{line}\nrelease\n")

    assert program.ops[-2].hold is not None
    assert line == op_lines(program)[-2]


@for_each("line", [line for line in SCHEDULES if line.startswith("release")])
def test_a_release_of_the_page_is_one(line: str):
    """
    It can follow the first hold of the table.
    """
    program = load_text(f"{BEGINNING}{SCHEDULES[0]}\n{line}\n")

    assert line == op_lines(program)[-1]


def test_the_operations_on_slots_follow_each_other():
    """
    One after the other, in the order of the table.
    """
    program = load_text(BEGINNING + "".join(f"{line}\n" for line in SLOTS))

    assert SLOTS == op_lines(program)[-len(SLOTS) :]


def test_every_operation_is_on_the_page():
    """
    The tables show each operation of the language at least once.
    """
    lines = (*OPERATIONS, *SCHEDULES, *SLOTS)
    verbs = {re.sub(r"^(.*: |\w+ = )", "", line).split()[0] for line in lines}

    assert set(words.VERBS) == verbs


#: The reasons of waits in a kernel; a lock of a policy's own is the policy's.
NEEDS = {need.value for need in Need} - {Need.TRACKER.value}


@for_each(
    ("title", "said"),
    [
        ("Header", {*words.HEADERS, *words.KINDS, *words.UNITS}),
        ("Ways to map", {*words.VIAS, words.ANON}),
        ("Operations", {*ADVICE, *words.MMAP_WORDS, *words.MREMAP_WORDS, *words.SHARING, *words.PREFIXES}),
        ("Operations", {*words.FORK_WORDS, *words.WALKERS}),
        ("Schedules", {*words.HOLD_FUNCTIONS, *NEEDS, HELD, WAITS, BUSY, NOT_HELD}),
        ("Expectations", set(words.MODES)),
    ],
)
def test_every_word_is_on_the_page(title: str, said: set[str]):
    """
    Each word of the language is in the section that explains it.
    """
    quoted = " ".join(re.findall(r"`([^`\n]+)`", section(title)))

    assert set() == {word for word in said if not re.search(rf"(?<![\w-]){word}(?![\w])", quoted)}


@for_each("row", rows("Ways to map"), ids=lambda row: row[0])
def test_a_via_gives_the_mode_of_the_page(row: list[str]):
    """
    The book's entry of a lone mapping has the mode of the table.
    """
    via, mode = row[0].strip("`"), row[2].strip("`")
    program = load_text(f"pfnlab program 1\ndevice bar: pci, 4 pages\na = mmap bar {via} shared rw\n")

    book = ModelMachine("7.2").run_one(program).steps[0].book

    assert [mode] == [entry.mode for entry in book]


@for_each(("text", "answer"), list(zip(blocks("pfn-wrong"), blocks("text"), strict=True)))
def test_a_mistake_is_answered_as_on_the_page(text: str, answer: str):
    """
    Wrong programs are answered in the words the page gives.
    """
    with pytest.raises(ProgramError) as caught:
        load_text(text, "middle.pfn")

    assert answer == f"{caught.value}\n"


def test_the_json_form_is_the_program_below_it():
    """
    The JSON on the page, the program under it and the hash are one.
    """
    (given,) = blocks("json")
    program = load_text(PROGRAMS[-1])

    assert program == from_json(given.encode())
    assert msgspec.json.decode(given) == msgspec.json.decode(to_json(program))
    assert f"`{program_hash(program)}`" in PAGE


def test_the_limits_are_those_of_the_language():
    """
    The numbers of the last table are the ones in force.
    """
    limits = section("Limits")
    numbers = {
        *(words.MAX_LINES, words.MAX_LINE, words.MAX_TITLE, words.MAX_DEVICES, words.MAX_AREAS),
        *(words.MAX_TASKS, words.MAX_OPS, words.MAX_EXPECTS, words.MAX_LEAKED, words.MAX_LOWMEM_PAGES),
        words.MAX_NTH,
    }

    assert set() == {number for number in numbers if not re.search(rf"\b{number}\b", limits)}
    assert (1 << 20, 4 << 40, 1 << 40, 0xFFFFFFFF) == (
        words.MAX_BYTES,
        words.MAX_PAGES << 12,
        words.MAX_NUMBER,
        words.MAX_VALUE,
    )
