"""The file of a campaign: a line for every mistake, with where it is and what to write instead."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from made_campaigns import SMALL, small

from pfnlab.campaign.plan import VERDICTS
from pfnlab.campaign.plan_file import EXAMPLE, PlanMistakes, plan_of, read_plan
from pfnlab.files import Unreadable
from pfnlab.schemas import campaign_file_text

ROOT = Path(__file__).parents[2]

FUZZ = '[[fuzz]]\nmachines = [["model:6.1", "model:7.2"]]\n'
CHECK = '[[check]]\nmachines = ["model:7.2"]\n'
HEAD = 'form = 1\nname = "n"\n'


def mistakes(text: str) -> list[str]:
    """The lines that a text is refused with; none where it is a plan."""
    try:
        plan_of(text, "c.toml")
    except PlanMistakes as refused:
        assert all("\n" not in line for line in refused.mistakes)
        return refused.mistakes
    return []


@pytest.mark.parametrize("text", [EXAMPLE.format(name="x"), SMALL, HEAD + FUZZ, HEAD + CHECK])
def test_a_plan_is_read(text: str) -> None:
    """Without a mistake."""
    assert [] == mistakes(text)


def test_the_example_of_the_repository_is_a_plan() -> None:
    """The page about campaigns runs it."""
    assert "small" == read_plan(ROOT / "examples" / "campaign.toml").name


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("form = 2\n" + FUZZ, "c.toml:1: form: the form of the file is 1, not 2: use the newer pfnlab"),
        ('name = "n"\n' + FUZZ, "c.toml: form: the form of the file is 1, not None: write form = 1"),
        ("form = 1\n" + FUZZ, 'c.toml: name: it is missing: write name = "nightly"'),
        ('form = 1\nname = "A b"\n' + FUZZ, "c.toml:2: name: a name is small letters"),
        ("form = 1\nname = 3\n" + FUZZ, 'c.toml:2: name: this is text: write name = "nightly"'),
        (HEAD, "c.toml: nothing is to be run: add [[fuzz]]"),
        (HEAD + "[fuz]\n" + FUZZ, "c.toml: fuz: there is no such key: did you mean `fuzz`?"),
        (HEAD + "[fuzz]\nseed = 1\n", "c.toml: fuzz: these are tables: begin each with [[fuzz]]"),
        (HEAD + "limits = 3\n" + FUZZ, "c.toml:3: limits: this is a table: begin it with [limits]"),
        (HEAD + "[limits]\nsecnds = 3\n" + FUZZ, "c.toml:4: [limits], secnds: there is no such key: did you"),
        (HEAD + "[limits]\ntries = 0\n" + FUZZ, "c.toml:4: [limits], tries: this is more than 0, not 0"),
        (HEAD + '[limits]\ntries = "a"\n' + FUZZ, 'c.toml:4: [limits], tries: write tries = 3, not "a"'),
        (
            HEAD + "[budget]\nseconds = -1\n" + FUZZ,
            "c.toml:4: [budget], seconds: this is more than 0, not -1",
        ),
        (
            HEAD + '[count]\nverdicts = ["differ"]\n' + FUZZ,
            "c.toml:4: [count], verdicts: there is no verdict",
        ),
        (
            HEAD + FUZZ + "[[fuzz]]\nseed = 1\n",
            "c.toml:5: [[fuzz]] 2: machines is missing: write",
        ),
        (
            HEAD + FUZZ + FUZZ + "sed = 1\n",
            "c.toml:7: [[fuzz]] 2, sed: there is no such key: did",
        ),
        (HEAD + FUZZ + "programs = 0\n", "c.toml:5: [[fuzz]] 1, programs: this is more than 0, not 0"),
        (HEAD + FUZZ + "leaves = true\n", "c.toml:5: [[fuzz]] 1, leaves: only mappings of the driver"),
        (HEAD + FUZZ + 'look = "far"\n', "c.toml:5: [[fuzz]] 1, look: there is no way to look 'far'"),
        (HEAD + '[[fuzz]]\nmachines = [["model:6.1"]]\n', "c.toml:4: [[fuzz]] 1, machines: one machine has"),
        (
            HEAD + '[[fuzz]]\nmachines = [["model:6.1", "moddel:7"]]\n',
            "c.toml:4: [[fuzz]] 1, machines: there is",
        ),
        (
            HEAD + '[[check]]\nmachines = ["model:99"]\n',
            "c.toml:4: [[check]] 1, machines: there is no kernel",
        ),
        (
            HEAD + '[[check]]\nmachines = ["qemu:7.2"]\n',
            "c.toml:4: [[check]] 1, machines: qemu:7.2 cannot be",
        ),
        (HEAD + "[[check]]\nmachines = []\n", "c.toml:4: [[check]] 1, machines: name at least one machine"),
        (HEAD + CHECK + 'scopes = ["smal"]\n', "c.toml:5: [[check]] 1, scopes: there is no scope `smal`"),
        (HEAD + CHECK + 'policies = ["tracker"]\n', "c.toml:5: [[check]] 1, policies: there is no policy"),
        (
            HEAD + CHECK + 'policies = ["trackers/x"]\n',
            "c.toml:5: [[check]] 1, policies: there is no policy 'x'",
        ),
        (HEAD + CHECK + 'properties = ["x"]\n', "c.toml:3: [[check]] 1"),
        (HEAD + "[[meet]]\nkernels = []\n", "c.toml:4: [[meet]] 1, kernels: name at least one kernel"),
        (
            HEAD + '[[catalogue]]\nmachines = [["model:7.2"]]\nprograms = ["nothing-*"]\n',
            "c.toml:5: [[catalogue]] 1, programs: ",
        ),
        ("form = ", "c.toml: this is no TOML: "),
        (f"x = {'[' * 5000}", "c.toml: this is"),
    ],
)
def test_a_mistake_is_one_line(text: str, line: str) -> None:
    """It begins with where it is."""
    found = mistakes(text)

    assert any(one.startswith(line) for one in found), found


def test_every_mistake_has_a_line() -> None:
    """All are said at once."""
    text = HEAD + FUZZ + "programs = 0\nleaves = true\n" + CHECK + 'scopes = ["smal"]\n'

    assert ["c.toml:5", "c.toml:6", "c.toml:9"] == [line.split(": ")[0] for line in mistakes(text)]


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """As with every other file."""
    with pytest.raises(Unreadable, match="there is no such file"):
        read_plan(tmp_path / "none.toml")


def refused_by_schema(text: str) -> bool:
    """Whether the schema of the file refuses a text."""
    schema: dict[str, Any] = json.loads(campaign_file_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return bool(list(jsonschema.Draft202012Validator(schema).iter_errors(tomllib.loads(text))))


@pytest.mark.parametrize("text", [EXAMPLE.format(name="x"), SMALL, HEAD + FUZZ, HEAD + CHECK])
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
    assert [shard.key for shard in small().shards()] == [shard.key for shard in small().shards()]


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
        keys.add(plan.shards()[0].key)

    assert 2 == len(keys)


def test_a_scope_of_ones_own_goes_along_as_text(tmp_path: Path) -> None:
    """A worker elsewhere has no such file."""
    scope = tmp_path / "mine.toml"
    known = ROOT / "src/pfnlab/checker/kernel/scopes/small.toml"
    scope.write_text(known.read_text(encoding="utf-8"), encoding="utf-8")
    plan = plan_of(f'{HEAD}{CHECK}scopes = ["{scope}"]\n', "c.toml")

    assert scope.read_text(encoding="utf-8") == plan.shards()[0].work["text"]


def test_a_policy_that_ends_its_process_is_a_mistake(tmp_path: Path) -> None:
    """In the line that names it, while the file is read."""
    policy = tmp_path / "odd.py"
    policy.write_text("import os; os._exit(0)\n")

    text = f'{HEAD}[[check]]\nmachines = ["model:7.2,tracker={policy}"]\n'

    says = f"c.toml:4: [[check]] 1, machines: {policy}: it ended the process it is called in (exit 0)"
    assert [says] == mistakes(text)
