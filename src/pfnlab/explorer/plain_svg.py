"""SVG as text: boxes, words and parts, with the palette of all pictures, and nothing of what they mean."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

#: Colour of each cache mode, light and dark, and the letter that says the same.
MODES: dict[str, tuple[str, str, str]] = {
    "wb": ("#4477AA", "#6699CC", "B"),
    "wt": ("#66CCEE", "#88DDF5", "T"),
    "wc": ("#228833", "#55BB66", "C"),
    "wp": ("#AA3377", "#CC6699", "P"),
    "uc-": ("#CCBB44", "#DDCC66", "u"),
    "uc": ("#EE6677", "#FF8899", "U"),
}

#: The size of letters, and the width that one takes at least, in pixels.
LETTER, LETTER_WIDTH = 12, 7.3

_STYLE = "".join(
    (
        ".pic text{font:12px system-ui,'DejaVu Sans',sans-serif;fill:#1b1f23}",
        ".pic .m{font-family:ui-monospace,'DejaVu Sans Mono',monospace;font-size:11px}",
        ".pic .q{fill:#57606a}.pic .h{font-weight:600}.pic .w{fill:#bb0000;font-weight:700}",
        ".pic .box{fill:#fff;stroke:#57606a}.pic .none{fill:none;stroke:#85909a;stroke-dasharray:3 3}",
        ".pic .ram{fill:#e4e7ea;stroke:#57606a}.pic .link{stroke:#85909a;fill:none}",
        ".pic .band{fill:#fff3c4}.pic .key{fill:#fff}",
    )
)


def mode_class(mode: str) -> str:
    """The class of a cache mode: ``uc-`` is no name in a style sheet."""
    return f"mode-{mode.lower().replace('-', 'm')}"


def style() -> str:
    """The style sheet of every picture, for a light and a dark page."""
    rules = [_STYLE]
    rules += [
        f".pic .{mode_class(mode)}{{fill:{light};stroke:#57606a}}" for mode, (light, _, _) in MODES.items()
    ]
    # Behind the modes, whose outline they change.
    rules.append(".pic .leak{stroke:#bb0000;stroke-width:3;stroke-dasharray:6 2}")
    rules.append(".pic .new{stroke:#1b1f23;stroke-width:2.5}")
    dark = [
        ".pic text{fill:#e6e9ec}.pic .q{fill:#a4adb6}.pic .w{fill:#ff8a8a}",
        ".pic .box{fill:#1d2125;stroke:#a4adb6}.pic .ram{fill:#333a41;stroke:#a4adb6}",
        ".pic .leak{stroke:#ff5555}.pic .new{stroke:#e6e9ec}.pic .band{fill:#4a3f10}.pic .key{fill:#14171a}",
        *(f".pic .{mode_class(mode)}{{fill:{colour}}}" for mode, (_, colour, _) in MODES.items()),
    ]
    return "".join(rules) + f"@media (prefers-color-scheme:dark){{{''.join(dark)}}}"


def text(x: float, y: float, words: str, name: str = "") -> str:
    """Words whose line stands at *y*."""
    return f'<text x="{x:.1f}" y="{y:.1f}"{_class(name)}>{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, name: str) -> str:
    """A box."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}"{_class(name)}/>'


def line(x1: float, y1: float, x2: float, y2: float, name: str) -> str:
    """A line."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"{_class(name)}/>'


def part(key: str, title: str, inside: Iterable[str], *, rule: str = "", beside: Iterable[str] = ()) -> str:
    """A part that can be reached: its key, what is said of it, its rule, and the keys that belong to it."""
    names = f' data-part="{escape(key)}"'
    names += f' data-rule="{escape(rule)}"' if rule else ""
    others = " ".join(beside)
    names += f' data-with="{escape(others)}"' if others else ""
    return f"<g{names}><title>{escape(title)}</title>{''.join(inside)}</g>"


def picture(width: float, height: float, title: str, says: str, inside: Iterable[str]) -> str:
    """A whole picture."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="pic" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title><desc>{escape(says)}</desc><style>{style()}</style>{''.join(inside)}</svg>"
    )


def _class(name: str) -> str:
    return f' class="{name}"' if name else ""
