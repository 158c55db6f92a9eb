"""A program as a drgn script: it shows the state that the program is about, on any kernel."""

from __future__ import annotations

from pathlib import Path

from pfnlab.base.inert import python_comment
from pfnlab.export.subject import Subject
from pfnlab.programs.lang.printer import header_lines, op_lines

#: The script itself, which stands alone.
SCRIPT = Path(__file__).with_name("state_script.py")


def as_drgn(subject: Subject) -> dict[str, str]:
    """The script with the program above it, and what a machine had in its book after each operation."""
    program = subject.program
    lines = [*header_lines(program)[1:], ""]
    for number, line in enumerate(op_lines(program)):
        lines.append(line)
        if subject.run is not None and number < len(subject.run.steps):
            book = subject.run.steps[number].book
            entries = ", ".join(map(str, book)) if book else "-"
            lines += [] if book is None else [f"    {subject.run.machine}: book {entries}"]
    head = "".join(f"# {python_comment(line)}".rstrip() + "\n" for line in lines)
    return {f"{subject.identifier}.drgn.py": f"{head}#\n{SCRIPT.read_text(encoding='utf-8')}"}
