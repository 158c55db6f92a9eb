"""The JSON form and the hash."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from for_each import for_each

from pfnlab.base.errors import ProgramError
from pfnlab.programs.lang.load import from_json, load_program, load_text, program_hash, to_json

TEXT = """\
pfnlab program 1
title   Unmapping the middle first
asks    What stays?
device  bar: pci, 16 pages

a = mmap bar[0:16] wc shared rw
munmap a[4:8]

expect 7.2   nothing left
"""
PROGRAM = load_text(TEXT)


def fields() -> dict[str, Any]:
    """The JSON form of PROGRAM, to be spoilt."""
    content: dict[str, Any] = json.loads(to_json(PROGRAM))
    return content


def message(content: dict[str, Any]) -> str:
    """The whole answer to a wrong JSON form."""
    with pytest.raises(ProgramError) as caught:
        from_json(json.dumps(content).encode(), "x.json")
    return str(caught.value)


def test_json_has_the_same_content() -> None:
    """Text and JSON form of a program are equal as values."""
    assert from_json(to_json(PROGRAM)) == PROGRAM


def test_json_names_its_format_first() -> None:
    """A reader knows from the first field what it holds."""
    assert next(iter(fields().items())) == ("format", "pfnlab-program/1")


def test_a_json_file_is_known_by_its_content(tmp_path: Path) -> None:
    """The name of a program file does not matter."""
    path = tmp_path / "program.pfn"
    path.write_bytes(to_json(PROGRAM))

    assert load_program(path) == PROGRAM


def test_defaults_may_be_left_out() -> None:
    """A field with a default need not be written."""
    content = fields()
    del content["areas"]
    del content["ops"][0]["task"]

    assert from_json(json.dumps(content).encode()) == PROGRAM


def test_a_missing_format_is_refused() -> None:
    """Any JSON object is not a program."""
    content = fields()
    del content["format"]

    assert message(content) == 'x.json: the field `format` is missing: write "format": "pfnlab-program/1"'


def test_another_format_is_refused() -> None:
    """A later format is not guessed at."""
    content = fields() | {"format": "pfnlab-program/2"}

    expected = 'x.json: the field `format` is `pfnlab-program/2`: write "format": "pfnlab-program/1"'
    assert expected == message(content)


def test_an_unknown_field_is_refused() -> None:
    """A misspelt field is not silently dropped."""
    content = fields()
    content["ops"][0]["call"]["popluate"] = True

    assert message(content) == "x.json: $.ops[0].call has no field `popluate`: did you mean `populate`?"


def test_a_wrong_type_is_refused() -> None:
    """The place in the JSON is named."""
    content = fields()
    content["devices"][0]["pages"] = "16"

    assert (
        message(content)
        == "x.json: the JSON is not a program: Expected `int`, got `str` - at `$.devices[0].pages`"
    )


def test_json_obeys_the_same_checks() -> None:
    """A range outside its mapping is refused as in text, by the operation's number."""
    content = fields()
    content["ops"][1]["call"]["span"]["end"] = 20

    expected = "x.json: operation 2: a is 16 pages: write a[0:16] at most, or declare `area a: 20 pages`"
    assert expected == message(content)


def test_malformed_json_is_refused_at_its_place() -> None:
    """Line and column where reading stopped are named."""
    with pytest.raises(ProgramError) as caught:
        from_json(b'{\n  "format": nonsense\n}', "x.json")

    assert (caught.value.line, caught.value.column) == (2, 17)


@for_each("content", [b"[]", b'{"a":' * 100_000, b"{}" + b" " * (1 << 20)])
def test_json_that_is_no_program_is_refused(content: bytes) -> None:
    """Lists, deep nesting and huge files are answered, not crashed on."""
    with pytest.raises(ProgramError):
        from_json(content)


def test_json_that_is_no_utf_8_is_refused() -> None:
    """In one line, as a text is."""
    with pytest.raises(ProgramError) as refused:
        from_json(b'{"title": "\xf8"}', "mine")

    assert "mine: this is not UTF-8: save the file as UTF-8" == str(refused.value)


def test_json_has_what_stands_before_a_task() -> None:
    """A hold says its function, call and end of it."""
    program = load_text(TEXT.replace("munmap a[4:8]\n", "hold untrack_pfn return: munmap a[4:8]\nrelease\n"))

    op = json.loads(to_json(program))["ops"][1]

    assert (None, None, {"function": "untrack_pfn", "nth": 1, "at_return": True}) == (
        op["fail"],
        op["skip"],
        op["hold"],
    )


def test_the_hash_is_pinned() -> None:
    """The hash of a program never changes: results are kept under it."""
    assert program_hash(PROGRAM) == "85c79018d3153000465b90ec80b549bc5b0e767fade243a2df8ea8a8dd442021"


def test_the_hash_ignores_what_is_said_about_the_program() -> None:
    """Title, question and expectations do not count."""
    other = msgspec.structs.replace(PROGRAM, title="", asks="", expects=())

    assert program_hash(PROGRAM) == program_hash(other)


@for_each(
    "change",
    [
        ("munmap a[4:8]", "munmap a[4:9]"),
        ("munmap", "msync"),
        ("device ", "thp     always\ndevice "),
        ("bar: pci, 16 pages", "bar: pci, 17 pages"),
        ("pages\n\n", "pages\narea    z: 4 pages\n\n"),
        ("munmap a[4:8]\n", "munmap a[4:8]\nlook\n"),
        ("munmap a[4:8]\n", "skip vm_close: munmap a[4:8]\n"),
        ("munmap a[4:8]\n", "hold unlink: munmap a[4:8]\nrelease\n"),
    ],
)
def test_the_hash_sees_what_the_program_does(change: tuple[str, str]) -> None:
    """Devices, areas and operations count."""
    assert program_hash(PROGRAM) != program_hash(load_text(TEXT.replace(*change)))


def test_to_the_end_begins_with_all_the_devices_last_pages() -> None:
    """A truncation names the pages up to the device's end, so that JSON and text say the same."""
    text = "pfnlab program 1\ndevice bar: pci, 16 pages\n\nunmap_mapping_range bar[4:]\n"
    content = to_json(load_text(text))

    assert from_json(content) == load_text(text)
    with pytest.raises(ProgramError, match=r"to the end is bar\[4:16\] and all behind"):
        from_json(content.replace(b'"end": 16', b'"end": 8'))
