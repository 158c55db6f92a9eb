"""Foreign texts are made inert in one module, `inert.py`: nothing else escapes, and writers call it.

What is looked for is in the source: functions that escape, and f-strings that put something where a form has
a comment, a string, an attribute or a word of a command line.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from for_each import for_each

import pfnlab
from pfnlab.base import inert

SOURCE = Path(pfnlab.__file__).parent

#: What escapes, by its whole name.
ESCAPING = frozenset(
    f"{module}.{name}"
    for module, names in {
        "shlex": ("quote", "join"),
        "html": ("escape",),
        "urllib.parse": ("quote", "quote_plus"),
        "xml.sax.saxutils": ("escape", "quoteattr"),
        "markupsafe": ("escape",),
        "pipes": ("quote",),
        "subprocess": ("list2cmdline",),
    }.items()
    for name in names
)

#: Replacements that read or are of our own texts, with the reason.
READS = {
    ("diagnosis/messages/paste.py", r"""replace('\\"', '"')"""): "an escape of a log that is read",
    (
        "diagnosis/inspector/sources/collecting.py",
        r"replace('\\', '\\\\')",
    ): "expressions of ours, for awk",
    ("campaign/store/postgres.py", "replace('%', '%%')"): "a statement of ours",
}

#: A text that is put in the place of another and is an escape of it.
_ESCAPE = re.compile(r"""\\|&#?\w+;|^(?P<doubled>[%'"`$])(?P=doubled)$|^\* /$|^/ \*$""")

#: Where an f-string's text ends in a comment of C, at the begin of a line of comment, in a string of C, or at
#: an attribute of XML.
_C, _LINE = re.compile(r"/\*(?:(?!\*/).)*$", re.DOTALL), re.compile(r"^(?: \* |# |// ?)$")
_STRING, _ATTRIBUTE = re.compile(r'(?:^|[^\\=])"$'), re.compile(r"\b(?:data-|aria-)[a-z]+=[\"']?$")
#: Where it ends at a word of a command line: behind a command of ours or of others, or behind an option.
_VERBS = "|".join(
    path.stem.rstrip("_").replace("_", "[ -]") for path in sorted((SOURCE / "verbs").glob("[a-z]*.py"))
)
_SHELL = re.compile(
    rf"(?:\bpfnlab (?:{_VERBS}|policies \w+|litmus \w+|campaign \w+)"
    r"|\b(?:gcc|make|insmod|rmmod|drgn)\b[^:;,()]*|\bsudo \w+|-o"
    r"|\B--(?:on|patch|scope|property|device|name))[ =]$"
)

#: The functions that write each place.
_INERT = frozenset(name for name in vars(inert) if not name.startswith("_"))


def escapes(text: str, name: str = "") -> Iterator[str]:
    """What escapes in a source, each with its line.

    :param name: that of its file
    """
    tree = ast.parse(text)
    modules = {module.rpartition(".")[0] for module in ESCAPING}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if f"{node.module}.{alias.name}" in ESCAPING:
                    yield f"{name}:{node.lineno}: {node.module}.{alias.name}"
        elif isinstance(node, ast.Attribute):
            if ast.unparse(node) in ESCAPING and ast.unparse(node.value) in modules:
                yield f"{name}:{node.lineno}: {ast.unparse(node)}"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            words = [word.value for word in node.args if isinstance(word, ast.Constant)]
            words = [word for word in words if isinstance(word, str)]
            if node.func.attr == "encode" and words[:1] == ["unicode_escape"]:
                yield f"{name}:{node.lineno}: unicode_escape"
            if node.func.attr == "replace" and len(words) == 2 and _ESCAPE.search(words[1]):
                said = f"replace({words[0]!r}, {words[1]!r})"
                if (name, said) not in READS:
                    yield f"{name}:{node.lineno}: {said}"


