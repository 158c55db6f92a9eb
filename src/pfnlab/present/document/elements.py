"""Elements of HTML: a text in one can only be a text, for it is escaped when the element is made."""

from __future__ import annotations

from collections.abc import Iterable

from pfnlab.base.inert import xml_attribute, xml_text


class Markup(str):
    """HTML that was made here, or was checked; any other text is escaped where it becomes a part of it."""

    __slots__ = ()


def element(name: str, *content: str, **attributes: str) -> Markup:
    """An element.

    :param content: its elements and texts
    :param attributes: ``class_`` for ``class``, ``aria_label`` for ``aria-label``; an empty one is left out
    """
    given = ((key.rstrip("_").replace("_", "-"), value) for key, value in attributes.items() if value)
    begin = "".join(f" {key}={xml_attribute(value)}" for key, value in given)
    return Markup(f"<{name}{begin}>{together(content)}</{name}>")


def lines(*content: str) -> Markup:
    """Elements and texts, each on lines of its own."""
    return together(content, "\n")


def together(content: Iterable[str], between: str = "") -> Markup:
    """Elements and texts, with markup between two of them."""
    return Markup(between.join(map(markup_of, content)))


def markup_of(text: str) -> Markup:
    """A text as markup, without control characters; markup as it is."""
    return text if isinstance(text, Markup) else Markup(xml_text(text))
