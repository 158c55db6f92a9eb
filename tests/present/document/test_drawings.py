"""Drawings are checked before they become part of a file."""

from __future__ import annotations

import pytest
from for_each import for_each

from pfnlab.base.errors import Defect
from pfnlab.present.document.drawings import checked, story_of_text

_SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">{}</svg>'


@for_each(
    "inside",
    [
        "<script>x()</script>",
        "<foreignObject/>",
        '<rect onclick="x()"/>',
        '<a href="http://evil"/>',
        '<use xlink:href="http://evil"/>',
        '<a href="javascript:x()"/>',
        '<rect style="fill: url(http://evil)"/>',
        "<style>@import 'x';</style>",
        "<rect>",
        "<!-- x -->",
        '<image href="#x"/>',
    ],
)
def test_what_runs_or_loads_is_refused(inside: str) -> None:
    """No drawing of ours has such a thing: it is a defect."""
    with pytest.raises(Defect, match="a drawing"):
        checked(_SVG.format(inside))


@for_each("inside", ['<use href="#part"/>', '<rect fill="url(#dots)"/>', "<title>a &lt; b</title>"])
def test_what_stays_inside_is_kept(inside: str) -> None:
    """Parts may refer to each other."""
    assert inside in checked(_SVG.format(inside))


def test_a_declaration_is_taken_away() -> None:
    """It may not stand within a page."""
    assert checked('<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>').startswith("<svg")


@for_each("text", [None, "", "no program", "pfnlab program 99\n"])
def test_a_program_that_is_none_has_no_story(text: str | None) -> None:
    """Its text is shown all the same."""
    assert [] == list(story_of_text(text, ["model:7.2"]))
