"""The pictures of the page: well-formed, with parts that can be reached, and nothing that does anything."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest

from pfnlab.explorer import pictures
from pfnlab.explorer.rules import find_rule
from pfnlab.explorer.stories import Story, Storyteller
from pfnlab.programs.library import find_program

SVG = "{http://www.w3.org/2000/svg}"


def told(name: str, *machines: str) -> Story:
    text = find_program(name).read_text(encoding="utf-8")
    return Storyteller(lambda _: None).story(text, machines or ("model:6.1",))


def parts(picture: str) -> dict[str, ET.Element]:
    return {
        element.attrib["data-part"]: element
        for element in ET.fromstring(picture).iter()
        if "data-part" in element.attrib
    }


def test_a_state_has_a_part_for_everything() -> None:
    """Mappings, entries, devices and reservations are parts with a title and a rule there is."""
    found = parts(pictures.of_step(told("munmap-middle"), 1))

    assert {"vma", "run", "device", "book", "log"} == {key.partition(":")[0] for key in found}
    for element in found.values():
        assert element.findtext(f"{SVG}title")
        for rule in element.attrib.get("data-rule", "").split():
            assert rule == find_rule(rule).number


def test_entries_belong_to_their_mapping_and_reservation() -> None:
    """What an entry is lit with are parts of the same picture."""
    found = parts(pictures.of_step(told("munmap-middle"), 0))

    beside = found["run:main:a[0:16]"].attrib["data-with"].split()
    assert {"vma:main:a[0:16]", "book:bar[0:16]"} <= set(beside) <= set(found)


def test_a_leak_has_three_signs() -> None:
    """A reservation without an owner has another outline, the word, and says so."""
    element = parts(pictures.of_step(told("munmap-middle"), 2))["book:bar[0:8]"]

    assert "leak" in str(ET.tostring(element))
    assert "LEAKED" in [text.text for text in element.iter(f"{SVG}text")]
    assert "LEAKED" in (element.findtext(f"{SVG}title") or "")


def test_both_machines_have_one_axis() -> None:
    """The same pages have the same place on both, in every step."""
    story = told("munmap-middle", "model:6.1", "model:7.3")

    places = set()
    for step in (0, 1):
        for key, element in parts(pictures.of_step(story, step)).items():
            if key.endswith("book::bar[0:16]") or "book:bar[0:16]" in key:
                box = element.find(f"{SVG}rect")
                assert box is not None
                places.add((box.attrib["x"], box.attrib["width"]))
    assert 1 == len(places)


@pytest.mark.parametrize("narrow", [False, True])
def test_what_is_written_is_text(narrow: bool) -> None:
    """Letters that mean something in SVG are shown, not obeyed."""
    story = told("munmap-middle")
    hostile = '"><script>alert(1)</script>'
    run = story.runs[0].__class__(hostile, "", story.runs[0].steps)

    picture = pictures.of_step(Story(story.program, story.lines, (run,), story.verdict), 1, narrow=narrow)

    assert "<script" not in picture
    assert not re.search(r" on\w+=| style=|href", picture)
    assert hostile in [text.text for text in ET.fromstring(picture).iter(f"{SVG}text")]


def test_a_race_has_a_lane_for_each_task() -> None:
    """Who is held, who waits and for what are parts of the lanes."""
    found = parts(pictures.of_race(told("race-fork-revoked")))

    titles = [element.findtext(f"{SVG}title") for key, element in found.items() if key.startswith("lane:")]
    assert ["main: held", "p: waits for IPI"] == titles
