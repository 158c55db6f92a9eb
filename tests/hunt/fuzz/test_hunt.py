"""The loop: it finds, repeats, shrinks, files, and goes on where it was interrupted."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from harmed import Harmed

from pfnlab.base.errors import Undecided, Why
from pfnlab.base.result import Outcome
from pfnlab.hunt.fuzz import rounds
from pfnlab.hunt.fuzz.asked_machines import Weighed
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.filing import Folder, findings_in
from pfnlab.hunt.fuzz.hunt import FIRST_PART, Hunt
from pfnlab.hunt.fuzz.hunt_state import FuzzResult, HuntState, read_state, write_state
from pfnlab.hunt.fuzz.rounds import DrawnRound
from pfnlab.present.document.campaign_part import part
from pfnlab.present.document.part import part_of
from pfnlab.present.document.read import result_of
from pfnlab.present.document.terminal import terminal
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Run

WARNING = "WARNING at mm/memory.c"

SAME = ("model:7.2", "model:7.2,mseal=on")
OTHER = ("model:7.2", "model:7.2,tracker=vm_pat")


def models(*specs: str) -> dict[str, Machine]:
    """Models by name."""
    return {spec: ModelMachine(spec.removeprefix("model:")) for spec in specs}


def outcome(hunt: HuntState) -> Outcome:
    """The outcome of the result."""
    return FuzzResult.of(hunt).outcome


def said(hunt: HuntState) -> str:
    """The result in a terminal."""
    return terminal(part(FuzzResult.of(hunt)))


def state(*specs: str, seed: int = 1) -> HuntState:
    """The beginning of a hunt."""
    return HuntState(list(specs), seed, Vocabulary())


class Moody:
    """A model that now and then sees a flush nobody else sees."""

    def __init__(self, every: int) -> None:
        self._model = ModelMachine("7.2")
        self._every, self._asked = every, 0

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """The model's runs, one flush too many in some."""
        return [self._told(run) for run in self._model.run(programs)]

    def _told(self, run: Run) -> Run:
        self._asked += 1
        if run.unfinished is not None or self._asked % self._every:
            return run
        first = msgspec.structs.replace(run.steps[0], flushes=99)
        return msgspec.structs.replace(run, steps=(first, *run.steps[1:]))


class Poisoned(Harmed):
    """A model whose kernel warns at every munmap, but only once until it boots anew."""

    def __init__(self) -> None:
        super().__init__()
        self._warned = False
        self.boots = 1

    def reboot(self) -> None:
        """Boot."""
        self._warned = False
        self.boots += 1

    def harm(self, run: Run, at: int) -> Run:
        """A WARN, or the knowledge that it was spent."""
        once = (WARNING,) * self._warned
        log = (*run.steps[at].log, *[WARNING] * (not self._warned))
        self._warned = True
        step = msgspec.structs.replace(run.steps[at], log=log)
        return msgspec.structs.replace(run, steps=(*run.steps[:at], step, *run.steps[at + 1 :]), once=once)


def test_a_crash_is_found_shrunk_and_filed(tmp_path: Path) -> None:
    """The smallest program that the kernel does not survive is its last operation."""
    began = state("model:7.2", "qemu:7.2")
    machines: dict[str, Machine] = {"model:7.2": ModelMachine("7.2"), "qemu:7.2": Harmed()}
    Hunt(machines, began, Folder(tmp_path)).run(programs=40)

    assert Outcome.DISCOVERY is outcome(began)
    (known,) = began.findings.values()
    assert (1, "alarm munmap (qemu:7.2): oops: BUG: in zap") == (known.operations, known.says)
    assert known.met > 1


