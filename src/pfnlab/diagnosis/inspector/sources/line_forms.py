"""The form of a file in a redacted bundle: what becomes of its path, and of its lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

#: What becomes of one line; None where it is of no form that is known.
LineForm = Callable[[str], str | None]

#: What becomes of a text, in lines.
TextForm = Callable[[str], Iterator[str]]


class FileForm(NamedTuple):
    """The form of a file, a folder or a link.

    :param path: its name in the redacted bundle
    :param called: its name where lines are counted, which is the same for all machines
    :param form: what becomes of its text; of a link, of its target
    """

    path: str
    called: str
    form: TextForm


def each(form: LineForm) -> TextForm:
    """The lines of a text for which *form* has another; empty ones are none."""
    return lambda text: (other for line in text.split("\n") if line and (other := form(line)) is not None)


def nothing(_: str) -> Iterator[str]:
    """No line."""
    return iter(())
