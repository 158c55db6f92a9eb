"""The style sheet of reports: what is written can be read, on light and on dark ground."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest
from for_each import for_each

#: The least contrast of text and its ground, by WCAG 2.2, level AA.
LEAST = 4.5

CSS = files("pfnlab.present.document").joinpath("document.css").read_text(encoding="utf-8")
LIGHT, DARK = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", part)) for part in CSS.split("@media", 2)[:2])

#: Text and what it stands on.
PAIRS = [
    *((text, ground) for text in ("text", "soft", "link", "bad", "good") for ground in ("ground", "raised")),
    ("text", "lit"),
    ("bad", "bad-ground"),
]


def luminance(colour: str) -> float:
    """The relative luminance of ``#rrggbb``."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, from 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


@for_each(("text", "ground"), PAIRS)
@for_each("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_can_be_read(theme: dict[str, str], text: str, ground: str) -> None:
    """Also what is pale."""
    assert contrast(theme[text], theme[ground]) >= LEAST


def test_too_little_contrast_would_be_noticed() -> None:
    """So the check above says something."""
    assert contrast("#999999", "#ffffff") < LEAST
    assert 21 == pytest.approx(contrast("#000000", "#ffffff"))


def test_both_themes_name_the_same_colours() -> None:
    """None is forgotten in the dark."""
    assert set(LIGHT) == set(DARK)


def test_every_form_of_page_is_thought_of() -> None:
    """Dark, narrow, printed."""
    assert {"(prefers-color-scheme: dark)", "(max-width: 40rem)", "print"} <= set(
        re.findall(r"@media (?:screen and )?(\S+(?: \S+)?) \{", CSS)
    )
