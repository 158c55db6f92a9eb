"""Colours for programs of pfnlab in the site."""

from __future__ import annotations

from typing import ClassVar

from pygments.lexer import RegexLexer, bygroups
from pygments.token import Comment, Keyword, Name, Number, Operator, String, Text


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
