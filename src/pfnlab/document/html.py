"""A document as one file of HTML: no script, nothing loaded from anywhere, readable as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from msgspec.structs import replace

from pfnlab.document.blocks import SIGNS, Block, Chapter, Document, Drawn, Figure, Paragraph
from pfnlab.inert import visible
from pfnlab.version import VERSION

#: The most bytes of all drawings of a document together, so that it can be mailed.
MOST_DRAWN = 700_000

_LEFT_OUT = "The picture is left out, so that the file stays small: pfnlab draw makes it."


def html(document: Document) -> str:
    """The file. Texts of *document* are escaped; only its drawings are markup."""
    template = _environment().get_template("document.html.jinja")
    shown = replace(document, blocks=tuple(drawn(document.blocks)))
    return template.render(document=shown, version=VERSION, css=Markup(_css()))


#: The style of a fragment: a page that shows it has its own.
_STYLE = (
    "<style>.pfnlab td,.pfnlab th{text-align:left;vertical-align:top}"
    ".pfnlab .lit{font-weight:bold;outline:1px solid}</style>"
)


def fragment(blocks: Sequence[Block]) -> str:
    """*blocks* as a part of another page."""
    return f'<div class="pfnlab">{_STYLE}{unstyled(blocks)}</div>'


def unstyled(blocks: Sequence[Block]) -> str:
    """*blocks* as a part of a page that has a style for them. Texts are escaped; only drawings are markup."""
    template = _environment().get_template("blocks.html.jinja")
    return str(template.module.blocks(tuple(drawn(blocks)), 3))  # type: ignore[attr-defined]


def drawn(blocks: Sequence[Block]) -> Iterator[Block]:
    """The same, drawn, without the drawings behind the first :data:`MOST_DRAWN` bytes of them."""
    left = MOST_DRAWN

    def kept(block: Block) -> Iterator[Block]:
        nonlocal left
        if isinstance(block, Chapter):
            yield replace(block, blocks=tuple(chain.from_iterable(map(kept, block.blocks))))
        elif isinstance(block, Drawn):
            yield from chain.from_iterable(map(kept, block.figures()))
        elif isinstance(block, Figure):
            left -= len(block.svg.encode())
            yield block if left >= 0 else Paragraph(f"{block.caption}. {_LEFT_OUT}")
        else:
            yield block

    return chain.from_iterable(map(kept, blocks))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pfnlab.document"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )
    environment.globals["signs"] = SIGNS
    return environment


def _finalized(value: Any) -> Any:
    """Every text on its way into the file, before it is escaped."""
    return value if isinstance(value, Markup) else visible(str(value))


def _css() -> str:
    return files("pfnlab.document").joinpath("templates/document.css").read_text(encoding="utf-8")
