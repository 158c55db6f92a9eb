"""A policy that only the file of a campaign or its store names is run after ``--trust`` alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import Ask

from pfnlab.campaign.plan_file import plan_of
from pfnlab.campaign.running import begin_campaign
from pfnlab.campaign.store.store import Store

OWN = "model:7.2,tracker=evil.py"

#: Campaigns that name a policy, by their table.
TABLES = {
    "check": f'[[check]]\nmachines = ["{OWN}"]\ndepth = 1\n',
    "fuzz": f'[[fuzz]]\nmachines = [["{OWN}", "model:7.2"]]\nprograms = 1\n',
    "catalogue": f'[[catalogue]]\nmachines = [["{OWN}"]]\nprograms = ["munmap-middle"]\n',
    "review": '[[review]]\ndesigns = ["tracker=evil.py"]\nbases = ["model:7.2"]\n',
    "sweep": f'[[sweep]]\nmachines = [["{OWN}", "model:7.2"]]\n',
}

#: A policy that leaves a file behind where it is run.
EVIL = """from pathlib import Path
from pfnlab.design import TrackCtx

Path("ran").touch()

class Evil(TrackCtx):
    pass
"""

REFUSED = "names evil.py, which would be run: read that policy, then say --trust"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the policy, and of a campaign that names it."""
    monkeypatch.chdir(tmp_path)
    Path("evil.py").write_text(EVIL, encoding="utf-8")
    write(TABLES["check"])


def write(table: str) -> None:
    """The file of a campaign."""
    Path("c.toml").write_text(f'form = 1\nname = "c"\n{table}', encoding="utf-8")


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_check_runs_no_policy(ask: Ask, table: str) -> None:
    """It says which one it has not run."""
    write(table)

    answer = ask("campaign", "run", "--check", "c.toml")

    says = "  not checked, because this would run code: evil.py; review it, then add --trust"
    assert (0, says) == (answer.code, answer.out.splitlines()[-1])
    assert not Path("ran").exists()


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("evil.py", "none.py", "none.py: no such file"),
        ("7.2,", "1.0,", "1.0"),
        ("tracker=", "trucker=", "trucker"),
    ],
)
def test_a_check_says_what_else_is_wrong(ask: Ask, old: str, new: str, says: str) -> None:
    """All but the content of the policy is checked."""
    write(TABLES["check"].replace(old, new))

    answer = ask("campaign", "run", "--check", "c.toml")

    assert (2, True, 1) == (answer.code, says in answer.err, answer.err.count("\n"))


def test_a_check_with_trust_runs_it(ask: Ask) -> None:
    """A policy that is none is a mistake of the file then."""
    Path("evil.py").write_text("x = 1\n", encoding="utf-8")

    answer = ask("campaign", "run", "--check", "c.toml", "--trust")

    assert (2, True) == (answer.code, "there is no policy" in answer.err)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_run_refuses_before_any_work(ask: Ask, table: str) -> None:
    """In one line; there is no store."""
    write(table)

    answer = ask("campaign", "run", "c.toml", "--store", "c.db")

    assert (2, f"pfnlab: c.toml {REFUSED}\n") == (answer.code, answer.err)
    assert (False, False) == (Path("ran").exists(), Path("c.db").exists())


def test_a_resume_refuses_what_the_store_names(ask: Ask) -> None:
    """The file is not there any more."""
    with Store("c.db") as store:
        begin_campaign(store, plan_of(Path("c.toml").read_text(encoding="utf-8"), "c.toml"))

    answer = ask("campaign", "resume", "--store", "c.db")

    assert (2, f"pfnlab: campaign c {REFUSED}\n") == (answer.code, answer.err)
    assert not Path("ran").exists()


def test_a_campaign_without_policies_needs_no_trust(ask: Ask) -> None:
    """Nothing of it is anybody's code."""
    write(TABLES["check"].replace(",tracker=evil.py", ""))

    answer = ask("campaign", "run", "--check", "c.toml")

    assert (0, False) == (answer.code, "--trust" in answer.out)


@pytest.mark.target("long")
def test_a_run_with_trust_runs_it(ask: Ask) -> None:
    """One operation in a row cuts no mapping, which is a discovery whatever the policy."""
    answer = ask("campaign", "run", "c.toml", "--store", "c.db", "--trust")

    assert (1, True) == (answer.code, Path("ran").exists())
