"""The file of a campaign: a line for a mistake, with where it is and what to write instead."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jsonschema
import pytest
from archive_on_disk import bzimage
from hypothesis import given, settings
from hypothesis import strategies as st
from made_campaigns import SMALL, small

from pfnlab.base.errors import Misuse
from pfnlab.base.files import Unreadable
from pfnlab.base.schema_files import campaign_file_text
from pfnlab.campaign.plan import (
    BudgetTable,
    CatalogueTable,
    CheckTable,
    CountTable,
    FuzzTable,
    LimitsTable,
    MeetTable,
    NightlyTable,
    SweepTable,
)
from pfnlab.campaign.plan_file import plan_of, read_plan
from pfnlab.campaign.running import begin_campaign, stored_plan
from pfnlab.campaign.store.rows import VERDICTS
from pfnlab.campaign.store.store import Store
from pfnlab.verbs.campaign import new_text

ROOT = Path(__file__).parents[2]

#: The keys of each table.
TABLES = [
    form.__struct_fields__
    for form in (
        *(LimitsTable, BudgetTable, CountTable, NightlyTable),
        *(FuzzTable, CheckTable, CatalogueTable, MeetTable, SweepTable),
    )
]

FUZZ = '[[fuzz]]\nmachines = [["model:6.1", "model:7.2"]]\n'
REVIEW = '[[review]]\ndesigns = ["flush=none"]\nbases = ["model:7.3"]\n'
CATALOGUE = '[[catalogue]]\nmachines = [["model:6.1", "model:7.2"]]\n'
MEET = '[[meet]]\nkernels = ["6.12"]\n'
SWEEP = '[[sweep]]\nmachines = [["qemu:7.2"]]\n'
CHECK = '[[check]]\nmachines = ["model:7.2"]\n'
HEAD = 'form = 1\nname = "n"\n'
NIGHTLY = HEAD + "[nightly]\n"


def mistakes(text: str, *, trust: bool = False) -> list[str]:
    """The line that a text is refused with; none where it is a plan."""
    try:
        plan_of(text, "c.toml", trust=trust)
    except Misuse as refused:
        assert "\n" not in str(refused)
        return [str(refused)]
    return []


@pytest.mark.parametrize(
    "text",
    [new_text(Path("x.toml")), new_text(Path("x.toml"), "hunt.toml"), SMALL, HEAD + FUZZ, HEAD + CHECK],
)
def test_a_plan_is_read(text: str) -> None:
    """Without a mistake."""
    assert [] == mistakes(text)


def test_the_example_of_the_repository_is_a_plan() -> None:
    """The page about campaigns runs it."""
    assert "small" == read_plan(ROOT / "examples" / "campaign.toml").name


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("form = 2\nfurther = 3\n" + FUZZ, "c.toml: form: the form of the file is 1: use the newer pfnlab"),
        ('name = "n"\n' + FUZZ, "c.toml: write the missing key `form`"),
        ("form = 1\n" + FUZZ, "c.toml: write the missing key `name`"),
        ('form = 1\nname = "A b"\n' + FUZZ, "c.toml: name: a name is at most 64 small letters"),
        ("form = 1\nname = 3\n" + FUZZ, "c.toml: name: write text, not a whole number"),
        (HEAD, "c.toml: it has no work: add [[fuzz]] or [[check]]"),
        (HEAD + "[fuz]\n" + FUZZ, "c.toml: there is no key `fuz`: did you mean `fuzz`?"),
        (HEAD + "[fuzz]\nseed = 1\n", "c.toml: fuzz: write [[fuzz]], not [fuzz]"),
        (HEAD + "limits = 3\n" + FUZZ, "c.toml: limits: write a table, not a whole number"),
        (
            HEAD + "[limits]\nsecnds = 3\n" + FUZZ,
            "c.toml: limits: there is no key `secnds`: did you mean `sec",
        ),
        (HEAD + "[limits]\ntries = 0\n" + FUZZ, "c.toml: [limits], tries: write a whole number >= 1"),
        (HEAD + '[limits]\ntries = "a"\n' + FUZZ, "c.toml: [limits], tries: write a whole number, not text"),
        (
            HEAD + "[budget]\nseconds = -1\n" + FUZZ,
            "c.toml: [budget], seconds: write a decimal number > 0.0",
        ),
        (
            HEAD + '[count]\nverdicts = ["differ"]\n' + FUZZ,
            "c.toml: [count], verdicts: there is no verdict",
        ),
        (
            HEAD + FUZZ + "[[fuzz]]\nseed = 1\n",
            "c.toml: fuzz 2: write the missing key `machines`",
        ),
        (
            HEAD + FUZZ + FUZZ + "sed = 1\n",
            "c.toml: fuzz 2: there is no key `sed`: did",
        ),
        (HEAD + FUZZ + "programs = 0\n", "c.toml: [[fuzz]] 1, programs: write a whole number >= 1"),
        (HEAD + FUZZ + "leaves = true\n", "c.toml: [[fuzz]] 1, leaves: only mappings of the driver"),
        (HEAD + FUZZ + 'look = "far"\n', "c.toml: [[fuzz]] 1, look: there is no way to look 'far'"),
        (HEAD + '[[fuzz]]\nmachines = [["model:6.1"]]\n', "c.toml: [[fuzz]] 1, machines: a single machine"),
        (
            HEAD + '[[fuzz]]\nmachines = [["model:6.1", "moddel:7"]]\n',
            "c.toml: [[fuzz]] 1, machines: there is",
        ),
        (
            HEAD + '[[check]]\nmachines = ["model:99"]\n',
            "c.toml: [[check]] 1, machines: there is no kernel",
        ),
        (
            HEAD + '[[check]]\nmachines = ["qemu:7.2"]\n',
            "c.toml: [[check]] 1, machines: qemu:7.2 cannot be",
        ),
        (HEAD + "[[check]]\nmachines = []\n", "c.toml: [[check]] 1, machines: this list is empty"),
        (HEAD + CHECK + 'scopes = ["smal"]\n', "c.toml: [[check]] 1, scopes: there is no scope `smal`"),
        (HEAD + CHECK + 'policies = ["tracker"]\n', "c.toml: [[check]] 1, policies: there is no policy"),
        (
            HEAD + CHECK + 'policies = ["trackers/x"]\n',
            "c.toml: [[check]] 1, policies: there is no policy 'x'",
        ),
        (HEAD + CHECK + 'properties = ["x"]\n', "c.toml: [[check]] 1"),
        (HEAD + "[[meet]]\nkernels = []\n", "c.toml: [[meet]] 1, kernels: this list is empty"),
        (
            HEAD + '[[catalogue]]\nmachines = [["model:7.2"]]\nprograms = ["nothing-*"]\n',
            "c.toml: [[catalogue]] 1, programs: ",
        ),
        ("form = ", "c.toml: this is not TOML: "),
        (f"x = {'[' * 5000}", "c.toml: this is"),
        (f"x = {'9' * 5000}", "c.toml: a number has thousands of digits"),
        ("form = true\n" + FUZZ, "c.toml: form: write a whole number, not true or false"),
        ("form = 2020-01-01\n" + FUZZ, "c.toml: form: the form of the file is 1: write form = 1"),
        (HEAD + FUZZ + "seed = 2020-01-01\n", "c.toml: [[fuzz]] 1, seed: write a whole number, not `date`"),
        (HEAD + FUZZ + "seed = 1e5\n", "c.toml: [[fuzz]] 1, seed: write a whole number, not a decimal"),
        (HEAD + FUZZ + f"seed = 0x{'f' * 5000}\n", "c.toml: [[fuzz]] 1, seed: write a whole number <= 9007"),
        (
            HEAD + FUZZ + f'seed = "{"x" * 5000}"\n',
            "c.toml: [[fuzz]] 1, seed: write a whole number, not text",
        ),
        (
            HEAD + FUZZ + f"seed = {'[' * 300}{']' * 300}\n",
            "c.toml: [[fuzz]] 1, seed: write a whole number, not a list",
        ),
        (HEAD + FUZZ + '"a\\nb" = 1\n', "c.toml: fuzz 1: there is no key `a b`: write one of"),
        (HEAD + '"\\u001b[2J" = 1\n' + FUZZ, "c.toml: there is no key `\\x1b[2J`: write one of"),
        (HEAD + f"{'k' * 5000} = 1\n" + FUZZ, f"c.toml: there is no key `{'k' * 40}`: write one of"),
        (HEAD + "fuzz = {}\n", "c.toml: fuzz: write [[fuzz]], not [fuzz]"),
        (HEAD + "limits = { tries = -1 }\n" + FUZZ, "c.toml: [limits], tries: write a whole number >= 1"),
        (HEAD + "limits.tries = -1\n" + FUZZ, "c.toml: [limits], tries: write a whole number >= 1"),
        (
            HEAD + 'says = """\n[fuzz]\n"""\n' + FUZZ + "sed = 1\n",
            "c.toml: fuzz 1: there is no key `sed`",
        ),
        (HEAD + "[[meet]]\nkernels = ['nothing']\n", "c.toml: [[meet]] 1, kernels: no kernel"),
        (
            HEAD + SWEEP + "scopes = ['pcie']\n",
            "c.toml: [[sweep]] 1, scopes: there is no scope `pcie`: did you mean `pci`",
        ),
        (
            HEAD + "[[sweep]]\nmachines = [['model:7.2']]\n",
            "c.toml: [[sweep]] 1, machines: a single machine cannot be compared",
        ),
        (HEAD + SWEEP + "look = 'nose'\n", "c.toml: [[sweep]] 1, look: "),
        (HEAD + SWEEP + "cells_per_shard = 0\n", "c.toml: [[sweep]] 1, cells_per_shard: "),
        (HEAD + "[[meet]]\nkernels = ['6.12']\nprofile = 'x'\n", "c.toml: [[meet]] 1, profile: 'x' is no"),
        (HEAD + CATALOGUE + "programs = ['-']\n", "c.toml: [[catalogue]] 1, programs: a campaign does not"),
        (
            HEAD + CATALOGUE + "programs = ['']\n",
            "c.toml: [[catalogue]] 1, programs: there is no program ''",
        ),
        (
            HEAD + CATALOGUE + "programs = ['/dev/zero']\n",
            "c.toml: [[catalogue]] 1, programs: /dev/zero: this",
        ),
        (
            HEAD + CHECK + "scopes = ['/dev/zero']\n",
            "c.toml: [[check]] 1, scopes: /dev/zero: this is a device",
        ),
        (
            HEAD + CHECK + "policies = ['trackers/\\n']\n",
            "c.toml: [[check]] 1, policies: there is no policy",
        ),
        (NIGHTLY + "kernel = 'nex'\n" + MEET, "c.toml: [nightly], kernel: no kernel 'nex'"),
        (NIGHTLY + "known = ['missing']\n" + MEET, "c.toml: [nightly], known: there is no folder missing"),
        (NIGHTLY + "known = []\n" + MEET, "c.toml: [nightly], known: this list is empty"),
        (NIGHTLY + CHECK, "c.toml: a night has only [[meet]] and [[fuzz]]: move [[check]]"),
        (NIGHTLY + FUZZ.replace("7.2", "tonigh"), "c.toml: [[fuzz]] 1, machines: there is no"),
        (HEAD + FUZZ.replace("7.2", "tonight"), "c.toml: [[fuzz]] 1, machines: there is no"),
        (f'form = 1\nname = "{"n" * 65}"\n' + FUZZ, "c.toml: name: a name is at most 64 small letters"),
        ('form = 1\nname = "naïve"\n' + FUZZ, "c.toml: name: a name is at most 64 small letters"),
        ('form = 1\nname = "n\\n"\n' + FUZZ, "c.toml: name: a name is at most 64 small letters"),
    ],
)
def test_a_mistake_is_one_line(text: str, line: str) -> None:
    """It begins with where it is."""
    found = mistakes(text)

    assert any(one.startswith(line) for one in found), found


@pytest.mark.parametrize(
    "text",
    [
        MEET.replace("6.12", "{}"),
        FUZZ.replace("model:7.2", "qemu:{}"),
        CATALOGUE.replace("model:7.2", "qemu:{}"),
        SWEEP.replace('"qemu:7.2"', '"model:7.2", "qemu:{}"'),
    ],
)
@pytest.mark.parametrize("relative", [False, True])
def test_a_kernel_that_is_a_file_has_to_be_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, relative: bool
) -> None:
    """A campaign that somebody sent may name any file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "passwd").write_text("root:x:0:0\n")
    name = f"../{tmp_path.name}/passwd" if relative else str(tmp_path / "passwd")

    (said,) = mistakes(f"{HEAD}{text.format(name)}")

    assert said.startswith("c.toml: [[") and f"{name} is not an x86 bzImage" in said


