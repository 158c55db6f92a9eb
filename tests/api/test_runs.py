"""Runs of a program on machines, and the differences between them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from litmus_files import litmus_file

import pfnlab as pl
from pfnlab.base.schema_files import schema
from pfnlab.cli import main
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.runs.compared import RunResult

MACHINES = ["model:6.1", "model:7.2"]


@pytest.fixture(scope="module")
def result() -> pl.RunReport:
    """The first program on two models."""
    return pl.run(litmus_file("munmap-middle"), MACHINES)


def test_a_result_prints_as_the_verb_does(
    result: pl.RunReport, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for what to write to be shown more."""
    monkeypatch.delenv("COLUMNS", raising=False)
    with pytest.raises(SystemExit):
        main(["run", str(litmus_file("munmap-middle")), "--on", MACHINES[0], "--on", MACHINES[1]])

    printed = capsys.readouterr().out.rstrip("\n")

    assert printed.replace("--trace shows", ".text(trace=True) shows") == repr(result)


def test_a_result_has_what_each_machine_saw(result: pl.RunReport) -> None:
    """By its name, with the end."""
    assert tuple(MACHINES) == result.machines == tuple(result.steps)
    assert ["end", "end"] == [steps[-1].op for steps in result.steps.values()]
    assert result.steps["model:6.1"] == result["model:6.1"]
    assert (False, 1) == (result.agree, result.exit_code)


def test_text_shows_more_when_asked(result: pl.RunReport) -> None:
    """States and the order of calls."""
    assert "\n  ptes " not in repr(result)
    assert "\n  ptes " in result.text(steps=True)
    assert "\n  events " in result.text(trace=True)


def test_differences_are_those_of_the_result(result: pl.RunReport) -> None:
    """Fields in the order of steps."""
    found = pl.diff(litmus_file("munmap-middle"), MACHINES)

    assert result.verdict.differences == tuple(found) == found[:]
    assert "differ: model:6.1 | model:7.2" == repr(found).splitlines()[0]
    books = [row for row in found.to_records() if (row["step"], row["field"]) == (3, "book")]
    assert ["bar[0:8] wc", ""] == [row["value"] for row in books]
    assert ["step", "op", "field", "machine", "value"] == list(books[0])


def test_machines_that_agree_have_no_differences() -> None:
    """It is empty, and so false."""
    found = pl.diff(litmus_file("munmap-middle"), ["model:7.2", "model:7.2,mseal=on"])

    assert not found
    assert found.result.agree
    assert [] == found.to_records()


def test_records_are_rows_of_one_kind(result: pl.RunReport) -> None:
    """The same keys in each, and plain values of one type in each column."""
    for rows in (result.to_records(), *(result.to_records(of) for of in ("book", "vmas", "ptes"))):
        assert rows
        assert 1 == len({tuple(row) for row in rows})
        for key in rows[0]:
            assert 1 >= len({type(row[key]) for row in rows} - {type(None)})


def test_the_dictionary_is_that_of_the_verb(result: pl.RunReport) -> None:
    """Of the form that its schema describes."""
    import jsonschema

    jsonschema.validate(result.to_dict(), schema("run"))


def test_the_result_is_the_one_that_is_printed(result: pl.RunReport) -> None:
    """Runs, differences and expectations of the interface are those that ``run --json`` prints."""
    printed = msgspec.json.decode(json.dumps(result.to_dict()), type=RunResult)

    assert [run.steps for run in result.runs] == [run.steps for run in printed.runs]
    assert result.verdict.violations == printed.violations
    assert result.verdict.expectations == printed.expectations
    assert result.program == printed.program


