"""A night of a hunt: its kernel, the findings known before it, and its lists of new, gone and known ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest
from made_results import sighting

from pfnlab.base.errors import Misuse
from pfnlab.campaign.campaigns import CampaignStatus, status_of
from pfnlab.campaign.night import begin_night, known_tonight, next_kernel, night_record, on_kernel
from pfnlab.campaign.plan import Plan
from pfnlab.campaign.plan_file import plan_of
from pfnlab.campaign.running import campaign_named, nights_of
from pfnlab.campaign.store.rows import StoredResult
from pfnlab.campaign.store.store import Store
from pfnlab.hunt.fuzz.filing import DATA, PROGRAM, REPORT, FiledData, KnownFinding, slug
from pfnlab.hunt.fuzz.signature import Signature
from pfnlab.lab.images.archive import Package
from pfnlab.lab.images.kernel_offers import Offer
from pfnlab.programs.runs.look import LookLevel

HUNT = """\
form = 1
name = "hunt"
[nightly]
kernel = "7.3.4"
[[fuzz]]
machines = [["model:tonight,mseal=off", "qemu:tonight"]]
programs = 20
programs_per_shard = 10
[[meet]]
kernels = ["tonight"]
"""

#: A finding of the first kernel, and the name that its folder would have.
FOUND = Signature("difference", "book", "munmap", (("model:7.3.4",), ("qemu:7.3.4",)), "more / fewer")
NAME = slug(FOUND.on(("model:tonight", "qemu:tonight")))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store without a night."""
    with Store(str(tmp_path / "s.db")) as opened:
        yield opened


def plan(kernel: str = "7.3.4", **nightly: Any) -> Plan:
    """The plan of a hunt on a kernel."""
    read = plan_of(HUNT.replace("7.3.4", kernel), "hunt.toml")
    assert read.nightly is not None
    return msgspec.structs.replace(read, nightly=msgspec.structs.replace(read.nightly, **nightly))


def offer(package: str) -> Offer:
    """A kernel of the archive."""
    return Offer(package.partition("-")[0], Package("linux-binary", package, "sid", 0))


def difference(signature: Signature = FOUND, verdict: str = "differs", task: str = "fuzz") -> StoredResult:
    """A result that shows a finding."""
    return StoredResult(
        kind="difference",
        task=task,
        machines=tuple(side for sides in signature.sides for side in sides),
        verdict=verdict,
        subject=signature.key,
        program="p",
        detail={"signature": msgspec.to_builtins(signature)},
    )


def run(**detail: Any) -> StoredResult:
    """The result of one shard of a hunt."""
    return StoredResult(kind="run", task="fuzz", machines=("qemu:7.3.4",), verdict="agrees", detail=detail)


def night(store: Store, day: int, *results: StoredResult, kernel: str = "7.3.4") -> CampaignStatus:
    """The status after a night whose first shard had these results."""
    name = begin_night(store, plan(kernel), Path(), date(2026, 10, day), list)
    store.finish(sighting(name, 0), results)
    return status_of(store, name)


def known_of(store: Store, name: str) -> list[dict[str, Any]]:
    """The findings that the last shard of a night knows."""
    known: list[dict[str, Any]] = store.shards(name)[-1].work["known"]
    return known


def lists(status: CampaignStatus) -> tuple[int, tuple[str, ...], dict[str, int]]:
    """The number of new findings, and those that are gone and known."""
    assert status.night is not None
    return len(status.night.new), status.night.gone, status.night.known


def test_a_finding_of_the_first_night_is_new(store: Store) -> None:
    """It is the only discovery."""
    status = night(store, 1, difference())

    assert ((1, (), {}), 1) == (lists(status), status.discoveries)


def test_a_finding_is_new_once_however_many_shards_see_it(store: Store) -> None:
    """A comparison names the kernel without its package."""
    packaged = FOUND.on(("model:7.3.4", "qemu:7.3.4-1"))

    assert 1 == lists(night(store, 1, difference(packaged, task="meet"), difference()))[0]