def test_a_kernel_that_is_a_file_is_taken(tmp_path: Path) -> None:
    """Where it is one."""
    (tmp_path / "bzImage").write_bytes(bzimage("7.2.1"))

    assert not mistakes(f"{HEAD}{MEET.replace('6.12', str(tmp_path / 'bzImage'))}")


@pytest.mark.parametrize("name", ["model:7.2\\n", "qemu:7.2\\n", "model:7.2+deb\\u001b"])
def test_a_machine_is_named_on_one_line(name: str) -> None:
    """What follows a version may be that of a package."""
    (said,) = mistakes(f"{HEAD}{CATALOGUE.replace('model:7.2', name)}")

    assert said.startswith("c.toml: [[catalogue]] 1, machines: ") and "no kernel" in said


@pytest.mark.parametrize(
    ("table", "key", "value", "bound"),
    [
        *[("[limits]\n", "seconds", value, "> 0.0") for value in ("nan", "-inf", "0", "-1", "0.0")],
        *[("[limits]\n", "seconds", value, "<= 31536000.0") for value in ("inf", "1e300")],
        *[("[budget]\n", "seconds", value, ".*") for value in ("nan", "inf", "0")],
        *[("[limits]\n", key, value, ".*") for key in ("tries", "lost") for value in ("0", "1000001")],
        *[("[budget]\n", "programs", value, ".*") for value in ("0", "1000000000001")],
        *[(FUZZ, "seed", str(sign * ((1 << 53) + 1)), ".*") for sign in (1, -1)],
        (FUZZ, "seed", str((1 << 63) - 1), "<= 9007199254740992"),
        *[(MEET, "seed", str(sign * ((1 << 53) + 1)), ".*") for sign in (1, -1)],
        *[
            (table, "programs_per_shard", value, ".*")
            for table in (FUZZ, CATALOGUE)
            for value in ("0", "1000000000001")
        ],
        *[(table, "programs", value, ".*") for table in (FUZZ, MEET) for value in ("-1", "1000000000001")],
        *[(CHECK, "depth", value, ".*") for value in ("-1", "1000001")],
        *[(CHECK, "states", value, ".*") for value in ("0", "1000000000001")],
    ],
)
def test_a_number_has_bounds(table: str, key: str, value: str, bound: str) -> None:
    """It is said, and the schema knows it too."""
    rest = "" if table.startswith("[[") else FUZZ
    text = f"{HEAD}{table}{key} = {value}\n{rest}"

    (line,) = mistakes(text)

    assert re.fullmatch(rf"c\.toml: .*, {key}: write a (whole|decimal) number {bound}", line)
    assert refused_by_schema(text) or value == "nan"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (CATALOGUE + "programs = []\n", "[[catalogue]] 1, programs: this list is empty: write"),
        (CHECK + "scopes = []\n", "[[check]] 1, scopes: this list is empty: write"),
        (CHECK + "policies = []\n", "[[check]] 1, policies: this list is empty: write"),
        (CHECK + "properties = []\n", "[[check]] 1, properties: this list is empty: write"),
        ("[[check]]\nmachines = []\n", "[[check]] 1, machines: this list is empty: write"),
        ("[[meet]]\nkernels = []\n", "[[meet]] 1, kernels: this list is empty: write"),
        ("[[fuzz]]\nmachines = []\n", "[[fuzz]] 1, machines: this list is empty: write"),
        ("[[fuzz]]\nmachines = [[]]\n", "[[fuzz]] 1, machines 1: this list is empty: write"),
        (
            CHECK + 'scopes = ["small", "small"]\n',
            "[[check]] 1, scopes: small is named twice: leave one",
        ),
        (
            '[[catalogue]]\nmachines = [["model:7.2", "model:7.2"]]\n',
            "[[catalogue]] 1, machines 1: model:7.2 is",
        ),
        (
            '[[fuzz]]\nmachines = [["model:7.2", "model:7.3"], ["model:7.2", "model:7.3"]]\n',
            "[[fuzz]] 1, machines: [",
        ),
        ('[count]\nverdicts = ["lost", "lost"]\n' + FUZZ, "[count], verdicts: lost is named twice"),
    ],
)
def test_a_list_has_something_in_it_and_nothing_twice(text: str, says: str) -> None:
    """Nothing would be run, or counted twice; the schema refuses it too."""
    (line,) = mistakes(HEAD + text)

    assert line.startswith(f"c.toml: {says}")
    assert refused_by_schema(HEAD + text)


