"""A state: everything that was seen has its part, and what was not seen has none."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import msgspec
import pytest
from drawing import drawn
from for_each import for_each
from hypothesis import given, settings
from hypothesis import strategies as st
from svg_reading import PROGRAMS, parts_of, run_if_told, run_of, title_of, words_of

from pfnlab.base.errors import Misuse
from pfnlab.present.picture import draw_state
from pfnlab.present.picture.parts import pages_part
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.observation import BookEntry, Run, Step


def missing(program: Program, run: Run, index: int) -> set[str]:
    """What a state has and its picture has not."""
    step, parts = run.steps[index], parts_of(draw_state(program, [run], index))
    wanted = {pages_part("vma", vma.task, vma.span) for vma in step.vmas or ()}
    wanted |= {pages_part("run", pte.task, pte.span) for pte in step.ptes or ()}
    wanted |= {f"book:{entry.span.name}:{entry.span.start}:{entry.span.end}" for entry in step.book or ()}
    wanted |= {f"log:{number}" for number in range(len(step.log))}
    if run.tlbs:
        wanted |= {pages_part("tlb", seen.task, seen.span) for seen in run.tlbs[index][:6]}
    return wanted - set(parts)


@for_each("name", PROGRAMS)
@for_each("model", ["6.1", "7.2"])
def test_everything_that_was_seen_has_its_part(name: str, model: str) -> None:
    """VMAs, runs, reservations, log lines and translations of every step."""
    program, run = run_of(name, model)

    assert [set()] * len(run.steps) == [missing(program, run, index) for index in range(len(run.steps))]


@given(seed=st.integers(0, 5000))
@settings(max_examples=25)
def test_everything_of_a_random_program_has_its_part(seed: int) -> None:
    """With the operations of the driver too."""
    program = drawn(seed, driver=True)
    run = run_if_told(program, "7.2")

    assert not any(missing(program, run, index) for index in range(len(run.steps)))


@for_each("name", ["munmap-middle", "fork-nested-kill"])
def test_a_context_has_its_references(name: str) -> None:
    """A tag for each, with the count that the state has, and who shares it."""
    program, run = run_of(name, "7.2")
    for index, step in enumerate(run.steps):
        parts = parts_of(draw_state(program, [run], index))
        for line in step.tracked or ():
            place, count, *owners = line.split()
            assert f"{count.lstrip('x')} references" in title_of(parts[_context(place)])
            assert set(parts[_context(place)].attrib["data-with"].split()) >= {
                _vma(owner) for owner in owners
            }


def _context(place: str) -> str:
    name, _, pages = place.rstrip("]").partition("[")
    return f"ctx:{name}:{pages}"


def _vma(owner: str) -> str:
    place, _, pages = owner.partition("[")
    task, _, name = place.rpartition(":")
    return f"vma:{task or 'main'}:{name}:{pages.partition(':')[0]}"


def test_a_leaked_reservation_says_so() -> None:
    """By a word, by an outline, and by its kind; one that has an owner does not."""
    program, run = run_of("munmap-middle", "6.12")
    before, after = (draw_state(program, [run], index) for index in (1, 2))

    assert "LEAKED" not in words_of(before)
    assert "LEAKED" in words_of(after)
    assert "leaked" in parts_of(after)["book:bar:0:8"].attrib["class"]


def test_a_stale_translation_says_so() -> None:
    """Struck through, with the word, and with a link to what it still reaches."""
    program, run = run_of("race-revoked-before-flush", "7.2")
    fresh, stale = (draw_state(program, [run], index) for index in (5, 6))

    assert "STALE" not in words_of(fresh)
    assert "STALE" in words_of(stale)
    assert {"stale-link:main:a:0", "tlb:s:a:0"} <= set(parts_of(stale))


@for_each("name", ["munmap-middle", "fork-nested-kill", "race-two-batches"])
def test_a_part_keeps_its_name(name: str) -> None:
    """What is the same in two steps has one name, wherever it stands in them."""
    program, run = run_of(name, "7.2")
    names = [set(parts_of(draw_state(program, [run], index))) for index in range(len(run.steps))]
    same = [set(before) & set(after) for before, after in pairwise(names)]

    assert all("mem:bar" in both for both in same)
    assert "vma:main:a:0" in names[0] & names[1]


def test_a_changed_part_is_marked() -> None:
    """By its kind; what is as before is not."""
    program, run = run_of("munmap-middle", "7.2")
    parts = parts_of(draw_state(program, [run], 1))

    assert "changed" in parts["vma:main:a:8"].attrib["class"]
    assert "changed" not in parts["book:bar:0:16"].attrib["class"]


@for_each("name", PROGRAMS)
def test_parts_belong_with_parts(name: str) -> None:
    """Every name that a part refers to is one of the same picture."""
    program, run = run_of(name, "7.2")
    for index in range(len(run.steps)):
        parts = parts_of(draw_state(program, [run], index))
        named = {word for part in parts.values() for word in part.attrib.get("data-with", "").split()}
        assert named <= set(parts)


def _book(step: Step) -> Step:
    return msgspec.structs.replace(step, book=(BookEntry("bar", 0, 16, "uc"),))


def _vmas(step: Step) -> Step:
    return msgspec.structs.replace(step, vmas=(step.vmas or ())[1:])


def _ptes(step: Step) -> Step:
    first = msgspec.structs.replace((step.ptes or ())[0], entry="L1 UC P RO US SPECIAL A")
    return msgspec.structs.replace(step, ptes=(first, *(step.ptes or ())[1:]))


def _tracked(step: Step) -> Step:
    return msgspec.structs.replace(step, tracked=("bar[0:16] x9 a[0:4]",))


def _log(step: Step) -> Step:
    return msgspec.structs.replace(step, log=("another line",))


def _result(step: Step) -> Step:
    return msgspec.structs.replace(step, result="EINVAL")


def _flushes(step: Step) -> Step:
    return msgspec.structs.replace(step, flushes=77)


def _direct(step: Step) -> Step:
    return msgspec.structs.replace(step, direct_map=("bar[0:4] WC",))


@for_each("change", [_book, _vmas, _ptes, _tracked, _log, _result, _flushes, _direct])
def test_another_state_is_another_picture(change: Callable[[Step], Step]) -> None:
    """Whatever is other in it."""
    program, run = run_of("munmap-middle", "7.2")
    steps = (run.steps[0], change(run.steps[1]), *run.steps[2:])
    changed = msgspec.structs.replace(run, steps=steps)

    assert _drawn_parts(draw_state(program, [run], 1)) != _drawn_parts(draw_state(program, [changed], 1))


def _drawn_parts(svg: str) -> str:
    """The picture without the names of patterns, which are others for every run."""
    return svg[svg.index("</defs>") :].replace(svg.partition('<pattern id="')[2][:11], "")


@for_each("step", [4, 99, -5])
def test_a_step_that_is_not_there_is_refused(step: int) -> None:
    """With those that are."""
    program, run = run_of("munmap-middle", "7.2")

    with pytest.raises(Misuse, match="0 to 3"):
        draw_state(program, [run], step)


def test_the_last_step_has_a_short_name() -> None:
    """As in a sequence."""
    program, run = run_of("munmap-middle", "7.2")

    assert draw_state(program, [run], -1) == draw_state(program, [run], 3)


def test_a_run_of_another_program_is_refused() -> None:
    """It would be drawn with the devices of this one."""
    program, _ = run_of("munmap-middle", "7.2")
    _, other = run_of("fork-nested-kill", "7.2")

    with pytest.raises(Misuse, match="draw a run of this program"):
        draw_state(program, [other], 0)


def test_what_nobody_looked_at_is_said() -> None:
    """It is not drawn as if there were nothing."""
    program, run = run_of("munmap-middle", "7.2")
    blind = tuple(msgspec.structs.replace(step, vmas=None, ptes=None, book=None) for step in run.steps)

    assert (
        words_of(draw_state(program, [msgspec.structs.replace(run, steps=blind)], 1)).count("not looked at")
        == 2
    )