@pytest.mark.target("long")
def test_a_warning_that_comes_once_a_boot_is_found(tmp_path: Path) -> None:
    """Each try has a kernel that has not warned yet."""
    began = state("model:7.2", "qemu:7.2")
    kernel = Poisoned()
    machines: dict[str, Machine] = {"model:7.2": ModelMachine("7.2"), "qemu:7.2": kernel}
    Hunt(machines, began, Folder(tmp_path)).run(programs=40, most=1)

    (known,) = began.findings.values()
    assert [] == began.unstable
    assert known.says.startswith("alarm munmap log ") and kernel.boots > 4


class Once(ModelMachine):
    """A kernel that flushes too often in the first program with munmap of each boot."""

    fresh = True

    def reboot(self) -> None:
        """Boot."""
        self.fresh = True

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """The model's runs, one of them with the flush."""
        return [self._flushed(run) for run in super().run(programs)]

    def _flushed(self, run: Run) -> Run:
        at = next((at for at, step in enumerate(run.steps) if " munmap " in f" {step.op}"), None)
        if at is None or run.unfinished is not None or not self.fresh:
            return run
        self.fresh = False
        step = msgspec.structs.replace(run.steps[at], flushes=99)
        return msgspec.structs.replace(run, steps=(*run.steps[:at], step, *run.steps[at + 1 :]))


@pytest.mark.target("long")
def test_a_repetition_in_a_fresh_boot_decides() -> None:
    """What a kernel does once a boot is no more unstable than a warning that it prints once a boot."""
    began = state("model:7.2", "qemu:7.2")
    machines: dict[str, Machine] = {"model:7.2": ModelMachine("7.2"), "qemu:7.2": Once("7.2")}
    Hunt(machines, began).run(programs=20)

    assert [] == began.unstable
    assert "difference munmap flushes " in next(iter(began.findings.values())).says


def test_models_that_agree() -> None:
    """Nothing is found, and what was reached is counted."""
    began = state(*SAME)
    Hunt(models(*SAME), began).run(programs=60)

    assert "60 programs, 0 differences" == FuzzResult.of(began).headline
    assert Outcome.AS_EXPECTED is outcome(began)
    assert 60 == began.compared + began.undecided
    assert "operation pairs: " in said(began)
    assert len(began.coverage.pairs) > 50


def test_the_result_names_what_stands_behind_each_machine() -> None:
    """The version of a profile, as of a kernel."""
    began = state(*SAME)
    Hunt(models(*SAME), began).run(programs=2)

    kernels = FuzzResult.of(began).kernels

    assert set(SAME) == kernels.keys()
    assert all(said.startswith("profile ") for said in kernels.values())


@pytest.mark.target("long")
def test_models_that_differ_are_found_shrunk_and_filed(tmp_path: Path) -> None:
    """Another tracker shows in a single operation, which is filed and runs again."""
    began = state(*OTHER)
    hunt = Hunt(models(*OTHER), began, Folder(tmp_path))
    hunt.run(programs=200, most=2)

    assert Outcome.DISCOVERY is outcome(began)
    assert 2 == len(began.findings) == len(list(tmp_path.iterdir()))
    for found, known in zip(hunt.found, began.findings.values(), strict=True):
        assert found.minimal and 1 == len(found.program.ops) == known.operations
        assert load_program(tmp_path / known.folder / "program.pfn").ops == found.program.ops
        assert known.folder in said(began)


@pytest.mark.target("long")
def test_a_finding_is_filed_once_and_counted(tmp_path: Path) -> None:
    """The second program that shows it adds nothing but to the count; so does a second hunt."""
    for met in ("first", "second"):
        began = state(*OTHER, seed=1 if met == "first" else 2)
        Hunt(models(*OTHER), began, Folder(tmp_path)).run(programs=30)

        assert len(began.findings) < began.different <= sum(known.met for known in began.findings.values())
        assert {known.folder for known in began.findings.values()} <= {one.name for one in tmp_path.iterdir()}
    keys = [(one / "report.md").read_text().rpartition("Signature: ")[2][:12] for one in tmp_path.iterdir()]
    assert len(keys) == len(set(keys))


