"""A document as one HTML file that needs no scripts, loads nothing, and can be read as text.

Text in an element remains text, because it is escaped when the element is made.
"""

from collections.abc import Iterable, Iterator, Sequence
from importlib.resources import files
from itertools import chain

from msgspec.structs import replace

from pfnlab.base.errors import Defect
from pfnlab.base.inert import xml_attribute, xml_text
from pfnlab.base.version import VERSION
from pfnlab.present.document.blocks import (
    SIGNS,
    Block,
    Bullets,
    Cell,
    Chapter,
    Code,
    Contents,
    ContentsEntry,
    Document,
    DrawnFigures,
    Facts,
    Figure,
    Paragraph,
    Table,
)


class Markup(str):
    """HTML made or checked here; any other text is escaped when added to it."""

    __slots__ = ()


def element(name: str, *content: str, **attributes: str) -> Markup:
    """Return an element; ``class_`` and ``aria_label`` mean ``class`` and ``aria-label``; empty ones are
    omitted."""
    given = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value)
    begin = "".join(f" {key}={xml_attribute(value)}" for key, value in given)
    return Markup(f"<{name}{begin}>{together(content)}</{name}>")


def lines(*content: str) -> Markup:
    """Return elements and texts, each on its own line."""
    return together(content, "\n")


def together(content: Iterable[str], between: str = "") -> Markup:
    """Return elements and texts, separated by *between*."""
    return Markup(between.join(map(markup_of, content)))


def markup_of(text: str) -> Markup:
    """Return text as markup, escaped and without control characters; markup is returned as is."""
    return text if isinstance(text, Markup) else Markup(xml_text(text))


#: The maximum total size of the drawings in a document, in bytes, so that it can be mailed.
MOST_DRAWN = 700_000
_LEFT_OUT = "To keep the file small, pictures from here on are left out: pfnlab draw makes them."