def test_a_campaign_may_count_nothing_as_a_discovery() -> None:
    """Then it ends with 0 whatever it finds."""
    assert () == plan_of(HEAD + "[count]\nverdicts = []\n" + FUZZ, "c.toml").count.verdicts


def test_a_byte_order_mark_is_no_part_of_the_file() -> None:
    """Some editors write one."""
    text = "\ufeff" + HEAD + FUZZ

    assert [] == mistakes(text)
    assert mistakes(text + "sed = 1\n")[0].startswith("c.toml: fuzz 1: there is no key `sed`")


def test_shards_have_a_bound() -> None:
    """Each is a row of the store; they are counted before they are made."""
    text = HEAD + FUZZ + "programs = 1000000000\nprograms_per_shard = 1\n"

    assert ["c.toml: these are more than 100,000 shards: raise programs_per_shard"] == mistakes(text)
    assert [] == mistakes(text + "[budget]\nprograms = 3\n")
    assert 3 == len(plan_of(text + "[budget]\nprograms = 3\n", "c.toml").shards())


@pytest.mark.target("long")
@pytest.mark.timeout(120)
def test_many_tables_are_read() -> None:
    """The work grows with the tables, not with their square; what stands in many is looked at once."""
    plan = plan_of(HEAD + (FUZZ + "seed = 3\n") * 3000 + CATALOGUE * 100, "c.toml")

    assert (3000, 100) == (len(plan.fuzz), len(plan.catalogue))
    assert {"fuzz", "catalogue"} == {shard.task for shard in plan.shards()}