def test_what_does_not_count_is_not_new(store: Store) -> None:
    """A finding that could not be reproduced."""
    assert 0 == lists(night(store, 1, difference(verdict="unstable")))[0]


def test_a_finding_of_the_night_before_is_known(store: Store) -> None:
    """On the next kernel of the series too; it is no discovery."""
    night(store, 1, difference())
    status = night(store, 2, difference(FOUND.on(("model:7.3.5", "qemu:7.3.5"))), kernel="7.3.5")

    assert ((0, (), {NAME: 1}), 0) == (lists(status), status.discoveries)


def test_programs_that_showed_a_known_finding_are_counted(store: Store) -> None:
    """Over all shards."""
    night(store, 1, difference())
    status = night(store, 2, run(known_findings={NAME: 3}), run(known_findings={NAME: 4}, again={NAME: True}))

    assert (0, (), {NAME: 8}) == lists(status)


def test_a_finding_that_its_program_does_not_show_is_gone(store: Store) -> None:
    """And not known."""
    night(store, 1, difference())

    assert (0, (NAME,), {}) == lists(night(store, 2, run(again={NAME: False})))


def test_a_finding_that_another_program_shows_is_not_gone(store: Store) -> None:
    """It is still known."""
    night(store, 1, difference())
    status = night(store, 2, run(again={NAME: False}), run(known_findings={NAME: 1}))

    assert (0, (), {NAME: 1}) == lists(status)


@pytest.mark.parametrize("again", [{}, {NAME: None}])
def test_a_finding_whose_program_has_no_answer_is_not_gone(
    store: Store, again: dict[str, bool | None]
) -> None:
    """Nobody knows."""
    night(store, 1, difference())

    assert (0, (), {}) == lists(night(store, 2, run(again=again)))


def test_a_finding_that_returns_is_new(store: Store) -> None:
    """After a night on which it was gone."""
    night(store, 1, difference())
    night(store, 2, run(again={NAME: False}))
    status = night(store, 3, difference())

    assert (1, (), {}) == lists(status)
    assert [(NAME, True)] == [
        (one["name"], one["again"])
        for one in known_of(store, begin_night(store, plan(), Path(), date(2026, 10, 4), list))
    ]


def test_known_programs_run_again_before_random_ones(store: Store) -> None:
    """On the kernel of the night and its model, after the comparison."""
    night(store, 1, difference())
    shards = store.shards(begin_night(store, plan("7.3.5"), Path(), date(2026, 10, 2), list))

    meet, again, *drawn = shards
    assert ("meet", "7.3.5") == (meet.task, meet.work["kernel"])
    assert (["model:7.3.5", "qemu:7.3.5"], True, 0) == (
        *(again.work["machines"], again.work["again"], again.work["programs"]),
    )
    assert [(False, 10), (False, 10)] == [(one.work["again"], one.work["programs"]) for one in drawn]
    assert again.work["known"] == drawn[0].work["known"] == drawn[1].work["known"]


@pytest.mark.parametrize(("kernel", "again"), [("qemu:7.3.5", True), ("qemu:6.12.117-1", False)])
def test_a_program_runs_again_where_its_series_showed_the_finding(
    store: Store, kernel: str, again: bool
) -> None:
    """A kernel of another series may never have had it."""
    night(store, 1, difference())

    (known,) = known_tonight([], [night_record(store, "hunt-2026-10-01")], kernel)

    assert again is known.again


def test_filed_findings_are_known_the_first_night(store: Store, tmp_path: Path) -> None:
    """By the names of their folders, which start from that of the file."""
    folder = tmp_path / "filed" / "fewer"
    folder.mkdir(parents=True)
    data = FiledData(signatures=(FOUND,), machines=("model:7.3", "qemu:7.3"), looks=(LookLevel.MEMORY,))
    (folder / DATA).write_bytes(msgspec.json.encode(data))
    (folder / PROGRAM).write_text("p", encoding="utf-8")
    (folder / REPORT).touch()

    name = begin_night(store, plan(known=("filed",)), tmp_path, date(2026, 10, 1), list)
    store.finish(sighting(name, 0), [difference()])

    assert [("fewer", True)] == [(one["name"], one["again"]) for one in known_of(store, name)]
    assert (0, (), {"fewer": 1}) == lists(status_of(store, name))


