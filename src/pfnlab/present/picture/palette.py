"""The colours of all pictures, in one place, and the style sheet, patterns and SVG made from them.

The colours are chosen for deuteranopia and protanopia, and a pattern, letter or word always says the
same as the colour. Text is on the background or on a chip, each with a contrast of at least 4.5. Colours
are custom properties, with a light and a dark value: the picture follows the reader's system unless it
has the class ``light`` or ``dark``; on paper it is light. Renderers that do not support custom
properties use the light colours.
"""

import re
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from pfnlab.base.inert import xml_attribute, xml_line, xml_text
from pfnlab.base.toml_text import package_tables

#: A picture's theme: that of the reader's system, or a fixed one.
Theme = Literal["auto", "light", "dark"]


class ModeStyle(msgspec.Struct, frozen=True):
    """The drawing style of a cache mode.

    :param name: its name in entries, e.g. ``UC-``
    :param key: its name in CSS classes, e.g. ``ucm``
    :param pattern: ``solid``, ``lines``, ``rise``, ``fall``, ``dots`` or ``cross``
    :param light: its colour on a light background; ``dark`` is the colour on a dark one
    :param light_text: the colour of letters on the chip in the light theme; ``dark_text`` in the dark theme
    """

    name: str
    key: str
    letter: str
    pattern: str
    light: str
    dark: str
    light_text: str
    dark_text: str = "#101010"


class _Palette(msgspec.Struct, forbid_unknown_fields=True):
    """The content of ``palette.toml``, whose comments explain each table."""

    modes: tuple[ModeStyle, ...]
    colours: dict[str, tuple[str, str]]
    patterns: dict[str, str]


_PICTURE = files("pfnlab.present.picture")
_PALETTE = package_tables(__package__, "palette.toml", _Palette)

#: The modes, in the order of `enum page_cache_mode`, and colours for other things, light and dark.
MODES, COLOURS = _PALETTE.modes, _PALETTE.colours

_BY_NAME = {mode.name.lower(): mode for mode in MODES}


def mode_style(name: str) -> ModeStyle | None:
    """Return the style of a cache mode, e.g. ``wc`` or ``WC``; None if the word is not a mode."""
    return _BY_NAME.get(name.lower())


def variables() -> dict[str, tuple[str, str]]:
    """Return every colour by name, for light and dark backgrounds."""
    colours = dict(COLOURS)
    for mode in MODES:
        colours[mode.key] = (mode.light, mode.dark)
        colours[f"{mode.key}-text"] = (mode.light_text, mode.dark_text)
    return colours


#: The CSS class of every picture.
PICTURE = "pfn-picture"


_VARIABLE = re.compile(r"(?P<property>[a-z-]+):\$(?P<name>[a-z-]+)")


@cache
def style_sheet(theme: Theme) -> str:
    """Return a picture's style rules: ``picture.css``, whose ``$words`` are colours, and rules for modes."""
    colours = variables()
    rules = _PICTURE.joinpath("picture.css").read_text(encoding="utf-8")
    rules += "".join(map(_mode_rules, MODES))
    scoped = "".join(f"{_scoped(line)}\n" for line in rules.splitlines())
    if theme != "auto":
        at = theme == "dark"
        return _VARIABLE.sub(lambda found: f"{found['property']}:{colours[found['name']][at]}", scoped)
    # The first of two declarations is for renderers without custom properties.
    scoped = _VARIABLE.sub(
        lambda found: (
            f"{found['property']}:{colours[found['name']][0]};{found['property']}:var(--{found['name']})"
        ),
        scoped,
    )
    light, dark = (";".join(f"--{name}:{pair[at]}" for name, pair in colours.items()) for at in (False, True))
    return (
        f".{PICTURE}{{{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{.{PICTURE}:not(.light){{{dark}}}}}\n"
        f"@media screen{{.{PICTURE}.dark{{{dark}}}}}\n{scoped}"
    )


def _mode_rules(mode: ModeStyle) -> str:
    key = mode.key
    return (
        f".{key}-line{{stroke:${key}}}\n.{key}-dot{{fill:${key}}}\n.chip.{key}{{fill:${key}}}\n"
        f".on-{key}{{fill:${key}-text}}\n.tint.{key},.link-box.{key}{{fill:${key}}}\n"
    )


def _scoped(line: str) -> str:
    """Return the rules on one line, restricted to elements of pictures."""
    rules = re.findall(r"([^{}]+)(\{[^}]*\})", line)
    return "".join(
        ",".join(f".{PICTURE} {selector}" for selector in selectors.split(",")) + body
        for selectors, body in rules
    )


def patterns(prefix: str, modes: Iterable[ModeStyle]) -> str:
    """Return the patterns for the modes that are drawn."""
    drawn = {"hatch": _PALETTE.patterns["hatch"]}
    drawn |= {mode.key: _PALETTE.patterns[mode.pattern].format(key=mode.key) for mode in modes}
    return "".join(
        f'<pattern id="{prefix}-{key}" width="8" height="8" patternUnits="userSpaceOnUse">{path}</pattern>'
        for key, path in drawn.items()
    )


def whole(
    width: float, height: float, title: str, says: str, body: str, modes: Iterable[ModeStyle],
    theme: Theme, prefix: str,
) -> str:  # fmt: skip
    """Return a picture as SVG text; *says* describes the content in sentences."""
    rules = xml_text(style_sheet(theme))
    wide, high = f"{width:.0f}", f"{height:.0f}"
    own = "" if theme == "auto" else f" {theme}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{PICTURE}{own}" viewBox="0 0 {wide} {high}" '
        f'width="{wide}" height="{high}" role="graphics-document" aria-label={xml_attribute(title)}>'
        f"<title>{xml_line(title)}</title><desc>{xml_line(says)}</desc>\n"
        f"<style>{rules}</style>\n"
        f'<defs>{patterns(prefix, modes)}</defs>\n<rect class="ground" width="{wide}" height="{high}"/>\n'
        f"{body}\n</svg>\n"
    )
