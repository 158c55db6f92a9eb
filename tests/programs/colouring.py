"""A line of a program, coloured by the table of tokens as editors do it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from pfnlab.programs.lang.tokens import TokenKind, contexts


class ColouredToken(NamedTuple):
    """A token of a line, from column *start* to before column *end*, both counted from 0."""

    start: int
    end: int
    token: TokenKind


_COMPILED = {
    context: [(re.compile(rule.regex), rule) for rule in rules] for context, rules in contexts().items()
}


def coloured(line: str) -> Iterator[ColouredToken]:
    """The tokens of one line, which does not end in a line break."""
    context, at = "line", 0
    while at < len(line):
        if line[at] in " \t":
            at += 1
            continue
        match, rule = next(
            (match, rule) for regex, rule in _COMPILED[context] if (match := regex.match(line, at))
        )
        yield ColouredToken(at, match.end(), rule.token)
        context, at = rule.context or context, match.end()