@pytest.mark.parametrize(
    ("hunted", "chosen"),
    [
        ([], "7.3.4-1"),
        (["7.3.4-1"], "7.2.13-2"),
        (["7.3.4-1", "7.2.13-2"], "6.1.192-2"),
        (["7.3.4-1", "7.2.13-2", "6.1.192-2"], "7.3.4-1"),
        (["7.3.3-1", "7.2.13-2", "6.1.192-2"], "7.3.4-1"),
        (["6.1.192-2", "7.3.4-1", "7.2.13-2", "6.1.192-2"], "7.3.4-1"),
    ],
)
def test_the_next_kernel(hunted: Sequence[str], chosen: str) -> None:
    """The newest of each series: one never hunted, else the one hunted longest ago."""
    offers = [offer(one) for one in ("6.1.192-2", "7.2.12-1", "7.2.13-2", "7.3.3-1", "7.3.4-1")]

    assert chosen == next_kernel(offers, hunted)


def test_an_archive_without_kernels_is_refused() -> None:
    """With the command that reads its lists."""
    with pytest.raises(Misuse, match="pfnlab kernels list --refresh"):
        next_kernel([], [])


def test_a_night_takes_the_next_kernel(store: Store) -> None:
    """By what the nights before took."""
    offers = [offer(one) for one in ("7.2.13-2", "7.3.4-1")]
    for day in (1, 2):
        begin_night(store, plan(kernel="next"), Path(), date(2026, 10, day), lambda: offers)

    records = [night_record(store, name) for name in nights_of(store, "hunt")]
    assert ["7.3.4-1", "7.2.13-2"] == [record.summary.kernel for record in records]


def test_a_night_is_begun_once(store: Store) -> None:
    """On the same day it is continued, whatever the archive offers by then."""
    first = begin_night(store, plan(kernel="next"), Path(), date(2026, 10, 1), lambda: [offer("7.3.4-1")])

    assert first == begin_night(store, plan(kernel="next"), Path(), date(2026, 10, 1), list)


def test_the_name_of_a_hunt_stands_for_its_last_night(store: Store) -> None:
    """And that of a night for that night."""
    for day in (9, 10):
        night(store, day)

    assert "hunt-2026-10-10" == campaign_named(store, "hunt")
    assert "hunt-2026-10-09" == campaign_named(store, "hunt-2026-10-09")


def test_the_kernel_replaces_the_word_tonight() -> None:
    """In machines with and without changes; the model has the version of the kernel."""
    tonight = on_kernel(plan(), "7.3.4-1~bpo13+1", date(2026, 10, 1))

    assert (("model:7.3.4,mseal=off", "qemu:7.3.4-1~bpo13+1"),) == tonight.fuzz[0].machines
    assert ("7.3.4-1~bpo13+1",) == tonight.meet[0].kernels


def test_every_day_has_programs_of_its_own() -> None:
    """No seed of a day is one of the next, however many shards there are."""
    seeds = [on_kernel(plan(), "7.3.4", date(2026, 10, day)).fuzz[0].seed for day in (1, 2)]

    assert 100_000 == seeds[1] - seeds[0]


@pytest.mark.parametrize(
    "detail", [{"again": 3}, {"known_findings": {"n": "x"}}, {"signature": {"kind": 3}}, {"known": {"n": 3}}]
)
def test_a_damaged_result_is_refused(store: Store, detail: dict[str, Any]) -> None:
    """In one line that names it."""
    with pytest.raises(Misuse, match=r"result [0-9a-f]{8}: "):
        night(store, 1, run(**detail))


def test_a_known_finding_has_its_keys_on_any_machines() -> None:
    """Whatever machines showed it."""
    known = KnownFinding(name="n", signatures=(FOUND,), machines=(), program="")

    assert {FOUND.on(("model:7.2", "qemu:7.2")).key} == known.keys(("model:7.2", "qemu:7.2"))
