"""A search as a shard."""

from __future__ import annotations

from importlib.resources import files

from pfnlab.campaign.work import CheckWork, check_shard


def test_a_scope_may_be_given_as_text() -> None:
    """Its name is then no file."""
    text = files("pfnlab.checker.scopes").joinpath("scopes/small.toml").read_text()
    work = CheckWork(machine="model:7.2", scope="nowhere.toml", text=text, properties=("no_leak",), depth=1)

    found = check_shard(work)

    assert [("run", "complete"), ("verdict", "holds")] == [(one.kind, one.verdict) for one in found.results]
    assert {"model:7.2": "7.2"} == found.kernels
