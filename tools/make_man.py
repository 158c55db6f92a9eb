"""The man pages, generated from the help: ``make_man.py --write``; without it, returns 1 if they are out of
date.

One page per verb, in ``man/``: ``pfnlab.1``, ``pfnlab-run.1``, ``pfnlab-kernels-build.1``. The wheel
installs them in ``share/man/man1``.
"""

from __future__ import annotations

import re
import sys
import textwrap
from itertools import chain
from pathlib import Path

from pfnlab.base.version import VERSION
from pfnlab.cli.verbs import VerbPage, verb_pages
from pfnlab.verbs.verb_option import Option

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "man"

#: The date of all pages: a page records only its version, not when it was made.
_DAY = "2026-01-01"

_FILES = (
    (
        "~/.cache/pfnlab",
        "Kernels, lists of packages, and what was made of them; another folder by PFNLAB_CACHE.",
    ),
    ("NAME.pfn", "A program."),
    ("NAME.expected.json", "Beside it: what real kernels did."),
)
_ENVIRONMENT = (
    ("PFNLAB_CACHE", "The folder of what is kept on disk."),
    ("PFNLAB_MIRROR", "A mirror of Debian's archive."),
    ("PFNLAB_KEYRING", "The keys the archive's lists must be signed with."),
)


def man_pages() -> dict[str, str]:
    """Every page, by file name."""
    pages = verb_pages()
    return {f"{_title(page)}.1": _page(page, pages) for page in pages}


def _title(page: VerbPage) -> str:
    return "-".join(("pfnlab", *page.words))


def _page(page: VerbPage, pages: list[VerbPage]) -> str:
    name = _title(page)
    lines = [
        '.\\" Made by tools/make_man.py from the help: change that.',
        f'.TH {_quoted(name.upper())} 1 {_DAY} "pfnlab {VERSION}" "pfnlab manual"',
        *(".SH NAME", f"{_text(name)} \\- {_text(page.summary.rstrip('.'))}"),
        *(".SH SYNOPSIS", *_synopsis(page)),
        *(".SH DESCRIPTION", _text(page.summary)),
    ]
    for paragraph in page.paragraphs:
        lines += [".PP", _text(paragraph)]
    lines += _rows("ARGUMENTS", [(_bold(row.metavar), row.help) for row in page.arguments])
    options = [(_names(row), row.help) for row in page.options]
    lines += _rows("OPTIONS", [*options, (_bold("-h, --help"), "Show the help of the verb.")])
    below = [other for other in pages if other.words[:-1] == page.words and other.words]
    lines += _rows("VERBS", [(_bold(other.words[-1]), other.summary) for other in below])
    lines += [".SH EXAMPLES"]
    for line, says in page.examples:
        lines += [".TP", f".B {_text(line)}", _text(f"{says}.")]
    codes = page.exit_codes or next(iter(pages)).exit_codes
    lines += [".SH EXIT STATUS", _text(codes.removeprefix("Exit codes: "))]
    lines += _rows("FILES", [(_bold(file), says) for file, says in _FILES])
    lines += _rows("ENVIRONMENT", [(_bold(variable), says) for variable, says in _ENVIRONMENT])
    lines += [".SH SEE ALSO", *_see_also(page, below)]
    return "".join(f"{line}\n" for line in chain.from_iterable(map(_wrapped, lines)))


def _wrapped(line: str) -> list[str]:
    """Wrap a line of text; leave a request unchanged."""
    if line.startswith((".", "'")):
        return [line]
    lines = textwrap.wrap(line, 78, break_long_words=False, break_on_hyphens=False)
    return [re.sub(r"^(?=[.'])", r"\\&", part) for part in lines]


def _synopsis(page: VerbPage) -> list[str]:
    words = [_bold(" ".join(("pfnlab", *page.words))), "[\\fIOPTIONS\\fR]"]
    for row in page.arguments:
        text = f"\\fI{_text(row.metavar)}\\fR" + ("..." if row.many else "")
        words.append(text if row.required else f"[{text}]")
    if page.verbs:
        words.append("\\fIVERB\\fR ...")
    return [" ".join(words)]


def _names(row: Option) -> str:
    value = f" \\fI{_text(row.metavar)}\\fR" if row.metavar else ""
    return ", ".join(_bold(name) for name in row.all_names) + value


def _rows(heading: str, rows: list[tuple[str, str]]) -> list[str]:
    lines = [f".SH {heading}"] if rows else []
    for head, says in rows:
        lines += [".TP", head, _text(says) or "\\&"]
    return lines


def _see_also(page: VerbPage, below: list[VerbPage]) -> list[str]:
    names = [_title(other) for other in below]
    if page.words:
        names.insert(0, "-".join(("pfnlab", *page.words[:-1])))
    if page.name == "try":
        names.append("git-bisect")
    names.sort()
    return [f".BR {_text(name)} (1){',' if name != names[-1] else ''}" for name in names]


def _bold(text: str) -> str:
    return f"\\fB{_text(text)}\\fR"


def _quoted(text: str) -> str:
    return f'"{_text(text)}"'


def _text(text: str) -> str:
    """*text* escaped for roff: hyphens as typed, and no line that looks like a request."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("~", "\\(ti").replace("`", "\\(ga")
    return re.sub(r"^(?=[.'])", r"\\&", escaped)


def main(words: list[str]) -> int:
    """Write the pages, or list those out of date."""
    wanted = man_pages()
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.1")}
    stale = sorted(name for name in {*wanted, *there} if wanted.get(name) != there.get(name))
    if "--write" not in words:
        for name in stale:
            print(f"man/{name} is not what the help says: run python tools/make_man.py --write")
        return 1 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name in stale:
        if name in wanted:
            (FOLDER / name).write_text(wanted[name], encoding="utf-8")
        else:
            (FOLDER / name).unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
