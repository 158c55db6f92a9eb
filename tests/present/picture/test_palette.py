"""The palette: text can be read, and no two modes look alike without colours."""

from __future__ import annotations

from for_each import for_each

from pfnlab.present.picture.palette import COLOURS, MODES, mode_style, variables


def contrast(one: str, other: str) -> float:
    """The contrast of two colours (``#rrggbb``) by WCAG 2: 1 for the same, 21 for black and white."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    """The relative luminance of a colour."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@for_each("dark", [False, True])
@for_each("text", ["ink", "quiet"])
@for_each("ground", ["ground", "panel", "differs"])
def test_text_has_contrast(text: str, ground: str, dark: bool) -> None:
    """At least 4.5, on light and dark ground."""
    assert contrast(COLOURS[text][dark], COLOURS[ground][dark]) >= 4.5


@for_each("dark", [False, True])
@for_each("key", [mode.key for mode in MODES] + ["bad"])
def test_chips_have_contrast(key: str, dark: bool) -> None:
    """The letter of each mode, and the words of what is wrong."""
    colours = variables()

    assert contrast(colours[key][dark], colours[f"{key}-text"][dark]) >= 4.5


def test_too_little_contrast_is_noticed() -> None:
    """Yellow on white cannot be read."""
    assert contrast("#ccbb44", "#ffffff") < 4.5


def test_a_mode_is_known_without_its_colour() -> None:
    """By its letter and its pattern."""
    assert len(MODES) == len({mode.letter for mode in MODES}) == len({mode.pattern for mode in MODES})


def test_a_word_that_is_no_mode_has_no_style() -> None:
    """It is drawn as a word."""
    assert (None, "ucm") == (mode_style("PROTNONE"), getattr(mode_style("uc-"), "key", None))