#: Values of TOML, some of which a key takes.
VALUES = st.sampled_from(
    (
        *("0", "1", "-1", "3.5", "nan", "inf", "true", "2020-01-01", "{}", "{a = 1}"),
        *("''", "'x'", "'small'", "'model:7.2'", "'mine'", '"\\u0000"', '"\\u001b\\n"'),
        *("[]", "['']", "['small']", "['trackers']", "['model:7.2']"),
        *("[['model:7.2', 'model:7.3']]", "[[]]", "[[1]]"),
        *("9223372036854775807", "9223372036854775808"),
    )
)

KEYS = st.sampled_from([*sorted({key for table in TABLES for key in table}), "k", '"\\n"', "a.b", "''"])


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    "[limits]",
                    "[budget]",
                    "[count]",
                    "[[fuzz]]",
                    "[[check]]",
                    "[[catalogue]]",
                    "[[meet]]",
                    "[[sweep]]",
                ]
            ),
            st.dictionaries(KEYS, VALUES, max_size=3),
        ),
        max_size=3,
    )
)
def test_whatever_stands_in_a_file_it_can_be_kept_or_is_refused(
    tables: list[tuple[str, dict[str, str]]],
) -> None:
    """What is read has shards, and a store keeps them."""
    text = HEAD + FUZZ
    for head, values in tables:
        text += f"{head}\n" + "".join(f"{key} = {value}\n" for key, value in values.items())

    if not mistakes(text):
        with TemporaryDirectory() as folder, Store(f"{folder}/s.db") as store:
            plan = plan_of(text, "c.toml")
            begin_campaign(store, plan)
            assert plan == stored_plan(store, "n")
            assert len(plan.shards()) == len(store.shards("n"))


