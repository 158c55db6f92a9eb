"""The palette: text can be read, and no two modes look alike without colours."""

from __future__ import annotations

from for_each import for_each

from pfnlab.picture.palette import COLOURS, MODES, contrast, mode_style, variables


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
