"""The forms of a reproducer, by the name that ``pfnlab export --format`` takes."""

from __future__ import annotations

from collections.abc import Callable

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import visible_name
from pfnlab.export.kselftest import as_kselftest
from pfnlab.export.standalone import as_c
from pfnlab.export.subject import Subject
from pfnlab.export.to_drgn import as_drgn
from pfnlab.export.to_syz import as_syz

#: Each form by its name: it gives the text of every file, by the file's name.
FORMATS: dict[str, Callable[[Subject], dict[str, str]]] = {
    "c": as_c,
    "kselftest": as_kselftest,
    "syz": as_syz,
    "drgn": as_drgn,
}


def export(subject: Subject, form: str) -> dict[str, str]:
    """The files of *subject* in a form.

    :param form: its name
    :return: texts by file name, the reproducer itself first
    :raises Misuse: there is no such form
    :raises Undecided: the form cannot say what the program does; the message says which operation
    """
    check_form(form)
    return FORMATS[form](subject)


def check_form(form: str) -> None:
    """
    Refuse a form that is none.

    :raises Misuse: with the forms there are
    """
    if form not in FORMATS:
        raise Misuse(f"there is no form {form!r}: write {' or '.join(FORMATS)}")


def one_text(files: dict[str, str]) -> str:
    """Files as one text, to be read or copied: several with the name of each before it, as head(1) does."""
    if len(files) == 1:
        return "".join(files.values())
    return "\n".join(f"==> {visible_name(name)} <==\n{text}" for name, text in files.items())