def html(document: Document) -> str:
    """Return the file. Texts in *document* are escaped; only its drawings are markup."""
    css = files("pfnlab.present.document").joinpath("document.css").read_text(encoding="utf-8")
    head = (
        Markup('<meta charset="utf-8">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        Markup(f'<meta name="generator" content="pfnlab {VERSION}">'),
        element("title", document.title),
        _below("style", Markup(css)),
    )
    main = (
        element("h1", document.title),
        element("p", document.says, class_="says"),
        _blocks(with_figures(document.blocks), 2),
    )
    made = together((f"Made by pfnlab {VERSION}. ", element("code", "<"), _SIGNS_MEAN))
    body = (_below("main", *main), element("footer", element("p", made)))
    whole = element("html", Markup("\n"), lines(_below("head", *head), _below("body", *body)), lang="en")
    return f"<!DOCTYPE html>\n{whole}\n"


#: The page may not load anything but its own style.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"

_SIGNS_MEAN = " marks differences from the first machine; LEAKED means still reserved, but no longer mapped."

_BREAK = Markup("<br>")

#: The style for a fragment: the page that shows the fragment has its own.
_STYLE = (
    "<style>.pfnlab td,.pfnlab th{text-align:left;vertical-align:top}"
    ".pfnlab .lit{font-weight:bold;outline:1px solid}</style>"
)


def fragment(blocks: Sequence[Block]) -> str:
    """Return *blocks* as a part of another page."""
    return f'<div class="pfnlab">{_STYLE}{unstyled(blocks)}</div>'


def unstyled(blocks: Sequence[Block]) -> str:
    """Return *blocks* as a part of a page that styles them. Texts are escaped; only drawings are markup."""
    return str(_blocks(with_figures(blocks), 3))


def with_figures(blocks: Sequence[Block]) -> Iterator[Block]:
    """Yield the same blocks with drawings, but stop drawing after :data:`MOST_DRAWN` bytes."""
    left = MOST_DRAWN

    def expanded(block: Block) -> Iterator[Block]:
        nonlocal left
        if isinstance(block, Chapter):
            yield replace(block, blocks=tuple(chain.from_iterable(map(expanded, block.blocks))))
        elif isinstance(block, DrawnFigures):
            if left >= 0:
                yield from chain.from_iterable(map(expanded, block.figures()))
        elif isinstance(block, Figure):
            if left >= 0:
                left -= len(block.svg.encode())
                yield block if left >= 0 else Paragraph(_LEFT_OUT)
        else:
            yield block

    return chain.from_iterable(map(expanded, blocks))


def _blocks(blocks: Iterable[Block], level: int) -> Markup:
    """Return *blocks* one below another; chapters in them have heading level *level*."""
    return lines(*(_block(block, level) for block in blocks))


def _block(block: Block, level: int) -> Markup:
    match block:
        case Paragraph():
            return element("p", block.text, class_=block.tone)
        case Facts():
            return _below("dl", *chain.from_iterable(_fact(block, *row) for row in block.rows))
        case Bullets():
            return _below("ul", *(_item(*group) for group in block.groups))
        case Table():
            return _table(block)
        case Code():
            caption, code = element("figcaption", block.caption), element("code", block.text)
            return _below("figure", caption, _scroller("pre", block.caption, code), class_="code")
        case Figure():
            caption = element("figcaption", block.caption)
            shown = _scroller("div", block.caption, Markup(block.svg), class_="scroll")
            return _below("figure", caption, shown, class_="drawing")
        case Contents():
            return _below("ol", *map(_entry, block.entries), class_="contents")
        case Chapter():
            level = min(level, 6)
            heading = element(f"h{level}", block.title, id=block.anchor)
            heading = element("summary", heading) if block.folded else heading
            return _below("details" if block.folded else "section", heading, _blocks(block.blocks, level + 1))
    raise Defect(f"not a block of a document: {type(block).__name__}")


def _below(name: str, *content: str, **attributes: str) -> Markup:
    """Return an element whose parts are on separate lines."""
    return element(name, Markup("\n"), lines(*content), Markup("\n"), **attributes)


def _scroller(name: str, label: str, *content: str, **attributes: str) -> Markup:
    """Return an element that may be wider than the page and can be scrolled with the keyboard."""
    return element(name, *content, **attributes, tabindex="0", role="group", aria_label=label)


def _fact(facts: Facts, name: str, values: Iterable[str]) -> Iterator[Markup]:
    yield element("dt", name)
    for value in values:
        yield element("dd", element("code", value) if name in facts.code else value)


def _item(text: str, below: Sequence[str]) -> Markup:
    sublist = [element("ul", *(element("li", line) for line in below))] if below else []
    return element("li", text, *sublist)


def _entry(entry: ContentsEntry) -> Markup:
    word = element("span", entry.word, class_=entry.tone)
    if not entry.anchor:
        return element("li", entry.title, ", ", word, f", {entry.says}" if entry.says else "")
    link = element("a", entry.title, href=f"#{entry.anchor}")
    return element("li", link, ", ", word, _BREAK, entry.says.removeprefix(f"{entry.title}: "))


def _table(table: Table) -> Markup:
    head = (element("th", name, scope="col") if name else element("td") for name in table.head)
    rows = (element("tr", *(_cell(cell, at == 0) for at, cell in enumerate(row))) for row in table.rows)
    whole = _below(
        "table",
        element("caption", table.caption),
        element("thead", element("tr", *head)),
        _below("tbody", *rows),
    )
    return _scroller("div", table.caption, Markup("\n"), whole, Markup("\n"), class_="scroll")


def _cell(cell: Cell, is_first: bool) -> Markup:
    text = together(cell.signed_lines, _BREAK)
    if text:
        text = element("code", text) if cell.code else text
        sign = SIGNS.get(cell.tone)
        text = together((text, element("span", sign, class_="sign"))) if sign else text
    if is_first and cell.lines:
        return element("th", text, scope="row", class_=cell.whole_tone)
    return element("td", text, class_=cell.whole_tone)
