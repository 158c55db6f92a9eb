"""The forms of a reproducer, by their names for ``pfnlab export --format``, and the drgn form."""

from collections.abc import Callable
from pathlib import Path

from pfnlab.base.inert import python_comment, visible_name
from pfnlab.export.standalone import as_c, as_kselftest
from pfnlab.export.subject import Subject
from pfnlab.programs.lang.printer import header_lines, op_lines

#: The text of the script, which needs no other file.
SCRIPT = Path(__file__).with_name("state_script.py")


def as_drgn(subject: Subject) -> dict[str, str]:
    """The script, preceded by the program and by the memtype list that a machine had after each operation."""
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


#: Each form by its name: a function that returns each file's text, by file name.
FORMATS: dict[str, Callable[[Subject], dict[str, str]]] = {
    "c": as_c,
    "kselftest": as_kselftest,
    "drgn": as_drgn,
}


def export(subject: Subject, form: str) -> dict[str, str]:
    """The files of *subject* in one of the forms.

    :return: texts by file name, with the reproducer itself first
    :raises Undecided: if the form cannot express the program; the message names the operation
    """
    return FORMATS[form](subject)


def one_text(files: dict[str, str]) -> str:
    """Several files as one text to read or copy, each preceded by its name, as in head(1)."""
    if len(files) == 1:
        return "".join(files.values())
    return "\n".join(f"==> {visible_name(name)} <==\n{text}" for name, text in files.items())