def places(text: str, name: str = "") -> Iterator[str]:
    """What a source puts into a place of a form by no function of `inert`, each with its line."""
    c_like = name.startswith("export/")
    tree = ast.parse(text)
    named = {
        target.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and _is_inert(node.value, set())
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr):
            continue
        before = ""
        for part in node.values:
            if isinstance(part, ast.Constant):
                before += str(part.value)
                continue
            assert isinstance(part, ast.FormattedValue)
            forms = [_SHELL, _ATTRIBUTE, *([_C, _LINE, _STRING] if c_like else [])]
            if any(form.search(before) for form in forms) and not _is_inert(part.value, named):
                yield f"{name}:{node.lineno}: {ast.unparse(part.value)} behind {before[-20:]!r}"
            before += "x"


def _is_inert(value: ast.expr, named: set[str]) -> bool:
    """It is what a function of `inert` gives, a constant of ours, or a word made of a name.

    :param named: names that stand for such a value
    """
    if isinstance(value, ast.Name) and value.id in named:
        return True
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
        return value.func.id in _INERT
    if isinstance(value, ast.Call) and ast.unparse(value.func).endswith(".join"):
        words = ast.unparse(value.args[0])
        return words.isupper() or words.startswith("map(shell_word, ")
    name = value.attr if isinstance(value, ast.Attribute) else getattr(value, "id", "")
    return name.lstrip("_").isupper() or name == "identifier"


def every(look: Callable[[str, str], Iterator[str]]) -> list[str]:
    """What is found in the package; `inert` is where it belongs."""
    files = sorted(path for path in SOURCE.rglob("*.py") if path.name != "inert.py")
    return [
        found
        for path in files
        for found in look(path.read_text(encoding="utf-8"), path.relative_to(SOURCE).as_posix())
    ]


def test_nothing_else_escapes() -> None:
    """Neither a function of a library, nor a replacement."""
    assert [] == every(escapes)


def test_every_place_is_written_by_inert() -> None:
    """Comments and strings of C, comments of scripts, attributes of XML, words of command lines."""
    assert [] == every(places)


@for_each(
    "text",
    [
        "from shlex import quote",
        "import shlex\nshlex.join(x)",
        "from html import escape as e",
        "import html\nhtml.escape(x)",
        "from xml.sax.saxutils import quoteattr",
        "import urllib.parse\nurllib.parse.quote(x)",
        "x.replace('\"', '\\\\\"')",
        "x.replace('*/', '* /')",
        "x.replace('<', '&lt;')",
        "x.replace('%', '%%')",
        "x.encode('unicode_escape')",
    ],
)
def test_an_escape_is_found(text: str) -> None:
    """However it is written."""
    assert 1 == len(list(escapes(text)))


@for_each("text", ["import shlex\nshlex.split(x)", "x.replace('-', '_')", "import html\nhtml.unescape(x)"])
def test_what_reads_is_none(text: str) -> None:
    """Nor what makes one name of another."""
    assert [] == list(escapes(text))


@for_each(
    "text",
    [
        "f'/* {program.title} */'",
        "f' * {line}'",
        "f'# {program.asks}'",
        "f'char *x = \"{device.name}\";'",
        "f'<g data-part=\"{part}\">'",
        "f'<svg aria-label={title}>'",
        "f'pfnlab run {path}'",
        "f'write --on {machine}'",
        "f'gcc -o {name} {name}.c'",
        "f'sudo cat {path}'",
    ],
)
def test_a_foreign_text_is_found(text: str) -> None:
    """In the place of each form."""
    assert [] != list(places(text, "export/x.py"))


@for_each(
    "text", ["f'/* {c_comment(x)} */'", "f'pfnlab run {shell_path(x)}'", "f'/* x */ {x}'", "f'{VERSION}'"]
)
def test_an_inert_one_is_none(text: str) -> None:
    """Nor what stands behind a comment."""
    assert [] == list(places(text, "export/x.py"))
