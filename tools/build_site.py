"""Build the documentation site: ``make docs``, offline, in ``build/site``.

The pages are those in the repository, so links have the same targets in both places.
The reference is generated from the code (``tools/write_reference.py``) and is not in git. Staging moves the
pages in ``docs/`` to the top, turns files that a page links to (programs, patches, sources) into pages,
adapts links, and makes the navigation from ``docs/site/contents.toml``. Sphinx then builds the pages.
Warnings, pages missing from the navigation and dead links are errors.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from markdown_pages import ROOT, blocks, page_files
from write_reference import PLACES

SITE = ROOT / "docs" / "site"

#: The language for a file's syntax highlighting, by its suffix.
LANGUAGES = {".pfn": "pfn", ".py": "python", ".patch": "diff", ".c": "c", ".json": "json"}

_TARGET = re.compile(r"(\]\()([^)\s]+)(\))")


@dataclass(frozen=True)
class Part:
    """
    One part of the navigation.

    :param caption: its heading
    :param pages: its pages in order, as paths in the repository
    :param below: the pages below one of them
    """

    caption: str
    pages: tuple[str, ...]
    below: dict[str, tuple[str, ...]]


def page_names() -> list[str]:
    """Every page in the site, as a path in the repository."""
    return sorted([*(str(path.relative_to(ROOT)) for path in page_files()), *PLACES])


@cache
def page_text(name: str) -> str:
    """Return the text of a page, from the repository or the reference."""
    return PLACES[name]() if name in PLACES else (ROOT / name).read_text(encoding="utf-8")


def contents() -> list[Part]:
    """Return the navigation, from ``contents.toml``; a pattern stands for its files, sorted by number."""
    written = tomllib.loads((SITE / "contents.toml").read_text(encoding="utf-8"))
    return [
        Part(
            part["caption"],
            tuple(_files(part["pages"])),
            {page: tuple(_files(patterns)) for page, patterns in part.get("below", {}).items()},
        )
        for part in written["part"]
    ]


def _files(patterns: Sequence[str]) -> Iterator[str]:
    for pattern in patterns:
        if "*" not in pattern:
            yield pattern
            continue
        found = [str(path.relative_to(ROOT)) for path in ROOT.glob(pattern)]
        yield from sorted(found, key=lambda name: [int(n) for n in re.findall(r"\d+", name)] or [name])


def orphans(parts: Sequence[Part], pages: Sequence[str]) -> list[str]:
    """Return the pages that belong to no part, and the entries that are not pages."""
    listed = ["docs/index.md"]
    for part in parts:
        listed += [*part.pages, *(page for pages in part.below.values() for page in pages)]
    twice = [page for page in set(listed) if listed.count(page) > 1]
    return sorted(set(listed) ^ set(pages)) + twice


def staged(name: str) -> str:
    """Return the path of a repository file in the site."""
    return name.removeprefix("docs/") if name != "docs/README.md" else name


def followed(text: str, name: str) -> tuple[str, list[str]]:
    """Return a page with links adapted to the site, and the files that become pages because of it."""
    wanted = []
    here = PurePosixPath(staged(name)).parent

    def target(match: re.Match[str]) -> str:
        written, _, anchor = match[2].partition("#")
        if not written or "://" in written or written.startswith("mailto:"):
            return match[0]
        path = os.path.normpath(ROOT / PurePosixPath(name).parent / written)
        there = os.path.relpath(path, ROOT)
        if not there.endswith((".md", ".svg", ".png")):
            there += ".md"
            wanted.append(os.path.relpath(path, ROOT))
        elif not there.endswith(".md"):
            wanted.append(there)
        to = os.path.relpath(staged(there), here)
        return f"{match[1]}{to}{'#' + anchor if anchor else ''}{match[3]}"

    fenced = {line for one in blocks(text) for line in range(one.line - 1, one.end - 1)}
    lines = [
        line if number in fenced else _TARGET.sub(target, line)
        for number, line in enumerate(text.split("\n"))
    ]
    return "\n".join(lines), wanted


def file_page(name: str) -> str:
    """Make a page for a file that is not a page itself."""
    text = (ROOT / name).read_text(encoding="utf-8")
    path = PurePosixPath(name)
    said = f"# {path.name}\n\n"
    if path.suffix == ".ipynb":
        return f"---\norphan: true\n---\n\n{notebook_page(text)}"
    if path.suffix == ".pfn":
        heading = re.search(r"^title\s+(.*)$", text, re.M)
        said = f"# {heading[1] if heading else path.stem}\n\n`{name}`; run it: `pfnlab run {path.stem}`\n\n"
    return (
        f"---\norphan: true\n---\n\n{said}````{LANGUAGES.get(path.suffix, 'text')}\n{text.rstrip()}\n````\n"
    )


def notebook_page(text: str) -> str:
    """Return a notebook's text, code and stored outputs as text."""
    parts = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"]).strip()
        parts.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        for output in cell.get("outputs", ()):
            shown = output["data"]["text/plain"] if "data" in output else output["text"]
            lines = "".join(shown).strip("\n")
            parts.append(f"```text\n{lines}\n```")
    return "\n\n".join(parts) + "\n"


