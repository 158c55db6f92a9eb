"""The forms of a reproducer, by the name that ``pfnlab export --format`` takes."""

from __future__ import annotations

from collections.abc import Callable

from pfnlab.reproducers.standalone import as_c
from pfnlab.reproducers.subject import Subject

#: Each form by its name: it gives the text of every file, by the file's name.
FORMATS: dict[str, Callable[[Subject], dict[str, str]]] = {
    "c": as_c,
}


def export(subject: Subject, form: str) -> dict[str, str]:
    """The files of *subject* in a form.

    :param form: a key of :data:`FORMATS`
    :return: texts by file name, the reproducer itself first
    :raises Undecided: the form cannot say what the program does; the message says which operation
    """
    return FORMATS[form](subject)
