"""The drawings in a document: made by ``picture/``, and checked before they go into a file."""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence

from pfnlab.base.errors import Defect, PfnlabError
from pfnlab.kernel.policies.own import files_in
from pfnlab.present.document.blocks import Figure
from pfnlab.present.picture import draw_story
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run

#: The longest program, in operations, whose story is drawn.
MOST_STEPS = 40
_MODEL = "model:"
#: An attribute may refer only to a place in the same drawing. Names, and texts for screen readers, are not
#: references, whatever they contain.
_REFERENCE = re.compile(r"url\(\s*['\"]?(?!#)|@import|javascript:", re.IGNORECASE)
_TEXTS = ("aria-label", "data-")
_REFERRING = ("href", "{http://www.w3.org/1999/xlink}href", "src")
_REFUSED = frozenset({"script", "foreignObject", "iframe", "image", "audio", "video", "object", "embed"})


def checked(svg: str) -> str:
    """Return *svg* without its declaration; raise Defect if it is not SVG, or could run or load anything."""
    text = svg[svg.find("<svg") :].strip()
    if "<!" in text:
        raise Defect("a drawing has a declaration: only elements are allowed")
    try:
        root = ElementTree.fromstring(text)
    except ElementTree.ParseError as trouble:
        raise Defect(f"a drawing is not XML: {trouble}") from trouble
    for element in root.iter():
        name = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else "?"
        foreign = [word for word in _REFERRING if not element.get(word, "#").startswith("#")]
        running = [word for word in element.attrib if word.lower().startswith("on")]
        styles = element.text or "" if name == "style" else ""
        acting = [value for word, value in element.attrib.items() if not word.startswith(_TEXTS)]
        if name in _REFUSED or foreign or running or any(map(_REFERENCE.search, (styles, *acting))):
            raise Defect(f"a drawing could load or run something through its element {name}")
    return text


def story(program: Program, runs: Sequence[Run], name: str) -> Iterator[Figure]:
    """Draw the steps of a program on one or more machines; yield nothing if the program is too long."""
    if not runs or len(program.ops) > MOST_STEPS or not any(run.steps for run in runs):
        return
    machines = ", ".join(run.machine for run in runs)
    yield Figure(f"{name} on {machines}, step by step", checked(draw_story(program, runs)))


def story_of_text(text: str | None, machines: Sequence[str]) -> Iterator[Figure]:
    """Draw the steps of *text* on those *machines* that are models; never runs a policy from a file."""
    specs = dict.fromkeys(name for name in machines if name.startswith(_MODEL) and not files_in(name))
    if not text or not specs:
        return
    try:
        program = load_text(text)
        if len(program.ops) > MOST_STEPS:
            return
        runs = [ModelMachine(spec.removeprefix(_MODEL)).run_one(program) for spec in specs]
    except PfnlabError:
        # It is from another version, or this model lacks a rule; the text is shown in any case.
        return
    yield from story(program, runs, program.title or "The program")
