"""Judging what each step has changed finds what judging all of it finds, with as much work as was changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec
import pytest
from call_counts import counting
from cutting import cutting_programs
from for_each import for_each
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from slow_judge import Broken, slowly_judged
from strategies import programs

from pfnlab.checker.judging import device_mappings, entries
from pfnlab.checker.judging import observed_spaces as seen_module
from pfnlab.checker.judging.device_mappings import DeviceMappings
from pfnlab.checker.judging.judge import violations
from pfnlab.checker.judging.observed_spaces import SeenSpaces
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import BookEntry, MemoryObservation, PteSeen, Run, Step, VmaSeen

SPECS = ("6.1", "6.12", "7.2", "7.2,tracker=exact", "7.2,tracker=vm_pat")


def quickly_judged(program: Program, run: Run) -> list[Broken]:
    """The violations, without what explains them."""
    return [Broken(one.name, one.step, one.says) for one in violations(program, run)]


def modelled(program: Program, spec: str) -> Run:
    """A run on a model, with the flushes of each address space counted."""
    (run,) = ModelMachine(spec, LookLevel.MEMORY).run([program])
    memory = tuple(MemoryObservation({"main": (1, number // 2)}) for number in range(len(run.steps)))
    return msgspec.structs.replace(run, memory=memory)


@st.composite
def spoilt(draw: st.DrawFn, run: Run) -> Run:
    """The run with some of its observations wrong, from a step on or in one step."""
    steps = list(run.steps)
    for _ in range(draw(st.integers(0, 4))) if steps else ():
        first = draw(st.integers(0, len(steps) - 1))
        last = draw(st.sampled_from((first + 1, len(steps))))
        kind, at, shift = draw(st.sampled_from(_SPOILS)), draw(st.integers(0, 6)), draw(st.integers(1, 5))
        stale = run.steps[max(first - 1, 0)].ptes
        steps[first:last] = [_spoil(step, kind, at, shift, stale) for step in steps[first:last]]
    return msgspec.structs.replace(run, steps=tuple(steps))


_SPOILS = (
    *("no vma", "no entry", "other target", "other mode", "accessed", "longer vma", "two vmas", "turned"),
    *("shorter vma", "stale entries", "stale entries"),
    *("more book", "less book", "counted", "direct map", "nobody looked", "warned"),
)


def _spoil(step: Step, kind: str, at: int, shift: int, stale: tuple[PteSeen, ...] | None) -> Step:
    vmas, ptes, book = list(step.vmas or ()), list(step.ptes or ()), list(step.book or ())
    vma = vmas[at % len(vmas)] if vmas else None
    pte = ptes[at % len(ptes)] if ptes else None
    changed: dict[str, object] = {}
    match kind:
        case "no vma":
            changed["vmas"] = tuple(one for one in vmas if one is not vma)
        case "no entry":
            changed["ptes"] = tuple(one for one in ptes if one is not pte)
        case "other target" | "other mode" | "accessed":
            changed["ptes"] = tuple(_other(one, kind, shift) if one is pte else one for one in ptes)
        case "stale entries":
            changed["ptes"] = stale
        case "longer vma" | "shorter vma":
            pages = shift if kind == "longer vma" else -shift
            changed["vmas"] = tuple(_longer(one, pages) if one is vma else one for one in vmas)
        case "two vmas":
            changed["vmas"] = (*vmas, *([] if vma is None else [vma]))
        case "turned":
            changed["vmas"], changed["ptes"] = tuple(vmas[::-1]), tuple(ptes[::-1])
        case "more book":
            changed["book"] = (*book, BookEntry("bar", at, at + shift, "wc"))
        case "less book":
            changed["book"] = tuple(book[1:])
        case "counted":
            changed["tracked"] = (*(step.tracked or ()), f"bar[0:4] x{shift} a[{at}:{at + 1}]")
        case "direct map":
            changed["direct_map"] = (f"low[0:{shift}] UC-",)
        case "nobody looked":
            changed["vmas"] = None
        case "warned":
            changed["log"] = (*step.log, "WARNING at mm/memory.c")
    return msgspec.structs.replace(step, **changed)


def _other(pte: PteSeen, kind: str, shift: int) -> PteSeen:
    if kind == "accessed":
        return msgspec.structs.replace(pte, entry=f"{pte.entry} A")
    if kind == "other mode":
        return msgspec.structs.replace(pte, entry=pte.entry.replace(" WC ", " UC ").replace(" UC- ", " WB "))
    target = pte.target and Span(pte.target.name, pte.target.start + shift, pte.target.end + shift)
    return msgspec.structs.replace(pte, target=target)


def _longer(vma: VmaSeen, shift: int) -> VmaSeen:
    return msgspec.structs.replace(vma, end=max(vma.end + shift, vma.start + 1))


@settings(max_examples=150)
@given(st.data(), st.one_of(cutting_programs(), programs()), st.sampled_from(SPECS))
def test_what_is_found_is_what_the_plain_way_finds(data: st.DataObject, program: Program, spec: str) -> None:
    """In right runs and in spoilt ones, from the names of properties to the sentences."""
    run = data.draw(spoilt(modelled(program, spec)))
    # The plain way goes page by page, and a device can have 4 TiB.
    assume(all(seen.span.pages <= 1 << 16 for step in run.steps for seen in step.ptes or ()))

    found = quickly_judged(program, run)

    assert slowly_judged(program, run) == found


HEAD = "pfnlab program 1\ntitle t\ndevice bar: pci, 2048 pages\n"


def cuts(count: int) -> Program:
    """So many pages are taken out of a mapping, one by one."""
    lines = [f"a = mmap bar[0:{2 * count + 1}] wc shared rw"]
    lines += [f"munmap a[{2 * at + 1}]" for at in range(count)]
    return load_text(HEAD + "".join(f"{line}\n" for line in lines))


def retargeted(run: Run, number: int) -> Run:
    """The run, in which from a step on the first entry maps another page."""

    def other(step: Step) -> Step:
        first, *rest = step.ptes or ()
        return msgspec.structs.replace(step, ptes=(_other(first, "other target", 1), *rest))

    steps = [other(step) if number <= at < len(run.steps) - 1 else step for at, step in enumerate(run.steps)]
    return msgspec.structs.replace(run, steps=tuple(steps))


@pytest.fixture(params=["entries", "mappings"])
def forgetful(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What changed is not noticed: of entries, or of mappings."""
    if request.param == "entries":
        monkeypatch.setattr(seen_module, "_touched", lambda by_place, part, others: [])
    else:
        monkeypatch.setattr(DeviceMappings, "look", lambda self, step, spaces, changes: None)


