"""Colours for programs of pfnlab in the site, and for what its verbs print."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from pygments.lexer import RegexLexer, bygroups
from pygments.lexers.shell import BashSessionLexer
from pygments.token import Comment, Generic, Keyword, Name, Number, Operator, String, Text

#: What nobody may overlook in an output.
_LOUD = re.compile(r"\b(LEAKED|VIOLATED|DIFFERS|STILL READS)\b")


class ProgramLexer(RegexLexer):
    """A program: its header, its operations, its expectations."""

    name = "pfnlab program"
    aliases: ClassVar[list[str]] = ["pfn"]
    filenames: ClassVar[list[str]] = ["*.pfn"]
    tokens: ClassVar[dict[str, list[object]]] = {
        "root": [
            (r"^(title|asks)(\s+)(.*)$", bygroups(Keyword.Declaration, Text, String)),
            (r"^(pfnlab program|device|area|thp|expect)\b", Keyword.Declaration),
            (r"#.*$", Comment.Single),
            (r"^([a-z]\w*)(:)( )", bygroups(Name.Namespace, Operator, Text)),
            (r"\b([a-z]\w*)( = )([a-z_]\w*)", bygroups(Name.Variable, Operator, Keyword)),
            (r"^[a-z_]\w*", Keyword),
            (r"\b(wc|uc|uc-|wb|wt|wp|shared|private|over|at|leaked|nothing|driver|vfio)\b", Keyword.Type),
            (r"\b0x[0-9a-f]+|\b\d+(\.\d+)*", Number),
            (r"[\[\]:=.]", Operator),
            (r"\w+", Text),
            (r"\s+", Text),
            (r".", Text),
        ]
    }


class TranscriptLexer(BashSessionLexer):
    """Commands behind a prompt and what they print: what was found stands out."""

    name = "pfnlab transcript"
    aliases: ClassVar[list[str]] = ["console"]

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, Any, str]]:
        """The tokens of a session, outputs cut at loud words."""
        for start, kind, value in super().get_tokens_unprocessed(text):
            at = start
            for part in _LOUD.split(value) if kind is Generic.Output else (value,):
                yield at, Generic.Error if kind is Generic.Output and _LOUD.fullmatch(part) else kind, part
                at += len(part)
