"""A check on a cluster: the same result as on this host, to the last count."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
from local_cluster import LocalCluster, environment
from models_there import told_of

from pfnlab.base.errors import Misuse
from pfnlab.campaign.cluster.checking import check_on_cluster, limits_on_cluster
from pfnlab.campaign.cluster.connection import connected
from pfnlab.checker.check import check
from pfnlab.checker.limits import CheckLimits, Exhaustive, Walks
from pfnlab.checker.scopes.properties import questions
from pfnlab.checker.scopes.scope import Scope, load_scope
from pfnlab.programs.model.model_machine import ModelMachine

pytestmark = pytest.mark.xdist_group("cluster")


@pytest.mark.parametrize(
    ("spec", "scope", "limits"),
    [
        ("6.1", "small", Exhaustive()),
        ("7.2,tracker=exact", "standard", Exhaustive(depth=2)),
        ("7.2", "wide", Exhaustive(depth=2, states=120)),
        ("7.2,tracker=exact", "ends_forks", Exhaustive()),
    ],
    ids=str,
)
def test_the_result_is_that_of_one_process(
    pair: LocalCluster, spec: str, scope: str, limits: CheckLimits
) -> None:
    """States, steps, results of operations, verdicts, and programs; where it is cut and where it ends."""
    machine, chosen = ModelMachine(spec), load_scope(scope)
    assert isinstance(chosen, Scope)
    asked = questions(scope=chosen)
    alone = check(machine, chosen, asked, limits)

    with connected(pair.address) as client:
        found = check_on_cluster(client, machine, chosen, asked, limits)

    assert told_of(alone) == told_of(found)
    assert alone.states > 80


@pytest.mark.parametrize(
    ("limits", "line"),
    [
        (Walks(count=3), "does not go with --random"),
        (Exhaustive(every_order=True), "does not go with --every-order"),
    ],
    ids=str,
)
def test_what_workers_cannot_do_is_refused(limits: CheckLimits, line: str) -> None:
    """With the option to leave out."""
    with pytest.raises(Misuse, match=line):
        limits_on_cluster(ModelMachine("7.2"), load_scope("small"), limits)


def test_races_are_refused() -> None:
    """Their schedules are searched on one host."""
    with pytest.raises(Misuse, match="scope race has races: leave it out"):
        limits_on_cluster(ModelMachine("7.2"), load_scope("race"), Exhaustive())


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """A command of pfnlab."""
    command = [sys.executable, "-m", "pfnlab", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=200)


def test_the_command_prints_what_it_prints_without_a_cluster(pair: LocalCluster) -> None:
    """But for the time; the exit code is the same."""
    words = ("check", "--on", "model:6.1", "--on", "model:7.2", "--scope", "small", "--depth", "3")

    here, there = run(*words), run(*words, "--cluster", pair.address)

    assert (here.returncode, there.returncode) == (1, 1)
    untimed = [re.sub(r"[\d.]+ s \([\d,]+ states/s\)", "TIME", each.stdout) for each in (here, there)]
    assert untimed[0] == untimed[1]
    assert "" == there.stderr


def test_the_result_as_json_has_the_same_form(pair: LocalCluster) -> None:
    """One object."""
    done = run("check", "--scope", "small", "--depth", "2", "--json", "--cluster", pair.address)

    assert "pfnlab-check/1" == json.loads(done.stdout)["format"]


@pytest.mark.parametrize(
    ("words", "code", "line"),
    [
        (("--cluster", "nowhere"), 2, "'nowhere' is not the address of a scheduler"),
        (("--cluster", "127.0.0.1:1"), 3, "no scheduler answers at 127.0.0.1:1"),
        (("--cluster", "127.0.0.1:1", "--jobs", "2"), 2, "--cluster excludes --jobs: drop --jobs"),
    ],
    ids=str,
)
def test_what_is_wrong_is_one_line(words: tuple[str, ...], code: int, line: str) -> None:
    """With its exit code."""
    done = run("check", "--scope", "small", *words)

    assert code == done.returncode
    assert line in done.stderr
    assert 1 == len(done.stderr.splitlines())