@pytest.mark.usefixtures("forgetful")
def test_a_judge_that_misses_a_change_differs_from_the_plain_way() -> None:
    """The property above is able to fail."""
    program = cuts(3)
    run = retargeted(modelled(program, "7.2"), 2)

    found = quickly_judged(program, run)

    assert slowly_judged(program, run) != found


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> Iterator[Counter[str]]:
    """How often VMAs were looked at for their entries, and runs of entries for their VMAs."""
    counted: Counter[str] = Counter()
    entries_in = counting(counted, "VMAs", entries.entries_in)
    for module in (entries, device_mappings):
        monkeypatch.setattr(module, "entries_in", entries_in)
    monkeypatch.setattr(entries, "_outside", counting(counted, "entries", entries._outside))
    yield counted


@for_each("spec", ["6.1", "7.2"])
def test_a_step_is_judged_by_what_it_changed(spec: str, looked_at: Counter[str]) -> None:
    """Ten times the cuts, ten times the looks at VMAs and entries: not a hundred times."""
    looks = []
    for count in (40, 400):
        program = cuts(count)
        run = modelled(program, spec)
        looked_at.clear()
        violations(program, run)
        looks.append(dict(looked_at))

    few, many = looks
    assert set(few) == {"VMAs", "entries"}
    assert all(many[what] <= 11 * few[what] for what in few), looks


def test_spaces_of_a_step_are_found_from_those_of_the_step_before() -> None:
    """A step that changes nothing touches nothing."""
    run = modelled(cuts(3), "7.2")
    spaces = SeenSpaces()
    spaces.look(run.steps[2])

    changes = spaces.look(run.steps[2])

    assert ([], []) == (changes.touched_vmas, changes.touched_ptes)