@pytest.mark.target("notebooks")
def test_frames_have_a_row_a_record(result: pl.RunReport) -> None:
    """In both libraries, also of results without rows."""
    assert len(result.to_records()) == len(result.to_pandas()) == len(result.to_polars())
    assert list(result.to_records()[0]) == list(result.to_pandas().columns) == result.to_polars().columns
    nothing = pl.diff(litmus_file("munmap-middle"), ["model:7.2", "model:7.2,mseal=on"])
    assert 0 == len(nothing.to_pandas()) == len(nothing.to_polars())


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_a_missing_library_is_named(
    result: pl.RunReport, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the command that installs it."""
    monkeypatch.setitem(__import__("sys").modules, library, None)

    with pytest.raises(pl.Undecided, match=rf"needs {library}, which is not installed: .*'pfnlab\[frames\]'"):
        getattr(result, f"to_{library}")()


def test_policies_are_for_the_models() -> None:
    """Each of them has them."""
    found = pl.run(litmus_file("munmap-middle"), "model:7.2", policies={"tracker": "vm_pat"})

    assert ("model:7.2,tracker=vm_pat",) == found.machines


def test_what_has_no_rule_is_in_the_result() -> None:
    """As the verb prints it, and its exit code."""
    text = "pfnlab program 1\ndevice bar: pci, 4 pages\na = mmap bar[0:4] wc shared rw\n"

    found = pl.run(text + "hold no_such_function: munmap a\nrelease\n", "model:7.2")

    assert "the model does not stop at no_such_function" in str(found.runs[0].undecided)
    assert 3 == found.exit_code


MIDDLE = str(litmus_file("munmap-middle"))


@pytest.mark.parametrize("compare", ["result,vmas", ["vmas", "result"]])
def test_only_some_fields_are_compared(compare: str | list[str]) -> None:
    """The same runs agree or differ by what is asked."""
    both = ["model:6.1", "model:7.2"]

    found = pl.run(MIDDLE, both, compare=compare)

    assert ["vmas", "vmas"] == [difference.field for difference in found.differences]
    assert ["result", "vmas"] == found.to_dict()["compared"]
    assert not pl.diff(MIDDLE, both, compare="result")


#: What is wrong, and what the message says of it.
WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: pl.run(MIDDLE, []), 'no machine is named: write on="model:7.2"'),
    (lambda: pl.run(MIDDLE, "model:99"), "there is no kernel profile"),
    (lambda: pl.run(MIDDLE, "modl:7.2"), "did you mean model:7.2"),
    (lambda: pl.run(MIDDLE, look="askance"), "^look has no 'askance': write one of memory, proc, end"),  # type: ignore[arg-type]
    (lambda: pl.run(MIDDLE, accel="magic"), "magic"),
    (lambda: pl.run(MIDDLE, profile="7.2"), "^profile applies to a kernel file only: name one"),
    (lambda: pl.run(MIDDLE, "qemu:7.2", policies={"tracker": "exact"}), "policies are for models"),
    (lambda: pl.diff(MIDDLE, "model:7.2"), "a difference is between machines"),
    (lambda: pl.run(MIDDLE, "model:7.2", compare="boook"), "there is no field 'boook': fields of"),
    (lambda: pl.run(MIDDLE, "model:7.2", compare=[]), "no field is named: fields of"),
    (lambda: pl.diff(MIDDLE, ["model:7.2"]), "a difference is between machines"),
    (lambda: pl.run(MIDDLE)["model:6.1"], "'model:6.1' is not in this result"),
    (lambda: pl.run(MIDDLE).to_records("rows"), "there are no rows of 'rows'"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("call", "says"), WRONG)
def test_misuse_says_what_to_write(call: Callable[[], object], says: str) -> None:
    """An error of the project, in one sentence."""
    with pytest.raises(pl.Misuse, match=says):
        call()


TEXT = "pfnlab program 1\ndevice  bar: pci, 4 pages\n\na = mmap bar[0:4] wc shared rw\n"


def test_a_program_comes_from_its_path() -> None:
    """Given as a path or as text."""
    path = litmus_file("munmap-middle")

    assert load_program(path) == pl.load(path) == pl.load(str(path))


def test_a_program_comes_by_its_name() -> None:
    """As the verbs find it."""
    named = pl.load("munmap-middle")

    assert load_program(litmus_file("munmap-middle")) == named == pl.load("unmapping/munmap-middle")


def test_more_than_one_line_is_text() -> None:
    """The program prints as it was written."""
    assert TEXT == str(pl.load(TEXT))


def test_a_saved_program_is_loaded_again(tmp_path: Path) -> None:
    """Also one that was done on a machine."""
    m = pl.machine("model:7.2", device="bar: pci, 4 pages")
    m.mmap("bar", "wc")

    pl.save(m, tmp_path / "mine.pfn")

    assert m.program == pl.load(tmp_path / "mine.pfn")
    assert TEXT == (tmp_path / "mine.pfn").read_text(encoding="utf-8")


def test_what_cannot_be_written_is_misuse(tmp_path: Path) -> None:
    """With the path."""
    with pytest.raises(pl.Misuse, match=r"none/mine\.pfn cannot be written"):
        pl.save(TEXT, tmp_path / "none" / "mine.pfn")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("no-such-name", "there is no program 'no-such-name'"),
        ("nowhere.pfn", "nowhere.pfn"),
        ("fork", "fork is [0-9]+ programs: name one"),
        ("pfnlab program 1\nlook\n", "no device yet"),
    ],
)
def test_what_is_no_program_is_misuse(given: str, says: str) -> None:
    """With what to give instead."""
    with pytest.raises(pl.Misuse, match=says):
        pl.load(given)


def test_an_unfinished_machine_is_no_program() -> None:
    """Nothing was done, or a processor still stands still."""
    m = pl.machine("model:7.2")
    with pytest.raises(pl.Misuse, match="no operation"):
        pl.run(m)
    a = m.mmap("bar[0:4]", "wc")
    m.hold("unmap_vmas").munmap(a)
    with pytest.raises(pl.Misuse, match="write `release` as the last operation"):
        pl.run(m)
