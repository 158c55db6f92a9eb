"""A document as one file of HTML: no script, nothing loaded from anywhere, readable as text."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from pfnlab.document.blocks import SIGNS, Document
from pfnlab.inert import visible
from pfnlab.version import VERSION


def html(document: Document) -> str:
    """The file. Texts of *document* are escaped; only its drawings are markup."""
    template = _environment().get_template("document.html.jinja")
    return template.render(document=document, version=VERSION, css=Markup(_css()), signs=SIGNS)


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("pfnlab.document"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalized,
    )


def _finalized(value: Any) -> Any:
    """Every text on its way into the file, before it is escaped."""
    return value if isinstance(value, Markup) else visible(str(value))


def _css() -> str:
    return files("pfnlab.document").joinpath("templates/document.css").read_text(encoding="utf-8")
