"""The colours of all pictures, the one place: light and dark, a pattern and a letter for every cache mode.

The colours were chosen for deuteranopia and protanopia; what a colour says, a pattern, a letter or a word
says too. Text stands on the ground or on a chip, each with a contrast of at least 4.5.
"""

from __future__ import annotations

from typing import Literal

import msgspec

#: The look of a picture: as the reader's system has it, or one for good.
Theme = Literal["auto", "light", "dark"]


class ModeStyle(msgspec.Struct, frozen=True):
    """How a cache mode is drawn.

    :param name: as entries have it, ``UC-``
    :param key: as class names have it, ``ucm``
    :param letter: of its chip
    :param pattern: ``solid``, ``lines``, ``rise``, ``fall``, ``dots`` or ``cross``
    :param light: its colour on light ground; ``dark`` on dark ground
    :param light_text: the colour of letters on the chip; ``dark_text`` likewise
    """

    name: str
    key: str
    letter: str
    pattern: str
    light: str
    dark: str
    light_text: str
    dark_text: str = "#101010"


#: The modes in the order of `enum page_cache_mode`.
MODES = (
    ModeStyle("WB", "wb", "B", "solid", "#4477aa", "#6699cc", "#ffffff"),
    ModeStyle("WC", "wc", "C", "rise", "#228833", "#55bb66", "#ffffff"),
    ModeStyle("UC-", "ucm", "u", "fall", "#ccbb44", "#ddcc66", "#101010"),
    ModeStyle("UC", "uc", "U", "cross", "#ee6677", "#ff8899", "#101010"),
    ModeStyle("WT", "wt", "T", "lines", "#66ccee", "#88ddf5", "#101010"),
    ModeStyle("WP", "wp", "P", "dots", "#aa3377", "#cc6699", "#ffffff"),
)

#: Names of colours that are no mode, on light and dark ground: the ground, text, quiet text, weak and strong
#: lines, the ground of headers, the ground of what differs, and what is wrong.
COLOURS = {
    "ground": ("#ffffff", "#16191d"),
    "ink": ("#1a1c1f", "#eceef0"),
    "quiet": ("#59616b", "#a3acb6"),
    "weak": ("#c8ced5", "#464e57"),
    "strong": ("#6a727c", "#8d97a2"),
    "panel": ("#f2f4f6", "#20252b"),
    "differs": ("#fff0bf", "#332b0c"),
    "bad": ("#bb0000", "#ff5555"),
    "bad-text": ("#ffffff", "#101010"),
}

_BY_NAME = {mode.name.lower(): mode for mode in MODES}


def mode_style(name: str) -> ModeStyle | None:
    """The style of a cache mode, ``wc`` or ``WC``; None for a word that is no mode."""
    return _BY_NAME.get(name.lower())


def variables() -> dict[str, tuple[str, str]]:
    """Every colour by name, on light and dark ground."""
    colours = dict(COLOURS)
    for mode in MODES:
        colours[mode.key] = (mode.light, mode.dark)
        colours[f"{mode.key}-text"] = (mode.light_text, mode.dark_text)
    return colours
