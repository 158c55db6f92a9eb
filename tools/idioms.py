"""Count phrasings that make a native reader of technical English stumble: ``idioms.py [--list]
[SURFACE...]``.

A surface is a set of texts: ``help`` (strings of verbs and the command line), ``messages`` (other strings of
at least four words, and TOML), ``docstrings``, ``docs`` (Markdown that is not generated), ``programs``
(titles and questions) and ``web`` (the explorer's page). Each idiom is a regular expression with a plain
form. A hit is only a place to review: a quotation or a name may be right as it is.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

SURFACES = ("help", "messages", "docstrings", "docs", "programs", "web")

_IDIOMS = (
    (r"(?<!there )(?<!and )\b(?:is|are|was|were) no (?!longer\b|more than\b|need\b)\w+", "is not a ..."),
    # Not `None`, the value; "there is none" is plain English.
    (r"(?<!there )\b(?:is|are) (?-i:none)\b|\b(?-i:none) (?:is|are)\b", "no X is ..., is not a ..."),
    (r"\b(?:nobody|somebody|whoever)\b", "passive voice, or name the actor"),
    (r"\b(?:so many|so much)\b", "N, this many"),
    (r"\bbehind (?:the last|it|that|this|them|one another|another|each)\b", "after"),
    (r", as (?:[a-z]+=|`|``|\d|\w+\.)", "e.g."),
    (r"\bany more\b|\bno more\b", "no longer"),
    (r"\bstands? (?:in|at|above|below|beside|for itself|still|twice|once|there)\b", "is, is listed, appears"),
    (r"\b(?:mend|mended|mends|mending)\b", "fix, fixed"),
    (r"\bgo(?:es)? on\b", "continue, resume"),
    (r"\b(?:gives?|gave|given) (?:it |them |back |that )?back\b", "release, return, restore"),
    (r"\b(?:takes?|took|taken) (?:it |them |that )?(?:over|away)\b", "adopt, backport, remove"),
    (r"\bof (?:its|one's|their|your|a user's) own\b", "its own ..., private, user-defined"),
    (r"\b(?:anew|once more)\b", "again, re-..."),
    (
        r"\bwhat (?:is|was) "
        r"(?:asked|told|said|seen|found|left|there|held|met|meant|sought|shown|printed|read|known)\b",
        "a noun: the request, the finding, the rest",
    ),
    (
        r"(?:^|[.!?:] )(?:What|Who|Whoever|Whether|Nothing|None of|Those|Which|How)\b"
        r"(?! (?:is|are|was|does|do|can|should|happens|happened|changed|to)\b[^.]*\?)",
        "start with the subject or a verb",
    ),
    (r"\bbeside (?:it|them|the|that|each|one|a|its)\b", "next to, in addition to, while"),
    (r"\bto look at\b", "to review, finding(s)"),
    (r"\bhe (?:asks|maps|has|is|gets|wants|does)\b|\bhis\b", "they, the user"),
    (r"\bits like\b|\band the like\b|\bas ever\b|\bin vain\b|\bmeanwhile\b", "plainer words"),
    (r"\b(?:alike|likewise)\b", "the same, also"),
    (
        r"\bholds? (?:it|them|this|that|a|the|[a-z]+) against\b|\bheld against\b|\bmet by\b",
        "compare, verify against",
    ),
    (r"\bparts? (?:from|at|here|company)\b|\bthe two part\b|\bthey part\b", "diverge, differ"),
    (r"\bas (?:they|it) (?:is|are|was|were)\b", "unchanged, verbatim"),
    (r"\bsays? (?:so|what|who|how|which|where|why)\b", "describes, lists, names"),
)
#: All patterns ignore case, except the one about how a sentence begins.
_COMPILED = [(re.compile(form, 0 if "What" in form else re.IGNORECASE), plain) for form, plain in _IDIOMS]

#: Markdown whose wording is not ours, or that is not for today's readers.
_NOT_DOCS = {"tests", "node_modules", ".venv", "build", "src", "findings", "dist"}


class Hit(NamedTuple):
    """An idiom in a text."""

    surface: str
    place: str
    words: str
    plain: str


def hits(root: Path = ROOT) -> Iterator[Hit]:
    """Yield every hit in the repository *root*, by surface and file."""
    for surface, path, line, text in _texts(root):
        for form, plain in _COMPILED:
            for found in form.finditer(text):
                at = line + text.count("\n", 0, found.start())
                place = f"{path.relative_to(root)}:{at}"
                yield Hit(surface, place, " ".join(found[0].split()), plain)


def counts() -> dict[str, int]:
    """Return the number of hits for each surface."""
    found = Counter(hit.surface for hit in hits())
    return {surface: found[surface] for surface in SURFACES}


def _texts(root: Path) -> Iterator[tuple[str, Path, int, str]]:
    for path in sorted((root / "src").rglob("*.py")):
        yield from _strings(path)
    for folder in ("evidence", "tools"):
        for path in sorted((root / folder).rglob("*.py")):
            if path != Path(__file__):
                yield from (text for text in _strings(path) if text[0] == "docstrings")
    for path in sorted((root / "src").rglob("*.toml")):
        yield from (("messages", path, at, line) for at, line in _lines(path) if len(line.split()) > 5)
    for path in sorted(root.rglob("*.md")):
        if path.name != "CHANGELOG.md" and not _NOT_DOCS & set(path.relative_to(root).parts):
            yield from _prose(path)
    for path in sorted((root / "litmus").rglob("*.pfn")):
        said = ((at, line) for at, line in _lines(path) if line.startswith(("title", "asks")))
        yield from (("programs", path, at, line) for at, line in said)
    for path in sorted((root / "web" / "source").rglob("*")):
        if path.suffix in (".js", ".ts", ".html"):
            yield from (("web", path, at, line) for at, line in _lines(path) if len(line.split()) > 4)


def _strings(path: Path) -> Iterator[tuple[str, Path, int, str]]:
    tree, documented = ast.parse(path.read_text(encoding="utf-8")), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                documented.add(id(first.value))
                if isinstance(first.value.value, str):
                    yield "docstrings", path, first.lineno, first.value.value
    surface = "help" if {"verbs", "cli"} & set(path.parts) else "messages"
    for node in ast.walk(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str) or id(node) in documented:
            continue
        if len(node.value.split()) > 3:
            yield surface, path, node.lineno, node.value


def _prose(path: Path) -> Iterator[tuple[str, Path, int, str]]:
    body = path.read_text(encoding="utf-8")
    if "do not edit" in body[-200:]:
        return
    in_code = False
    for at, line in enumerate(body.splitlines(), 1):
        if line.startswith("```"):
            in_code = not in_code
        elif not in_code and not line.startswith(">"):
            yield "docs", path, at, line


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    return enumerate(path.read_text(encoding="utf-8").splitlines(), 1)


def main() -> int:
    """Print the hits, or their count by idiom."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("surface", nargs="*", choices=[[], *SURFACES], help="default: all")
    parser.add_argument("--list", action="store_true", help="print each place")
    asked = parser.parse_args()
    found = [hit for hit in hits() if not asked.surface or hit.surface in asked.surface]
    if asked.list:
        for hit in found:
            print(f"{hit.place}: {hit.words!r} -> {hit.plain}")
    for (surface, plain), number in sorted(Counter((hit.surface, hit.plain) for hit in found).items()):
        print(f"{surface:12}{plain:46}{number:6}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
