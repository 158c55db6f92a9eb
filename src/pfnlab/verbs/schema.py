"""Print the JSON Schema of what a verb prints with --json."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, Request, Say


class SchemaRequest(Request, frozen=True, kw_only=True):
    verb: Annotated[tuple[str, ...], Option("For instance run, or kernels meet.", "VERB...", positional=True)]


def perform(request: SchemaRequest, say: Say) -> Iterator[PlainText]:
    """The schema as its file has it; Misuse if the verb prints no JSON."""
    from pfnlab.base.schema_files import schema_text

    yield PlainText(schema_text(" ".join(request.verb)))