@settings(max_examples=50)
@given(st.text(max_size=90).filter(lambda stem: not {"/", "\0"} & {*stem}))
def test_a_new_file_is_a_plan(stem: str) -> None:
    """Whatever it is called."""
    assert [] == mistakes(new_text(Path(f"{stem}.toml")))


@pytest.mark.parametrize("name", ["naïve", "漢字", "n" * 90, "-", "__x__", "My night"])
def test_a_new_file_is_named_after_itself(name: str) -> None:
    """As far as its letters are those of a name."""
    named = {"naïve": "na-ve", "漢字": "campaign", "n" * 90: "n" * 64, "-": "campaign", "__x__": "x"}

    assert named.get(name, "my-night") == plan_of(new_text(Path(f"{name}.toml")), "c.toml").name


def test_a_file_that_is_too_large_is_said(tmp_path: Path) -> None:
    """It is not read."""
    path = tmp_path / "c.toml"
    with path.open("w") as large:
        large.truncate(100 << 20)

    with pytest.raises(Unreadable, match="a campaign is at most 256 KiB, this is larger"):
        read_plan(path)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """As with every other file."""
    with pytest.raises(Unreadable, match="no such file"):
        read_plan(tmp_path / "none.toml")


def refused_by_schema(text: str) -> bool:
    """Whether the schema of the file refuses a text."""
    schema: dict[str, Any] = json.loads(campaign_file_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return bool(list(jsonschema.Draft202012Validator(schema).iter_errors(tomllib.loads(text))))


@pytest.mark.parametrize(
    "text",
    [
        new_text(Path("x.toml")),
        new_text(Path("x.toml"), "hunt.toml"),
        SMALL,
        HEAD + FUZZ,
        HEAD + CHECK,
        HEAD + REVIEW,
    ],
)
def test_the_schema_takes_what_is_read(text: str) -> None:
    """Editors that know it mark nothing there."""
    assert not refused_by_schema(text)


@pytest.mark.parametrize(
    "text",
    [
        "form = 2\n" + 'name = "n"\n' + FUZZ,
        'name = "n"\n' + FUZZ,
        'form = 1\nname = "A b"\n' + FUZZ,
        HEAD,
        HEAD + "[limits]\nsecnds = 3\n" + FUZZ,
        HEAD + "[limits]\ntries = 0\n" + FUZZ,
        HEAD + '[count]\nverdicts = ["differ"]\n' + FUZZ,
        HEAD + "[[fuzz]]\nseed = 1\n",
        HEAD + FUZZ + "programs = 0\n",
        HEAD + CHECK + 'policies = ["tracker"]\n',
        HEAD + "[[meet]]\nkernels = []\n",
        HEAD + "[[review]]\ndesigns = ['flush=none']\n",
        HEAD + REVIEW + "pieces = 3\n",
    ],
)
def test_the_schema_refuses_what_is_refused(text: str) -> None:
    """Both know the same keys."""
    assert refused_by_schema(text) and mistakes(text)


def test_the_schema_knows_every_verdict() -> None:
    """And no other."""
    schema: dict[str, Any] = json.loads(campaign_file_text())

    assert set(VERDICTS) == set(schema["properties"]["count"]["properties"]["verdicts"]["items"]["enum"])


def test_shards_are_the_same_every_time() -> None:
    """Their keys name what they do."""
    assert [shard.digest for shard in small().shards()] == [shard.digest for shard in small().shards()]


def test_programs_are_cut_into_shards() -> None:
    """Each with a seed of its own, the last with what is left."""
    plan = plan_of(HEAD + FUZZ + "seed = 7\nprograms = 25\nprograms_per_shard = 10\n", "c.toml")

    assert [(7, 10), (8, 10), (9, 5)] == [
        (shard.work["seed"], shard.work["programs"]) for shard in plan.shards()
    ]


def test_a_budget_of_programs_leaves_out_the_last_shards() -> None:
    """The same ones in every run."""
    text = f"{HEAD}[budget]\nprograms = 15\n{FUZZ}programs = 100\nprograms_per_shard = 10\n{CHECK}"

    assert ["check", "fuzz", "fuzz"] == [shard.task for shard in plan_of(text, "c.toml").shards()]


@pytest.mark.parametrize(
    ("policies", "least"), [('["all"]', 25), ('["flushes"]', 3), ('["trackers/exact"]', 1)]
)
def test_policies_stand_for_machines(policies: str, least: int) -> None:
    """A shard for each with each scope."""
    text = f'{HEAD}{CHECK}policies = {policies}\nscopes = ["small", "race"]\n'
    machines = [shard.work["machine"] for shard in plan_of(text, "c.toml").shards()]

    assert len(machines) == 2 * len(set(machines)) and len(set(machines)) >= least
    assert all(machine.startswith("model:7.2,") for machine in machines)


def test_only_shards_with_a_kernel_need_qemu() -> None:
    """So a worker without it can do the others."""
    text = (
        f'{HEAD}{FUZZ}{CHECK}[[fuzz]]\nmachines = [["model:7.2", "qemu:7.2"]]\n[[meet]]\nkernels = ["6.12"]\n'
    )

    assert {"check": {False}, "fuzz": {False, True}, "meet": {True}} == {
        task: {shard.needs_qemu for shard in plan_of(text, "c.toml").shards() if shard.task == task}
        for task in ("check", "fuzz", "meet")
    }


def test_a_file_that_a_machine_names_is_part_of_the_key(tmp_path: Path) -> None:
    """Another policy is another shard."""
    policy = tmp_path / "mine.py"
    source = (ROOT / "docs" / "own-policy" / "per_vma.py").read_text(encoding="utf-8")
    keys = set()
    for text in (source, source + "\n"):
        policy.write_text(text, encoding="utf-8")
        plan = plan_of(f'{HEAD}[[check]]\nmachines = ["model:7.2,tracker={policy}"]\n', "c.toml")
        keys.add(plan.shards()[0].digest)

    assert 2 == len(keys)


def test_a_scope_of_ones_own_goes_along_as_text(tmp_path: Path) -> None:
    """A worker elsewhere has no such file."""
    scope = tmp_path / "mine.toml"
    known = ROOT / "src/pfnlab/checker/scopes/scopes/small.toml"
    scope.write_text(known.read_text(encoding="utf-8"), encoding="utf-8")
    plan = plan_of(f'{HEAD}{CHECK}scopes = ["{scope}"]\n', "c.toml")

    assert scope.read_text(encoding="utf-8") == plan.shards()[0].work["text"]


def test_a_policy_that_ends_its_process_is_a_mistake(tmp_path: Path) -> None:
    """In the line that names it, while the file of somebody who is trusted is read."""
    policy = tmp_path / "odd.py"
    policy.write_text("import os; os._exit(0)\n")

    text = f'{HEAD}[[check]]\nmachines = ["model:7.2,tracker={policy}"]\n'

    says = f"c.toml: [[check]] 1, machines: {policy}: it ended the process it runs in (exit 0)"
    assert [says] == mistakes(text, trust=True)
