"""An observer sees the same, whatever it remembers of the steps before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from call_counts import counting
from cutting import cutting_programs
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import programs

from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Op, Program
from pfnlab.programs.model import observe, watched_space
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.model.observe import Observer
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run, Step

SPECS = ("6.1", "6.6", "7.2", "7.2,tracker=exact", "7.2,walker=early_refusal")


class Forgetful(Observer):
    """An observer that puts everything into words anew."""

    def step(
        self, op: str, task: str, result: str, value: int | str | None, ended: Sequence[Op] | None
    ) -> Step:
        """Seen as if for the first time."""
        self._spaces.clear()
        return super().step(op, task, result, value, ended)


def run_by(observer: type[Observer], program: Program, spec: str, look: LookLevel) -> Run:
    """The run as *observer* sees it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pfnlab.programs.model.model_machine.Observer", observer)
        (run,) = ModelMachine(spec, look).run([program])
    return run


@settings(max_examples=150)
@given(
    st.one_of(cutting_programs(), programs()),
    st.sampled_from(SPECS),
    st.sampled_from((LookLevel.PROC, LookLevel.MEMORY)),
)
def test_what_is_remembered_is_what_is_seen(program: Program, spec: str, look: LookLevel) -> None:
    """After every step."""
    assert run_by(Forgetful, program, spec, look) == run_by(Observer, program, spec, look)


def cuts(count: int, call: str) -> Program:
    """So many operations on a page of a mapping each, with a page between them."""
    lines = [f"a = mmap bar[0:{2 * count + 1}] wc shared rw"]
    lines += [call.replace("P", f"a[{2 * at + 1}]") for at in range(count)]
    head = "pfnlab program 1\ntitle t\ndevice bar: pci, 2048 pages\n"
    return load_text(head + "".join(f"{line}\n" for line in lines))


def test_an_observer_that_does_not_notice_a_change_sees_something_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The property above is able to fail: changed page tables are not noticed."""
    monkeypatch.setattr(
        watched_space.WatchedSpace,
        "_changed_pages",
        lambda self, runs, tables: None if self._tables else (0, watched_space.TASK_PAGES),
    )
    program = cuts(2, "munmap P")

    seen = run_by(Observer, program, "7.2", LookLevel.PROC)

    assert run_by(Forgetful, program, "7.2", LookLevel.PROC) != seen


@pytest.fixture
def worded(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How many VMAs and runs of entries were put into words."""
    counted: Counter[str] = Counter()
    monkeypatch.setattr(observe, "smap_counts", counting(counted, "VMAs", observe.smap_counts))
    monkeypatch.setattr(
        watched_space, "observed_entries", counting(counted, "entries", watched_space.observed_entries)
    )
    yield counted


@for_each("call", ["munmap P", "mprotect P r"])
def test_a_step_puts_into_words_what_it_changed(call: str, worded: Counter[str]) -> None:
    """Ten times the cuts, ten times the words: not a hundred times."""
    made = []
    for count in (40, 400):
        worded.clear()
        run_by(Observer, cuts(count, call), "7.2", LookLevel.PROC)
        made.append(dict(worded))

    few, many = made
    assert set(few) == {"VMAs", "entries"}
    assert all(many[what] <= 11 * few[what] for what in few), made
