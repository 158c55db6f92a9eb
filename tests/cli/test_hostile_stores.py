"""Stores in which is what no pfnlab wrote: every verb says so in one line, and nothing of it acts."""

from __future__ import annotations

import csv
import json
import sqlite3
from pathlib import Path

import pytest
from asking import Ask

from pfnlab.campaign.plan_file import plan_of
from pfnlab.campaign.running import begin_campaign
from pfnlab.campaign.store.rows import HostClass, Sighting, StoredResult
from pfnlab.campaign.store.store import Store

PLAN = """\
form = 1
name = "c"
[[fuzz]]
machines = [["model:6.1", "model:7.2"]]
programs = 2
programs_per_shard = 1
"""

#: A screen cleared, a bell, a sequence of eight bits, and the direction of writing turned.
CONTROLS = "\x1b[2J\x07\x9b\x7f\u202e\r"

#: The verbs that read a store.
VERBS = [
    ("campaign", "status"),
    ("campaign", "status", "c"),
    ("campaign", "status", "--json"),
    ("campaign", "stop", "c"),
    ("campaign", "resume", "c"),
    ("campaign", "results", "c"),
    ("report", "--campaign", "c"),
    ("campaign", "results", "--store", "s.db", "--json"),
    ("campaign", "results", "--store", "s.db", "--full"),
    ("campaign", "results", "--store", "s.db", "-o", "f.csv"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which commands are given, with a store of two shards, of which one is done."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PFNLAB_STORE", "s.db")
    found = StoredResult(
        kind="difference",
        task="fuzz",
        machines=("model:6.1", "model:7.2"),
        verdict="differs",
        subject="abc",
        program="munmap a\n",
        says="log at munmap",
    )
    seen = Sighting("c", 0, "0.1.0", {}, 0, HostClass("a processor", 2, 4096))
    with Store("s.db") as store:
        begin_campaign(store, plan_of(PLAN, "c.toml"))
        store.finish(seen, [found])
    return tmp_path


def change(statement: str, *values: object) -> None:
    """Change rows of the store as another program may."""
    with sqlite3.connect("s.db") as other:
        other.execute(statement, values)
    other.close()


#: Changes that no pfnlab makes.
WRONG = [
    ("UPDATE schema_version SET version = ?", "x"),
    ("UPDATE campaigns SET plan = ?", "{}"),
    ("UPDATE campaigns SET plan = replace(plan, '\"c\"', ?)", '"d"'),
    ("UPDATE shards SET work = ?", "{}"),
    ("UPDATE shards SET work = replace(work, '\"seed\"', ?)", '"sed"'),
    ("UPDATE shards SET task = ?", "other"),
    ("UPDATE shards SET seconds = ?", "inf"),
    ("UPDATE results SET machines = ?", "{"),
    ("UPDATE results SET detail = ?", "[]"),
    ("UPDATE sightings SET kernels = ?", "[1]"),
]


@pytest.mark.parametrize(("statement", "value"), WRONG)
def test_a_wrong_row_is_one_line_of_status(folder: Path, ask: Ask, statement: str, value: str) -> None:
    """It reads all rows."""
    change(statement, value)

    answer = ask("campaign", "status")

    assert (2, "", 1) == (answer.code, answer.out, answer.err.count("\n"))
    assert answer.err.startswith("pfnlab: s.db: the store is damaged (")


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
@pytest.mark.parametrize(("statement", "value"), WRONG)
def test_a_wrong_row_is_no_defect_of_any_verb(
    folder: Path, ask: Ask, verb: tuple[str, ...], statement: str, value: str
) -> None:
    """What reads the row refuses it; what does not read it goes on."""
    change(statement, value)
    # Nothing is left to be run.
    change("UPDATE shards SET state = 'isolated' WHERE state = 'waiting'")

    answer = ask(*verb)

    assert answer.code in (0, 1, 2, 3) and "Traceback" not in answer.err
    assert answer.code != 2 or ("", 1) == (answer.out, answer.err.count("\n"))


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_nothing_in_a_store_moves_a_cursor(folder: Path, ask: Ask, verb: tuple[str, ...]) -> None:
    """Whatever column it stands in."""
    for column in ("verdict", "scope", "subject", "program", "says"):
        change(f"UPDATE results SET {column} = ?", f"a{CONTROLS}b")
    change("UPDATE results SET machines = ?, detail = ?", json.dumps([CONTROLS]), json.dumps({CONTROLS: 1}))
    change("UPDATE sightings SET version = ?, kernels = ?", CONTROLS, json.dumps({CONTROLS: CONTROLS}))
    change("UPDATE hosts SET cpu = ?", CONTROLS)
    change("UPDATE campaigns SET plan = json_set(plan, '$.says', ?)", f"a{CONTROLS}\nb")
    change("UPDATE shards SET reason = ?, state = 'isolated' WHERE state = 'waiting'", f"a{CONTROLS}\nb")

    answer = ask(*verb)

    assert set() == {*CONTROLS} & {*answer.out, *answer.err} - {*"[2J"}


def test_a_name_in_a_file_of_a_campaign_moves_no_cursor(folder: Path, ask: Ask) -> None:
    """A scope may be a file of any name."""
    scope = "\x1b[2J.toml"
    Path(scope).write_text(
        'says = "x"\ndevices = ["bar: pci, 4 pages"]\ntasks = 1\nareas = 1\ndepth = 1\n'
        'operations = ["munmap <whole>"]\n',
        encoding="utf-8",
    )
    text = f'form = 1\nname = "n"\n[[check]]\nmachines = ["model:7.2"]\nscopes = ["{scope}"]\n'
    Path("n.toml").write_text(text.replace("\x1b", "\\u001b"), encoding="utf-8")

    answer = ask("campaign", "run", "--check", "n.toml")

    assert (0, False) == (answer.code, "\x1b" in answer.out) and "scope \\x1b[2J.toml" in answer.out


def test_json_of_a_store_means_what_stands_in_it(folder: Path, ask: Ask) -> None:
    """What a terminal must not see is escaped."""
    change("UPDATE results SET says = ?", f"a{CONTROLS}b")

    answer = ask("campaign", "results", "--store", "s.db", "--json")

    assert f"a{CONTROLS}b" == json.loads(answer.out)["results"][0]["says"]


def test_a_table_of_a_store_has_no_formulas(folder: Path, ask: Ask) -> None:
    """What a spreadsheet would run is text."""
    change("UPDATE results SET says = ?", '=HYPERLINK("http://x", "y")')

    assert 0 == ask("campaign", "results", "--store", "s.db", "-o", "f.csv").code

    with Path("f.csv").open(encoding="utf-8", newline="") as file:
        assert ['\'=HYPERLINK("http://x", "y")'] == [row["says"] for row in csv.DictReader(file)]


@pytest.mark.parametrize(
    "verb",
    [
        ("campaign", "results", "--store", "s.db", "--format", "csv", "-o", "s.db"),
        ("campaign", "results", "--store", "s.db", "--format", "csv", "-o", "other.db"),
        ("report", "--campaign", "c", "--format", "html", "-o", "s.db"),
    ],
    ids=" ".join,
)
def test_no_output_is_written_over_the_store(folder: Path, ask: Ask, verb: tuple[str, ...]) -> None:
    """By its own name or another."""
    Path("other.db").symlink_to("s.db")
    before = Path("s.db").read_bytes()

    answer = ask(*verb)

    assert (2, before) == (answer.code, Path("s.db").read_bytes())
    assert answer.err.endswith("a file that is read: name another file with -o\n")


@pytest.mark.parametrize("verb", [*VERBS[:1], *VERBS[7:]], ids=" ".join)
def test_an_empty_file_is_no_store_of_any_verb(folder: Path, ask: Ask, verb: tuple[str, ...]) -> None:
    """It stays empty."""
    Path("s.db").write_bytes(b"")

    answer = ask(*verb)

    assert (2, "pfnlab: s.db: this file is empty, not a pfnlab store: name another file\n") == (
        answer.code,
        answer.err,
    )
    assert b"" == Path("s.db").read_bytes()
