"""Stories, comparisons and races: readable, whole, inert, and the same every time."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from drawing import drawn
from for_each import for_each
from hostile_results import HOSTILE
from hypothesis import given, settings
from hypothesis import strategies as st
from svg_reading import (
    PROGRAMS,
    SVG,
    dangling,
    outside,
    overlaps,
    parts_of,
    root_of,
    run_if_told,
    run_of,
    title_of,
    words_of,
)

from pfnlab.base.errors import Misuse, Why
from pfnlab.present.document.drawings import checked
from pfnlab.present.picture import draw_race, draw_state, draw_story
from pfnlab.present.picture.palette import Theme
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.observation import Run

Draw = Callable[[Program, list[Run], float | None], str]

FORMS: dict[str, Draw] = {
    "story": lambda program, runs, width: draw_story(program, runs[:1], width=width),
    "columns": lambda program, runs, width: draw_story(program, runs, width=width),
    "state": lambda program, runs, width: draw_state(program, runs[1:], len(program.ops) // 2, width=width),
    "compare": lambda program, runs, width: draw_state(program, runs, len(program.ops) // 2, width=width),
    "race": lambda program, runs, width: draw_race(program, runs, width=width),
}

form = for_each("form", FORMS)


def two(name: str) -> tuple[Program, list[Run]]:
    """A program on two models."""
    program, old = run_of(name, "6.12")
    return program, [old, run_of(name, "7.2")[1]]


@form
@for_each("name", PROGRAMS)
@for_each("width", [None, 400])
def test_labels_can_be_read(form: str, name: str, width: float | None) -> None:
    """None lies over another, and none reaches out of the picture."""
    svg = FORMS[form](*two(name), width)

    assert [] == overlaps(svg)
    assert [] == outside(svg)


@given(
    seed=st.integers(0, 5000), form=st.sampled_from(sorted(FORMS)), width=st.sampled_from((None, 360, 1600))
)
@settings(max_examples=25)
def test_labels_of_random_programs_can_be_read(seed: int, form: str, width: float | None) -> None:
    """Whatever they map and unmap."""
    program = drawn(seed, driver=True)
    svg = FORMS[form](program, [run_if_told(program, model) for model in ("6.12", "7.2")], width)

    assert [] == overlaps(svg)
    assert [] == outside(svg)


def test_labels_that_overlap_are_noticed() -> None:
    """By the same look at a picture in which one was moved."""
    svg = draw_story(*_one("munmap-middle"))
    first, second = [text for text in root_of(svg).iter(f"{SVG}text") if text.text in ("VMAs", "PTEs")][:2]
    moved = svg.replace(f'y="{second.attrib["y"]}">PTEs', f'y="{first.attrib["y"]}">PTEs', 1)

    assert ("VMAs", "PTEs") in overlaps(moved)


def test_a_label_outside_is_noticed() -> None:
    """Likewise."""
    svg = draw_story(*_one("munmap-middle"))
    before, label = svg.split(">VMAs<")[0].rpartition("<text")[::2]

    assert "VMAs" in outside(
        svg.replace(f"{before}<text{label}", before + "<text" + label.replace('x="24"', 'x="-30"'))
    )


def _one(name: str) -> tuple[Program, list[Run]]:
    program, run = run_of(name, "6.12")
    return program, [run]


@form
@for_each("name", PROGRAMS[:4])
def test_a_picture_is_xml_that_loads_nothing(form: str, name: str) -> None:
    """With a name and a description, and with all that it refers to."""
    svg = checked(FORMS[form](*two(name), None))
    root = root_of(svg)

    assert root.findtext(f"{SVG}title")
    assert root.findtext(f"{SVG}desc")
    assert set() == dangling(svg)


@form
def test_the_same_arguments_give_the_same_picture(form: str) -> None:
    """In every byte."""
    program, runs = two("fork-nested-kill")

    assert FORMS[form](program, runs, None) == FORMS[form](program, list(runs), None)


@form
@for_each("width", [None, 400])
def test_hostile_words_are_inert(form: str, width: float | None) -> None:
    """In titles, operations, logs, names of machines and tasks: they make no element."""
    program, runs = two("race-revoked-before-flush")
    named = msgspec.structs.replace(program, title=HOSTILE, asks=HOSTILE)
    hostile = [
        msgspec.structs.replace(
            run,
            machine=f"{HOSTILE}{number}",
            lost=HOSTILE,
            steps=tuple(
                msgspec.structs.replace(step, op=HOSTILE, task=HOSTILE, value=HOSTILE, log=(HOSTILE,))
                for step in run.steps
            ),
        )
        for number, run in enumerate(runs)
    ]
    svg = checked(FORMS[form](named, hostile, width))

    assert not [element.tag for element in root_of(svg).iter() if "script" in element.tag]
    assert "alert" in svg
    assert "\x1b" not in svg and "\x00" not in svg


@form
def test_nothing_to_draw_is_refused(form: str) -> None:
    """It is said what to give."""
    program, runs = two("munmap-middle")
    drawing = {
        "story": lambda: draw_story(program, []),
        "columns": lambda: draw_story(program, []),
        "compare": lambda: draw_state(program, [], 0),
        "race": lambda: draw_race(program, []),
        "state": lambda: draw_state(msgspec.structs.replace(program, ops=()), runs[:1], 0),
    }[form]

    with pytest.raises(Misuse, match=r"give at least one run|draw a run of this program"):
        drawing()


def test_a_story_has_every_step() -> None:
    """A panel each, in order."""
    program, runs = _one("munmap-middle")
    steps = [
        group.attrib["data-step"]
        for group in root_of(draw_story(program, runs)).iter()
        if "data-step" in group.attrib
    ]

    assert ["1", "2", "3", "4"] == steps


def test_what_differs_is_lit_and_what_is_the_same_folded() -> None:
    """The words of the head say which; the first step is the same but for how it is tracked."""
    svg = draw_story(*two("munmap-middle"))

    assert title_of(parts_of(svg)["step:1"]).endswith("= the same, tracked differently")
    assert "≠ book, log, flushes 3 ≠ 2" in words_of(svg)


def test_machines_that_are_the_same_share_a_column() -> None:
    """Where there are more than two."""
    program, old = run_of("munmap-middle", "6.1")
    runs = [
        msgspec.structs.replace(old, machine="one"),
        msgspec.structs.replace(old, machine="two"),
        run_of("munmap-middle", "7.2")[1],
    ]

    assert "one · two" in words_of(draw_story(program, runs))


def test_a_machine_that_was_lost_says_so() -> None:
    """In the step that it did not reach, and without an error."""
    program, runs = two("munmap-middle")
    lost = msgspec.structs.replace(
        runs[0], steps=runs[0].steps[:1], tlbs=runs[0].tlbs[:1], lost="the guest is gone"
    )

    assert "the guest is gone" in words_of(draw_story(program, [lost, runs[1]]))
    assert "the guest is gone" in words_of(draw_story(program, [lost]))


def test_a_machine_without_an_answer_is_not_called_lost() -> None:
    """Its reason stands there, and that it is undecided."""
    program, runs = two("munmap-middle")
    unanswered = msgspec.structs.replace(
        runs[0], steps=runs[0].steps[:1], undecided="no rule", why=Why.NO_RULE
    )

    assert "undecided: no rule" in words_of(draw_story(program, [unanswered]))


@for_each("theme", ["light", "dark"])
def test_a_theme_is_for_good(theme: Theme) -> None:
    """No other colours are in it, and it asks nobody."""
    svg = draw_story(*_one("munmap-middle"), theme=theme)

    assert "prefers-color-scheme" not in svg
    assert ("#16191d" in svg) == (theme == "dark")


def test_a_race_shows_who_waits_for_whom() -> None:
    """Held, waiting, and the reason, in words and as parts."""
    program, run = run_of("race-revoked-before-flush", "7.2")
    parts = parts_of(draw_race(program, [run]))

    assert "main is held in flush_tlb_mm_range from step 7 to step 11" == title_of(parts["held:main:6"])
    assert title_of(parts["waits:t:8"]).startswith("t waits for IPI, which main has")


def test_a_race_shows_what_is_broken() -> None:
    """A driver is told that its pages are free while a processor reads them."""
    program, _ = run_of("race-revoked-before-flush", "7.2")
    careless = run_of("race-revoked-before-flush", "7.2,flush=none")[1]

    assert "told free" in words_of(draw_race(program, [careless]))
    assert "told free" not in words_of(draw_race(program, [run_of("race-revoked-before-flush", "7.2")[1]]))
