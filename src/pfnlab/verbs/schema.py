"""Print the JSON Schema of a verb's --json output."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, Request, Say


class SchemaRequest(Request, frozen=True, kw_only=True):
    verb: Annotated[tuple[str, ...], Option("A verb, e.g. run, or kernels meet.", "VERB...", positional=True)]


def perform(request: SchemaRequest, say: Say) -> Iterator[PlainText]:
    """Return the schema file; Misuse if the verb prints no JSON."""
    from pfnlab.base.schema_files import schema_text

    yield PlainText(schema_text(" ".join(request.verb)))
