"""Results from files: what is taken, and what is refused, in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hostile_results import VALUES, Place, differing, mutations, places, spoiled
from hypothesis import given, settings
from hypothesis import strategies as st
from sample_reports import FINDING, content_of, sample_contents

from pfnlab.base.errors import Misuse
from pfnlab.base.result import Outcome
from pfnlab.present.document.compose import document_of
from pfnlab.present.document.html import html
from pfnlab.present.document.mail import mail
from pfnlab.present.document.part import KINDS, part_of
from pfnlab.present.document.read import read_results, result_of


def written(folder: Path, text: str) -> Path:
    """A file with *text*."""
    path = folder / "result.json"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(folder: Path, text: str) -> str:
    """The message for a file with *text*, without the folder."""
    with pytest.raises(Misuse) as refused:
        read_results([written(folder, text)])
    message = str(refused.value)
    assert "\n" not in message
    return message.replace(f"{folder}/", "")


@pytest.mark.parametrize("name", sorted(sample_contents()))
def test_every_kind_is_read(tmp_path: Path, name: str) -> None:
    """By the format it names."""
    content = sample_contents()[name]

    (found,) = read_results([written(tmp_path, json.dumps(content))])

    assert (content["format"], KINDS[content["format"]].content) == (found.form(), type(found))


def test_one_file_holds_several(tmp_path: Path) -> None:
    """A line each, as verbs print them, or over several lines."""
    one = sample_contents()["check"]

    found = read_results([written(tmp_path, f"{json.dumps(one)}\n{json.dumps(one, indent=1)}\n")])

    assert 2 == len(found)


def test_a_folder_of_findings(tmp_path: Path) -> None:
    """The folder itself, and a finding in it."""
    finding = tmp_path / "findings" / "one"
    finding.mkdir(parents=True)
    (finding / "program.pfn").write_text(FINDING["program"])
    (finding / "report.md").write_text(FINDING["report"])

    (outer,), (inner,) = read_results([finding.parent]), read_results([finding])

    assert outer == inner
    assert "munmap: a line of the log" == part_of(outer).title


def test_a_folder_without_findings(tmp_path: Path) -> None:
    """It says what a finding is."""
    with pytest.raises(Misuse, match=r"no finding in this folder \(program.pfn and report.md\)"):
        read_results([tmp_path])


@pytest.mark.parametrize(
    ("text", "begin"),
    [
        ("", "result.json: the file is empty: a report takes the output of pfnlab run --json, pfnlab check"),
        ("{", "result.json:1:2: this is not JSON: "),
        ('{"a": 1,\n "b" 2}', "result.json:2:6: this is not JSON: Expecting ':' delimiter; print it again"),
        ("[1, NaN]", "result.json:1: this is not JSON: NaN is not a JSON number"),
        ("[]", "result.json: not a pfnlab result (the key `format` is missing): a report takes"),
        ('{"format": 3}', "result.json: not a pfnlab result (the key `format` is missing): a report"),
        ('{"format": "pfnlab-known/1"}', "result.json: unknown format pfnlab-known/1: "),
        ('{"format": "\\u001b[2J"}', "result.json: unknown format \\x1b[2J: "),
        ("[" * 100_000, "result.json:1: values nested deeper than the 100 levels that a result may have"),
        ("[" * 300 + "]" * 300, "result.json:1: values nested deeper than the 100 levels that a result"),
        ("{}\n" * 3 + "[" * 300 + "]" * 300, "result.json:1: not a pfnlab result"),
        ('{"format": "pfnlab-check/1"}', "result.json: not a pfnlab-check/1: "),
        (f'{{"format": {"1" * 5000}}}', "result.json:1: no result has a number of 5000 digits: they have"),
        (f"[1, {1 << 64}]", "result.json:1: no result has a number of 20 digits: they have 64 bits; print"),
        ("[1, -1e999]", "result.json:1: no result has an infinite number; print it again with --json"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path: Path, text: str, begin: str) -> None:
    """In one line that says where, what, and which results there are."""
    assert refusal(tmp_path, text).startswith(begin)


def test_a_wrong_value_is_named(tmp_path: Path) -> None:
    """With its place, and the verb that prints a right one."""
    content: dict[str, Any] = content_of(differing())
    content["machines"][0]["steps"][1]["flushes"] = "many"

    said = refusal(tmp_path, json.dumps(content))

    assert "not a pfnlab-run/1: " in said and "`$.machines[0].steps[1].flushes`" in said
    assert said.endswith("print it again with pfnlab run --json")


def placed(name: str, place: Place, value: str) -> str:
    """The JSON of a sample with one value of :data:`VALUES` at a place."""
    return spoiled(sample_contents()[name], {place: VALUES[value]})


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("run", ("machines", 0, "machine"), "half a character"),
        ("run", ("machines", 0, "machine"), "a long text"),
        ("run", ("machines", 0, "steps", 0, "book", 0, "device"), "a long text"),
        ("run", ("machines", 0, "steps", 0, "result"), "a long text"),
        ("run", ("machines", 0, "steps", 1, "log", 0), "a long text"),
        ("run", ("differences", 0, "values", 0, "value"), "values within values"),
    ],
)
@pytest.mark.timeout(60)
def test_a_hostile_value_is_shown(tmp_path: Path, name: str, place: Place, value: str) -> None:
    """Where a text or anything may stand; the report can be written to a file."""
    (result,) = read_results([written(tmp_path, placed(name, place, value))])
    document = document_of([part_of(result)])

    assert all(written(tmp_path, text).stat().st_size for text in (html(document), mail(document)))


@pytest.mark.parametrize(
    ("name", "place", "value", "says"),
    [
        ("run", ("machines",), "no list", "Expected `array` of length >= 1 - at `$.machines`"),
        (
            "run",
            ("machines", 0, "steps", 1, "op"),
            "a hostile text",
            "step 1 is not the same operation on every machine: ",
        ),
        ("run", ("differences", 0, "step"), "minus one", "Expected `int` >= 0 - at `$.differences[0].step`"),
        (
            "run",
            ("machines", 0, "steps", 0, "flushes"),
            "half a character",
            "Expected `int | null`, got `str`",
        ),
        (
            "explanation",
            ("boots", 0, "events", 0, "places", 0, "start"),
            "a hostile text",
            "'^0x[0-9a-f]{1,32}$' - at `$.boots[0].events[0].places[0].start`, which is \"x]]>",
        ),
        (
            "inspection",
            ("findings", 0, "around", 0, "start"),
            "no text",
            "regex '^0x[0-9a-f]{1,32}$' - at `$.findings[0].around[0].start`, which is \"\"; print it again",
        ),
        ("meeting", ("differences", 0, "seen", 0), "no list", "at `$.differences[0].seen[0]`, which is []"),
        (
            "cells",
            ("cells", "tables", 0, "columns"),
            "no list",
            "row 'munmap' has 17 columns, not 0 - at `$.cells.tables[0]`",
        ),
        ("campaign", ("coverage", "pairs", 0), "a number of 401 digits", "no result has a number of 401"),
    ],
)
def test_a_hostile_value_is_refused(tmp_path: Path, name: str, place: Place, value: str, says: str) -> None:
    """Where it makes no sense."""
    assert says in refusal(tmp_path, placed(name, place, value))


@pytest.mark.parametrize("name", sorted(sample_contents()))
@pytest.mark.timeout(300)
def test_each_value_of_a_result_may_be_another(tmp_path: Path, name: str) -> None:
    """Then there is a report, or one line with the name of the file; a drawing is drawn where a text is one
    that could act."""
    path = tmp_path / "result.json"
    refused = shown = 0
    for place, value, text in mutations(sample_contents()[name], 300):
        path.write_text(text, encoding="utf-8")
        try:
            parts = [part_of(result) for result in read_results([path])]
        except Misuse as trouble:
            refused += 1
            said = str(trouble)
            assert "\n" not in said and str(path) in said, (place, value)
            continue
        shown += 1
        document = document_of(parts)
        assert mail(document).encode() and ("would" not in value or html(document).encode())

    assert refused and shown


@settings(max_examples=150)
@given(data=st.data())
def test_whatever_stands_in_a_result_there_is_a_report_or_one_line(
    tmp_path: Path, data: st.DataObject
) -> None:
    """Several places of any kind of result hold something else."""
    content = sample_contents()[data.draw(st.sampled_from(sorted(sample_contents())))]
    chosen = st.dictionaries(
        st.sampled_from(list(places(content))), st.sampled_from(sorted(VALUES)), min_size=1, max_size=3
    )
    text = spoiled(content, {place: VALUES[name] for place, name in data.draw(chosen).items()})

    try:
        results = read_results([written(tmp_path, text)])
    except Misuse as refused:
        assert "\n" not in str(refused)
    else:
        document = document_of([part_of(result) for result in results])
        assert (html(document) + mail(document)).encode()


def test_a_run_of_earlier_versions() -> None:
    """It has no text of its program: the report has none either, and everything else."""
    content = content_of(differing())
    del content["made"], content["program"]["text"]

    part = part_of(result_of(content))

    assert Outcome.DISCOVERY is part.outcome
    assert "The program" not in [getattr(block, "caption", "") for block in part.blocks]


def test_a_policy_in_a_file_is_not_run(tmp_path: Path) -> None:
    """Whoever sent the result may have named any file."""
    evil = tmp_path / "evil.py"
    evil.write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    content = sample_contents()["check"]
    content["machine"] = f"model:7.2,tracker={evil}"

    assert part_of(result_of(content)).says.startswith(f"model:7.2,tracker={evil} violates")
    assert not (tmp_path / "ran").exists()


def test_a_range_does_not_end_before_it_begins() -> None:
    """Nobody could draw it."""
    content = sample_contents()["inspection"]
    content["findings"][0]["around"][0]["end"] = "0x1"

    with pytest.raises(Misuse, match="a range ends at 0x1, before it begins at 0x"):
        result_of(content)


def test_a_finding_of_a_newer_version_is_shown() -> None:
    """Its kind has no title here."""
    content = sample_contents()["inspection"]
    content["findings"][0]["finding"]["kind"] = "newer_kind"

    assert "newer_kind: " in mail(document_of([part_of(result_of(content))]))


def test_a_counterexample_of_a_newer_version_is_shown() -> None:
    """Its text, where this version cannot read it."""
    content = sample_contents()["check"]
    violated = next(one for one in content["properties"] if one["verdict"] == "violated")
    violated["program"] = "pfnlab program 9\n"

    assert "pfnlab program 9" in mail(document_of([part_of(result_of(content))]))


@pytest.mark.parametrize("text", ["javascript:alert(1)", "url(http://x)", "@import 'x'"])
def test_a_text_in_a_drawing_may_say_anything(text: str) -> None:
    """It is read out and found by, and nothing follows it."""
    content = content_of(differing())
    content["machines"][0]["machine"] = text

    assert text in html(document_of([part_of(result_of(content))]))


def test_a_link_in_a_finding_is_no_file_of_it(tmp_path: Path) -> None:
    """What it leads to would be in the report of whoever may read it."""
    finding = tmp_path / "finding"
    finding.mkdir()
    (tmp_path / "secret").write_text("a secret")
    (finding / "program.pfn").symlink_to(tmp_path / "secret")
    (finding / "report.md").write_text(FINDING["report"])

    with pytest.raises(Misuse, match="no finding in this folder"):
        read_results([finding])
