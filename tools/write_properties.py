"""The tables of properties in ``docs/check.md`` and ``docs/judging.md``: ``write_properties.py --write``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from markdown_pages import ROOT

sys.path.insert(0, str(ROOT))

from evidence.pages.markdown import table
from pfnlab.checker.judging.run_properties import OF_CONTENTS, OF_MEMORY, RUN_JUDGES
from pfnlab.checker.scopes.properties import MODEL_PROPERTIES, RACE_QUESTIONS, SEEN_QUESTIONS
from pfnlab.programs.runs.kernel_property import KernelProperty

BEGIN = "<!-- properties: `python tools/write_properties.py --write` -->\n"
END = "<!-- end of properties -->\n"


def checked() -> str:
    """Return the table of what `check` asks of every state or schedule."""
    always = [one for one in MODEL_PROPERTIES.values() if one.kind == "always"]
    rows = (
        (f"`{one.name}`", one.seam or "-", ("Races: " if one in RACE_QUESTIONS else "") + _meaning(one))
        for one in always
    )
    return table(("name", "seam", "meaning"), rows)


def judged() -> str:
    """Return the table of what is judged on runs."""
    return table(("property", "checked on", "meaning"), _judged())


def _judged() -> Iterator[tuple[str, str, str]]:
    names = ", ".join(f"`{one.name}`" for one in SEEN_QUESTIONS)
    yield names, "states and logs", "As in [check](check.md#properties), by the same functions."
    found = [(judge.of, judge.on) for judge in RUN_JUDGES]
    memory = [(one, "memory") for one in (*OF_CONTENTS, *OF_MEMORY)]
    for one in dict.fromkeys(one for one, _ in (*found, *memory)):
        parts = dict.fromkeys(part for other, part in (*found, *memory) if other is one)
        yield f"`{one.name}`", ", ".join(parts), _meaning(one)


def _meaning(one: KernelProperty) -> str:
    return f"{one.asks}. {one.more}".strip().replace("``", "`")


#: The pages, with the table of each.
PAGES = {ROOT / "docs" / "check.md": checked, ROOT / "docs" / "judging.md": judged}


def written(page: Path) -> str:
    """Return *page* with its table regenerated."""
    before, _, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    return before + BEGIN + PAGES[page]() + END + rest.partition(END)[2]


if __name__ == "__main__":
    for page in PAGES:
        if "--write" in sys.argv[1:]:
            page.write_text(written(page), encoding="utf-8")
        else:
            print(PAGES[page]())