def test_what_does_not_repeat_is_unstable(tmp_path: Path) -> None:
    """It is said with its rate and not filed; the question stays open."""
    began = state("model:7.2", "moody")
    Hunt({"model:7.2": ModelMachine("7.2"), "moody": Moody(9)}, began, Folder(tmp_path)).run(programs=12)

    assert ({}, []) == (began.findings, list(tmp_path.iterdir()))
    assert [(1, 4)] == [(one.shown, one.runs) for one in began.unstable]
    assert Outcome.UNDECIDED is outcome(began)
    assert "unstable, 1 of 4 runs" in said(began)


@pytest.mark.target("long")
@pytest.mark.parametrize("stops", [(1, 7), (10, 25), (20,)])
def test_resumed_equals_uninterrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: tuple[int, ...]
) -> None:
    """Wherever it is interrupted, a hunt ends in the same state."""
    monkeypatch.setattr(rounds, "ROUND", 10)
    whole = state(*OTHER)
    Hunt(models(*OTHER), whole).run(programs=35)
    kept = tmp_path / "state.json"
    write_state(kept, state(*OTHER))
    for stop in (*stops, 35):
        began = read_state(kept)
        assert began is not None
        Hunt(models(*OTHER), began).run(programs=stop)
        write_state(kept, began)

    assert whole == read_state(kept)


def test_no_time_no_programs() -> None:
    """A limit of no seconds ends before the first round."""
    began = state(*SAME)
    Hunt(models(*SAME), began).run(seconds=0)

    assert 0 == began.next
    assert Outcome.UNDECIDED is outcome(began)


MISSING = "WARNING at mm/memory.c"


class Silent:
    """A kernel that never prints a line the model predicts, in guests that printed it in other programs.

    :param spends: whether a run finds the line spent, one after the other; reboots make it unspent
    :param late: a difference behind the line, which shows in every run
    """

    def __init__(self, spends: Sequence[bool], *, late: bool = False) -> None:
        self._model = ModelMachine("7.2")
        self._spends = list(spends)
        self._late = late
        self.reboots = 0

    def reboot(self) -> None:
        """A guest that has printed nothing."""
        self.reboots += 1
        self._spends = [False]

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """The model's runs, of which some have flushes more at the end."""
        return [self._run(program) for program in programs]

    def _run(self, program: Program) -> Run:
        (run,) = self._model.run([program])
        spent = self._spends.pop(0) if len(self._spends) > 1 else self._spends[0]
        steps = run.steps
        if self._late and steps:
            steps = (*steps[:-1], msgspec.structs.replace(steps[-1], flushes=99))
        return msgspec.structs.replace(run, steps=steps, once=(MISSING,) if spent else ())


class Predicting(ModelMachine):
    """A model that predicts one line too many, in the first step."""

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """The model's runs."""
        return [
            msgspec.structs.replace(
                run, steps=(msgspec.structs.replace(run.steps[0], log=(MISSING,)), *run.steps[1:])
            )
            if run.steps
            else run
            for run in super().run(programs)
        ]


def test_a_line_that_was_spent_is_looked_for_in_a_new_guest() -> None:
    """Whether the guests of the repeats had printed it before does not make it unstable."""
    began = state("model:7.2", "silent")
    silent = Silent([False, True])
    Hunt({"model:7.2": Predicting("7.2"), "silent": silent}, began).run(programs=2, most=1)

    assert ([], ["log"]) == (began.unstable, [known.says.split()[2] for known in began.findings.values()])
    assert 0 < silent.reboots


def test_a_line_that_is_spent_no_more_hides_no_known_difference() -> None:
    """A difference that was met where the line was spent shows again behind the line."""
    began = state("model:7.2", "silent")
    silent = Silent([True, False], late=True)
    Hunt({"model:7.2": Predicting("7.2"), "silent": silent}, began).run(programs=1, most=1)

    assert ([], ["flushes"]) == (began.unstable, [known.says.split()[2] for known in began.findings.values()])


