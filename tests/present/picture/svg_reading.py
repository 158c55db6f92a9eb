"""A picture read as a browser reads it: its parts by name, and the boxes of its labels."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from functools import cache
from itertools import combinations
from typing import NamedTuple

from hypothesis import reject
from litmus_files import litmus_file

from pfnlab.base.errors import Undecided
from pfnlab.present.picture.canvas import text_width
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run

SVG = "{http://www.w3.org/2000/svg}"

#: Programs of every kind: holes, forks, leaves, RAM, several devices, stale translations, many tables.
PROGRAMS = (
    "munmap-middle",
    "munmap-page-by-page",
    "munmap-many-tables",
    "fork-nested-kill",
    "fork-copied-first",
    "pud-fork",
    "pmd-munmap-page",
    "race-revoked-before-flush",
    "race-flush-left-out",
    "race-direct-map",
    "mem-at-a-hole",
    "vfio-fault-held",
)

#: How labels reach over and under the line they stand on, in parts of their size, and what is no overlap.
_OVER, _UNDER, _TOUCH = 0.78, 0.22, 0.3


class LabelBox(NamedTuple):
    """Where a label is, at most."""

    left: float
    top: float
    right: float
    bottom: float
    text: str


@cache
def run_of(name: str, model: str) -> tuple[Program, Run]:
    """A litmus program, and what a model makes of it."""
    program = load_program(litmus_file(name))
    return program, ModelMachine(model, LookLevel.MEMORY).run_one(program)


def run_if_told(program: Program, model: str) -> Run:
    """What a model makes of a random program; one that it has no answer for is not asked about."""
    try:
        return ModelMachine(model).run_one(program)
    except Undecided:
        reject()


def root_of(svg: str) -> ElementTree.Element:
    """The picture.

    :raises xml.etree.ElementTree.ParseError: it is no XML
    """
    return ElementTree.fromstring(svg)


def parts_of(svg: str) -> dict[str, ElementTree.Element]:
    """Every part by its name."""
    return {
        group.attrib["data-part"]: group
        for group in root_of(svg).iter(f"{SVG}g")
        if "data-part" in group.attrib
    }


def title_of(part: ElementTree.Element) -> str:
    """What a part says of itself."""
    return part.findtext(f"{SVG}title") or ""


def words_of(svg: str) -> str:
    """All labels, a line each."""
    return "\n".join(text.text or "" for text in root_of(svg).iter(f"{SVG}text"))


def labels_of(svg: str) -> list[LabelBox]:
    """The boxes of all labels."""
    found = []
    for text in root_of(svg).iter(f"{SVG}text"):
        face, size_word, *_ = text.attrib["class"].split()
        size = float(size_word[1:])
        width = text_width(text.text or "", size, face)  # type: ignore[arg-type]
        x, y = float(text.attrib["x"]), float(text.attrib["y"])
        left = x - {"start": 0.0, "middle": width / 2, "end": width}[text.attrib.get("text-anchor", "start")]
        found.append(LabelBox(left, y - _OVER * size, left + width, y + _UNDER * size, text.text or ""))
    return found


def overlaps(svg: str) -> list[tuple[str, str]]:
    """Labels of which one lies over the other."""
    return [
        (one.text, other.text)
        for one, other in combinations(labels_of(svg), 2)
        if one.left < other.right - _TOUCH
        and other.left < one.right - _TOUCH
        and one.top < other.bottom - _TOUCH
        and other.top < one.bottom - _TOUCH
    ]


def outside(svg: str) -> list[str]:
    """Labels and boxes that reach out of the view."""
    root = root_of(svg)
    _, _, wide, high = map(float, root.attrib["viewBox"].split())
    found = [
        label.text
        for label in labels_of(svg)
        if label.left < -1 or label.top < -1 or label.right > wide + 1 or label.bottom > high + 1
    ]
    for rect in (rect for group in root.iter(f"{SVG}g") for rect in group.findall(f"{SVG}rect")):
        x, y, width, height = (float(rect.attrib[key]) for key in ("x", "y", "width", "height"))
        if x < -1 or y < -1 or x + width > wide + 1 or y + height > high + 1:
            found.append(f"{rect.attrib.get('class')} at {x},{y}")
    return found


def dangling(svg: str) -> set[str]:
    """What a picture refers to and does not have."""
    ids = {element.attrib["id"] for element in root_of(svg).iter() if "id" in element.attrib}
    return set(re.findall(r"url\(#([^)]*)\)", svg)) - ids
