"""The forms of a reproducer, by the name that ``pfnlab export --format`` takes; that of drgn is here."""

from collections.abc import Callable
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import python_comment, visible_name
from pfnlab.export.standalone import as_c, as_kselftest
from pfnlab.export.subject import Subject
from pfnlab.export.to_syz import as_syz
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


#: Each form by its name: it gives the text of every file, by the file's name.
FORMATS: dict[str, Callable[[Subject], dict[str, str]]] = {
    "c": as_c,
    "kselftest": as_kselftest,
    "syz": as_syz,
    "drgn": as_drgn,
}


def export(subject: Subject, form: str) -> dict[str, str]:
    """The files of *subject* in a form.

    :return: texts by file name, the reproducer itself first
    :raises Misuse: there is no such form
    :raises Undecided: the form cannot say what the program does; the message says which operation
    """
    check_form(form)
    return FORMATS[form](subject)


def check_form(form: str) -> None:
    """Refuse a form that is none.

    :raises Misuse: with the forms there are
    """
    if form not in FORMATS:
        raise Misuse(f"there is no form {form!r}: write {' or '.join(FORMATS)}")


def one_text(files: dict[str, str]) -> str:
    """Files as one text, to be read or copied: several with the name of each before it, as head(1) does."""
    if len(files) == 1:
        return "".join(files.values())
    return "\n".join(f"==> {visible_name(name)} <==\n{text}" for name, text in files.items())