def test_no_guest_is_booted_for_other_lines() -> None:
    """A message that was spent and that the difference is not about."""
    began = state("model:7.2", "silent")
    silent = Silent([True])
    Hunt({"model:7.2": Predicting("7.2"), "silent": silent}, began).run(programs=5)

    assert (0, {}, []) == (silent.reboots, began.findings, began.unstable)


class Late(ModelMachine):
    """A kernel with a flush too many in the last step of every program."""

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """The model's runs."""
        return [
            msgspec.structs.replace(
                run, steps=(*run.steps[:-1], msgspec.structs.replace(run.steps[-1], flushes=99))
            )
            if run.steps
            else run
            for run in super().run(programs)
        ]


def fields(began: HuntState) -> list[str]:
    """The fields of the findings."""
    return [known.says.split()[2] for known in began.findings.values()]


def test_a_known_difference_hides_none_behind_it(tmp_path: Path) -> None:
    """A line of the log is no state: what differs at the end of the same programs is another finding."""
    began = state("model:7.2", "late")
    machines: dict[str, Machine] = {"model:7.2": Predicting("7.2"), "late": Late("7.2")}
    Hunt(machines, began, Folder(tmp_path)).run(programs=6)

    assert {"log", "flushes"} == set(fields(began))
    assert began.different == began.compared
    assert all(began.compared == known.met for known in began.findings.values() if "flushes" in known.says)


def test_what_follows_from_a_difference_is_no_finding(tmp_path: Path) -> None:
    """The smallest program of the first one shows it too."""
    began = state(*OTHER)
    hunt = Hunt(models(*OTHER), began, Folder(tmp_path))
    hunt.run(programs=10, most=1)

    (known,) = began.findings.values()
    (found,) = hunt.found
    assert {other.key for other in found.with_it} == set(known.with_it) and found.with_it
    for other in found.with_it:
        assert f"With it: {other.key} " in (tmp_path / known.folder / "report.md").read_text()
        assert other.key not in began.findings


def test_what_an_earlier_hunt_filed_is_not_shrunk_again(tmp_path: Path) -> None:
    """It is counted, with the number of operations of the program that is there."""
    first = state(*OTHER)
    Hunt(models(*OTHER), first, Folder(tmp_path / "old")).run(programs=10, most=1)
    (key,) = first.findings

    second = state(*OTHER)
    hunt = Hunt(models(*OTHER), second, Folder(tmp_path / "new", findings_in(tmp_path / "old")))
    hunt.run(programs=10)

    assert key not in {found.signature.key for found in hunt.found}
    assert first.findings[key].operations == second.findings[key].operations
    assert first.findings[key].with_it == second.findings[key].with_it
    assert 0 < second.findings[key].met


def test_no_more_findings_than_asked_for() -> None:
    """Though the last program shows another one."""
    began = state("model:7.2", "late")
    machines: dict[str, Machine] = {"model:7.2": Predicting("7.2"), "late": Late("7.2")}
    Hunt(machines, began).run(programs=6, most=1)

    assert ["log"] == fields(began)


def reworded(error: Undecided, message: str, kind: Why | None = None) -> None:
    """An error that is made with none of the words of its message."""
    Exception.__init__(error, f"({len(message)} letters)")
    if kind is not None:
        error.kind = kind


