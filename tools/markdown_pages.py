"""The repository's Markdown pages, parsed as GitHub and the site do: CommonMark with tables.

This is the only reader of pages: the link test, the test that runs commands in pages, and the site builder
all use it.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parents[1]

#: Pages that are not documentation: findings may be private.
APART = re.compile(r"evidence/findings/|tests/(?!recorded/)|build/|dist/")


@dataclass(frozen=True)
class Block:
    """
    A code block.

    :param lang: the first word of its info string; empty if it is indented or has none
    :param info: the other words of its info string
    :param text: its lines, each with its newline
    :param line: the page line (from 1) where it begins, including its fence
    :param end: the line after it
    """

    lang: str
    info: tuple[str, ...]
    text: str
    line: int
    end: int


@dataclass(frozen=True)
class Link:
    """
    A link or picture.

    :param target: its target, verbatim
    :param line: the line where its paragraph begins, counted from 1
    """

    target: str
    line: int


def page_files(root: Path = ROOT) -> list[Path]:
    """Every documentation page that git tracks or would add, by path."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    return sorted(
        {root / name for name in listed if name and not APART.match(name) and (root / name).exists()}
    )


def blocks(text: str) -> Iterator[Block]:
    """The code blocks in a page."""
    for token in _tokens(text):
        if token.type in ("fence", "code_block") and token.map:
            words = re.findall(r'[^\s"]+"[^"]*"|\S+', token.info)
            yield Block(
                words[0] if words else "", tuple(words[1:]), token.content, token.map[0] + 1, token.map[1] + 1
            )


def links(text: str) -> Iterator[Link]:
    """The links and pictures in a page, including links to other sites."""
    for token in _tokens(text):
        line = token.map[0] + 1 if token.map else 0
        for child in token.children or ():
            target = child.attrGet("href") or child.attrGet("src")
            if target is not None:
                yield Link(str(target), line)


def prose(text: str) -> Iterator[tuple[int, str, str | None]]:
    """The lines of a page's paragraphs and list items: number, text, and the line that follows in the same
    paragraph.
    """
    lines = text.split("\n")
    for token in _tokens(text):
        if token.type == "paragraph_open" and token.map:
            for at in range(*token.map):
                yield at + 1, lines[at].rstrip(), lines[at + 1] if at + 1 < token.map[1] else None


def spans(text: str) -> Iterator[str]:
    """The texts in backquotes in a page's sentences."""
    for token in _tokens(text):
        yield from (child.content for child in token.children or () if child.type == "code_inline")


def anchors(text: str) -> list[str]:
    """The anchors of a page's headings, in order, as GitHub generates them."""
    found: list[str] = []
    tokens = _tokens(text)
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            slug = _slug(tokens[at + 1])
            again = sum(
                one == slug or re.fullmatch(re.escape(slug) + r"-\d+", one) is not None for one in found
            )
            found.append(f"{slug}-{again}" if again else slug)
    return found


def title(text: str) -> str:
    """A page's first heading."""
    tokens = _tokens(text)
    return next((tokens[at + 1].content for at, one in enumerate(tokens) if one.type == "heading_open"), "")


def _slug(heading: Token) -> str:
    words = "".join(one.content for one in heading.children or () if one.type in ("text", "code_inline"))
    return re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")


@cache
def _tokens(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)
