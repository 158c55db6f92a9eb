"""Known findings: counted by the shards of a hunt, and looked for again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from pfnlab.base.errors import Misuse
from pfnlab.campaign.fuzz_work import FuzzWork, fuzz_shard
from pfnlab.campaign.known_findings import shows
from pfnlab.campaign.shard import ShardResults
from pfnlab.hunt.fuzz.asked_machines import AskedMachines
from pfnlab.hunt.fuzz.filing import KnownFinding
from pfnlab.hunt.fuzz.signature import Signature
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run

SAME, BROKEN = ("model:7.3", "model:7.3,mseal=on"), ("model:7.3", "model:7.3,mseal=off")


def found_by(machines: tuple[str, ...], *known: KnownFinding, again: bool = False) -> ShardResults:
    """The results of a small hunt."""
    return fuzz_shard(FuzzWork(machines=machines, seed=3, programs=30, known=known, again=again))


@pytest.fixture(scope="module")
def known() -> tuple[KnownFinding, ...]:
    """The findings of the hunt on two models that differ."""
    differences = [one for one in found_by(BROKEN).results if one.kind == "difference"]
    assert differences
    return tuple(
        KnownFinding(
            name=f"f{number}",
            signatures=(msgspec.convert(one.detail["signature"], Signature),),
            machines=one.machines,
            program=one.program,
            with_it=msgspec.convert(one.detail.get("with_it", ()), tuple[Signature, ...]),
        )
        for number, one in enumerate(differences)
    )


def test_a_known_finding_is_counted_and_no_result(known: tuple[KnownFinding, ...]) -> None:
    """By its name."""
    (run,) = found_by(BROKEN, *known).results

    assert {one.name for one in known} == run.detail["known_findings"].keys()
    assert min(run.detail["known_findings"].values()) >= 1


def test_other_findings_are_results_all_the_same(known: tuple[KnownFinding, ...]) -> None:
    """Only those that are known are left out."""
    _, *results = found_by(BROKEN, *known[1:]).results

    assert [known[0].signatures[0].key] == [one.subject for one in results]


def test_a_program_is_looked_for_again(known: tuple[KnownFinding, ...]) -> None:
    """It shows its finding where the machines still differ, and only there."""
    for machines, shown, verdict in ((BROKEN, True, "differs"), (SAME, False, "agrees")):
        (run,) = found_by(machines, *known, again=True).results
        assert (verdict, dict.fromkeys((one.name for one in known), shown)) == (
            *(run.verdict, run.detail["again"]),
        )


class Dated(ModelMachine):
    """A kernel whose program shows a finding in a fresh boot only."""

    def __init__(self, series: str) -> None:
        super().__init__(series)
        self.fresh, self.asked = False, 0

    def reboot(self) -> None:
        """A message comes once a boot."""
        self.fresh = True

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """As the broken model once it has booted, else as the sound one."""
        self.asked += 1
        return ModelMachine(BROKEN[1].removeprefix("model:") if self.fresh else "7.3").run(programs)


def test_a_fresh_boot_decides_that_a_finding_does_not_show(known: tuple[KnownFinding, ...]) -> None:
    """Its message may have been printed before."""
    kernel = Dated("7.3")
    machines = AskedMachines({"model:7.3": ModelMachine("7.3"), BROKEN[1]: kernel}, [LookLevel.PROC])

    assert (True, 2) == (shows(known[0], machines), kernel.asked)


class Mute(ModelMachine):
    """A machine without an answer."""

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """No program fits."""
        raise Misuse("no guest has room")


def test_a_machine_without_an_answer_decides_nothing(known: tuple[KnownFinding, ...]) -> None:
    """Neither that it shows nor that it does not."""
    machines = AskedMachines({"model:7.3": ModelMachine("7.3"), BROKEN[1]: Mute("7.3")}, [LookLevel.PROC])

    assert shows(known[0], machines) is None