@pytest.mark.target("long")
def test_the_words_of_a_reason_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every reason of the model in other words as many programs are compared, with the same outcome."""
    began, again = state(*SAME), state(*SAME)
    Hunt(models(*SAME), began).run(programs=100)

    with monkeypatch.context() as patched:
        patched.setattr(Undecided, "__init__", reworded)
        Hunt(models(*SAME), again).run(programs=100)

    assert began.undecided and not set(began.reasons) & set(again.reasons)
    assert (began.compared, began.undecided) == (again.compared, again.undecided)
    assert (Outcome.AS_EXPECTED, Outcome.AS_EXPECTED) == (outcome(began), outcome(again))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (Why.NO_RULE, Outcome.AS_EXPECTED),
        (Why.MACHINE_DECIDES, Outcome.AS_EXPECTED),
        (Why.NO_END, Outcome.AS_EXPECTED),
        (Why.MISSING, Outcome.UNDECIDED),
        (Why.GUEST, Outcome.UNDECIDED),
        (None, Outcome.UNDECIDED),
    ],
)
def test_the_kind_of_a_reason_decides_the_outcome(kind: Why | None, expected: Outcome) -> None:
    """What the model has no answer for is expected; one that an earlier version counted has no kind."""
    began = state(*SAME)
    began.compared, began.undecided = 9, 1
    began.reasons = {"the model has no rule": 1}
    began.kinds = {} if kind is None else {"the model has no rule": kind}

    printed = json.loads(FuzzResult.of(began).as_json())

    assert (expected, expected) == (outcome(began), part_of(result_of(printed)).outcome)


def test_a_known_finding_is_none_of_those_asked_for(tmp_path: Path) -> None:
    """A hunt for one finding goes on behind what was filed when it began, and stops behind what was not."""
    first = state(*OTHER)
    Hunt(models(*OTHER), first, Folder(tmp_path / "old")).run(programs=10, most=1)
    folder = Folder(tmp_path / "new", findings_in(tmp_path / "old"))
    second = state(*OTHER)
    second.known_keys = list(folder.known())

    Hunt(models(*OTHER), second, folder).run(programs=160, most=1)

    assert first.findings.keys() < second.findings.keys()
    assert [True, False] == sorted((one.known for one in second.findings.values()), reverse=True)


#: A kernel and a model of other rules; what both are stands in the test.
KERNEL = ("model:7.2,tracker=vm_pat", "qemu:7.2")


def beside_kernel(model: str = "7.2,tracker=vm_pat") -> dict[str, Machine]:
    """A model, and one that stands for a kernel: programs come to it in parts."""
    return {KERNEL[0]: ModelMachine(model), KERNEL[1]: ModelMachine("7.2")}


def test_time_ends_a_hunt_within_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first part of it is run, and the hunt goes on where it has ended."""
    began, whole = state(*KERNEL), state(*KERNEL)
    Hunt(beside_kernel(), whole).run(programs=80)

    with monkeypatch.context() as patch:
        patch.setattr(Hunt, "_is_late", property(lambda hunt: hunt.state.next > 0))
        Hunt(beside_kernel(), began).run(programs=80)
    stopped = began.next
    Hunt(beside_kernel(), began).run(programs=80)

    assert (FIRST_PART, 80) == (stopped, began.next)
    assert (whole.findings.keys(), whole.different) == (began.findings.keys(), began.different)


@pytest.mark.parametrize(
    ("quick", "programs", "seconds", "sizes"),
    [
        (60.0, 250, None, [32, 64, 128, 26]),
        (0.0, 60, 600.0, [32, 16, 8, 4]),
        (0.0, 90, None, [32, 32, 26]),
    ],
)
def test_parts_grow_where_programs_are_quick(
    monkeypatch: pytest.MonkeyPatch, quick: float, programs: int, seconds: float | None, sizes: list[int]
) -> None:
    """Else they become smaller where time or findings end a hunt, so that it ends soon."""
    monkeypatch.setattr("pfnlab.hunt.fuzz.hunt.QUICK", quick)
    parts, runs_of = list[range](), Hunt._runs_of

    def noted(hunt: Hunt, drawn: DrawnRound, part: range) -> list[dict[LookLevel, Weighed]]:
        parts.append(part)
        return runs_of(hunt, drawn, part)

    monkeypatch.setattr(Hunt, "_runs_of", noted)

    Hunt(beside_kernel("7.2"), state(*KERNEL)).run(programs=programs, seconds=seconds)

    assert sizes == list(map(len, parts))