def toctree(pages: Sequence[str], name: str, caption: str = "") -> str:
    """Return part of the navigation, in Sphinx syntax, for the page *name*."""
    here = PurePosixPath(staged(name)).parent
    lines = ["", "```{toctree}", ":hidden:", *([f":caption: {caption}"] if caption else []), ""]
    rows = [os.path.relpath(staged(page), here) for page in pages]
    # The start page already has the project's name.
    rows = [f"In short <{row}>" if row == "README.md" else row for row in rows]
    return "\n".join([*lines, *rows, "```", ""])


def stage(folder: Path) -> list[str]:
    """Write all pages into *folder*.

    :return: faults in the navigation
    """
    parts = contents()
    names = page_names()
    wanted: set[str] = set()
    for name in names:
        text = page_text(name)
        text, files = followed(text, name)
        wanted.update(files)
        for part in parts:
            if name == "docs/index.md":
                text += toctree(part.pages, name, part.caption)
            elif name in part.below:
                text += toctree(part.below[name], name)
        _write(folder / staged(name), text)
    for name in sorted(wanted):
        if name.endswith((".svg", ".png")):
            (folder / staged(name)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / staged(name))
        else:
            _write(folder / f"{staged(name)}.md", file_page(name))
    return [
        f"{page}: in no part, in two parts, or no page (docs/site/contents.toml)"
        for page in orphans(parts, names)
    ]


class Targets(HTMLParser):
    """A site page's links, and its possible link targets."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect links, pictures, style sheets and scripts, and every ``id``."""
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif name in ("href", "src") and value and tag != "base":
                self.links.append(value)


def dead_targets(folder: Path) -> list[str]:
    """Return dead links in a built site, including those to anchors; do not follow links to other sites."""
    pages = {path: Targets(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.html"))}
    dead = []
    for path, page in pages.items():
        for link in dict.fromkeys(page.links):
            written = urlsplit(link)
            if written.scheme or written.netloc:
                continue
            there = Path(os.path.normpath(path.parent / unquote(written.path))) if written.path else path
            known = pages[there].anchors if there in pages else None
            anchor = unquote(written.fragment)
            if not there.exists() or (anchor and known is not None and anchor not in known):
                dead.append(f"{path.relative_to(folder)}: {link}: leads nowhere")
    return dead


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def main() -> int:
    """Stage and build.

    :return: 0 if nothing is wrong
    """
    build = ROOT / "build"
    for name in ("site-pages", "site"):
        shutil.rmtree(build / name, ignore_errors=True)
    wrong = stage(build / "site-pages")
    if wrong:
        print(*wrong, sep="\n")
        return 1
    words = ["-q", "-W", "--keep-going", "-j", "auto", "-b", "html", "-c", str(SITE)]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *words, str(build / "site-pages"), str(build / "site")]
    )
    if done.returncode:
        return done.returncode
    wrong = dead_targets(build / "site")
    print(*(wrong or [str(build / "site" / "index.html")]), sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
