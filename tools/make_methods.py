"""The methods of ``pfnlab.api.methods``, generated from the table of operations: ``make_methods.py --write``.

Arguments have the names and types of the fields; a flag is passed by its name. Without ``--write``, reports
whether the file is up to date and returns 1 if not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

from pfnlab.programs.lang.fields import Ending, Flag
from pfnlab.programs.lang.ops import Call
from pfnlab.programs.lang.words import ROWS, verbs_of

PAGE = Path(__file__).parents[1] / "src" / "pfnlab" / "api" / "methods.py"
#: Everything after it is generated, to the end of the file.
BEGIN = "\n    # Of the table: `python tools/make_methods.py --write`\n"

_WIDTH = 110


def arguments(kind: type[Call]) -> Iterator[str]:
    """The parameters of an operation as source text."""
    types = {name: text for base in reversed(kind.__mro__) for name, text in _annotations(base).items()}
    named = False
    for field, shape in zip(msgspec.structs.fields(kind), ROWS[kind].fields, strict=True):
        if isinstance(shape, Ending):
            continue
        if isinstance(shape, Flag) and not named:
            named = True
            yield "*"
        text = f"{field.name}: {types[field.name].replace('Span', 'Where')}"
        yield text if field.required else f"{text} = {field.default!r}".replace("'", '"')


def _annotations(base: type) -> dict[str, str]:
    return {name: str(text) for name, text in vars(base).get("__annotations__", {}).items()}


def methods() -> str:
    """A line for each verb in the table, in table order."""
    lines = []
    for kind in ROWS:
        words = ", ".join(("self", *arguments(kind)))
        for verb in verbs_of(kind):
            line = f"    def {verb}({words}) -> StepSeen: ..."
            if len(line) > _WIDTH:
                line = f"    def {verb}(\n        {words}\n    ) -> StepSeen: ..."
            lines.append(f"{line}\n")
    return "".join(lines)


def made(page: str) -> str:
    """*page* with the methods regenerated."""
    return page.partition(BEGIN)[0] + BEGIN + methods()


def main(write: bool) -> int:
    """Write the file, or report whether it is up to date."""
    page = PAGE.read_text(encoding="utf-8")
    if write:
        PAGE.write_text(made(page), encoding="utf-8")
    elif made(page) != page:
        print(f"{PAGE.name} is not up to date: python tools/make_methods.py --write")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main("--write" in sys.argv[1:]))
