"""The pictures of the page: well-formed, with parts that can be reached, and nothing that does anything."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from msgspec.structs import replace

from pfnlab.explorer.answers import step_picture
from pfnlab.explorer.stories import Story, Storyteller
from pfnlab.kernel.functions.rule_texts import find_rule
from pfnlab.present.picture import draw_race
from pfnlab.programs.lang.library import find_program

SVG = "{http://www.w3.org/2000/svg}"


def told(name: str, *machines: str) -> Story:
    text = find_program(name).read_text(encoding="utf-8")
    return Storyteller().story(text, machines or ("model:6.1",))


def parts(picture: str) -> dict[str, ET.Element]:
    return {
        element.attrib["data-part"]: element
        for element in ET.fromstring(picture).iter()
        if "data-part" in element.attrib
    }


def told_steps(name: str) -> list[tuple[Story, int]]:
    one, two = told(name), told(name, "model:6.1", "model:7.3")
    return [(story, step) for story in (one, two) for step in range(story.steps)]


PROGRAMS = ["munmap-middle", "fork-child-first", "race-fork-revoked", "mremap-move-middle"]


@pytest.mark.parametrize("name", PROGRAMS)
def test_every_part_has_its_name_and_its_rule(name: str) -> None:
    """What is clicked is told: a part says what it is, and a rule that there is stands behind it."""
    for story, step in told_steps(name):
        for key, element in parts(step_picture(story, step)).items():
            rules = element.attrib.get("data-rule", "").split()
            assert element.findtext(f"{SVG}title"), key
            op = story.result.runs[0].steps[step].op
            assert rules or (key.startswith("step:") and op.split()[-1] in ("release", "thread")), key
            assert rules == [find_rule(rule).number for rule in rules], key


def test_entries_are_lit_with_their_reservation() -> None:
    """And with their mapping, whichever of them names the other."""
    found = parts(step_picture(told("munmap-middle"), 0))
    pairs = [{key, other} for key in found for other in found[key].attrib.get("data-with", "").split()]

    assert {"vma:main:a:0", "run:main:a:0"} in pairs
    assert {"vma:main:a:0", "book:bar:0:16"} in pairs


def test_one_machine_is_a_state_and_two_are_compared() -> None:
    """Both stand in one picture, and each has its groups."""
    alone = step_picture(told("munmap-middle"), 2)
    both = step_picture(told("munmap-middle", "model:6.1", "model:7.3"), 2)

    assert 1 == alone.count("data-machine=")
    for machine in ("model:6.1", "model:7.3"):
        assert f'data-machine="{machine}"' in both


def test_a_picture_has_the_room_there_is() -> None:
    """As wide as the page says, for a screen or for a phone."""
    for width in (328, 1100):
        assert f'width="{width}"' in step_picture(told("munmap-middle"), 1, width=width)


@pytest.mark.parametrize("width", [None, 328])
def test_what_is_written_is_text(width: int | None) -> None:
    """Letters that mean something in SVG are shown, not obeyed."""
    story = told("munmap-middle")
    hostile = '"><script>alert(1)</script>'
    run = replace(story.result.runs[0], machine=hostile)

    picture = step_picture(replace(story, result=replace(story.result, runs=(run,))), 1, width=width)

    assert "<script" not in picture
    assert not re.search(r" on\w+=| style=|href", picture)
    assert hostile in "".join(ET.fromstring(picture).itertext())


def test_a_race_has_a_lane_for_each_processor_of_each_machine() -> None:
    """Those who are held, and those who wait."""
    story = told("race-fork-revoked", "model:6.1", "model:7.3")

    text = draw_race(story.result.program, story.result.runs)

    said = [element.findtext(f"{SVG}title") or "" for element in parts(text).values()]
    assert any("held" in words for words in said)
    assert any("waits" in words for words in said)
