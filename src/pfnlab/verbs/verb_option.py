"""An option or argument of a verb: how a field of a request is given on the command line."""

# This is imported even for the list of verbs: keep the import fast.

from __future__ import annotations

import re
from collections.abc import Callable
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin

from pfnlab.base.errors import Misuse

_CHOICES = re.compile(r"[a-z-]+(?:\|[a-z-]+)*")


class Option(NamedTuple):
    """An option or argument of a verb, as an annotation of a field of its request.

    :param help: its help text
    :param metavar: the placeholder for its value in help, e.g. ``FILE`` or ``c|drgn``; by default from the
        field, empty for a flag
    :param names: its spellings, e.g. ``("-o", "--output")``; by default from the field, e.g.
        ``--every-order`` for ``every_order``; empty for an argument
    :param min: the smallest value; *max*: the largest
    :param check: called with the given value; raises Misuse if the value is invalid
    :param positional: whether it is a positional argument
    :param needs: the field without which it has no effect
    :param excludes: the fields that have no effect with it, separated by blanks
    :param takes: alternatively, the only fields that have one
    :param field: the name of the field; *form*: its type without annotations. Like *required* and *default*,
        they are filled in by :func:`~pfnlab.verbs.option.options_in`
    """

    help: str
    metavar: str = ""
    names: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    check: Callable[[Any], object] | None = None
    positional: bool = False
    needs: str = ""
    excludes: str = ""
    takes: str | None = None
    field: str = ""
    form: Any = bool
    required: bool = False
    default: Any = None

    @property
    def name(self) -> str:
        """The option or argument as the user wrote it, for messages."""
        return (self.names or (self.metavar,))[-1]

    @property
    def choices(self) -> tuple[str, ...]:
        """The words that it takes, which are its placeholder; empty if it takes other values."""
        return tuple(self.metavar.split("|")) if _CHOICES.fullmatch(self.metavar) else ()

    def check_value(self, value: Any) -> None:
        """Refuse a value that is out of range or not one of the choices: raise Misuse with a correction."""
        if self.min is not None and not value >= self.min:
            raise Misuse(f"{self.name} {value:.15g} is too small: write at least {self.min:g}")
        if self.max is not None and not value <= self.max:
            raise Misuse(f"{self.name} {value:.15g} is too large: write at most {self.max:g}")
        if self.choices and value not in self.choices:
            from pfnlab.base.spelling import did_you_mean

            raise Misuse(f"{self.name} has no {value!r}{did_you_mean(value, self.choices)}")
        if self.check is not None:
            self.check(value)

    def excludes_field(self, field: str) -> bool:
        """Return whether the option of *field* has no effect with it."""
        if self.takes is None:
            return field in self.excludes.split()
        return field not in (self.field, *self.takes.split())

    @property
    def many(self) -> bool:
        """True if it may be repeated, i.e. its value is a tuple."""
        return get_origin(self.form) is tuple and get_args(self.form)[1:] == (...,)

    @property
    def forms(self) -> tuple[Any, ...]:
        """The types of the words in one use: two for a pair, none for a flag."""
        if self.form is bool:
            return ()
        (form,) = (
            [one for one in get_args(self.form) if one is not NoneType]
            if get_origin(self.form) in (Union, UnionType)
            else [self.form]
        )
        if get_origin(form) is not tuple:
            return (form,)
        return get_args(form)[:1] if self.many else get_args(form)

    @property
    def against(self) -> tuple[str, ...]:
        """The names that unset a flag."""
        is_set = self.form is bool and self.default is True
        return tuple(f"--no-{name.removeprefix('--')}" for name in self.names if is_set)

    @property
    def all_names(self) -> tuple[str, ...]:
        """The names that set a flag, and those that unset it."""
        return (*self.names, *self.against)

    @property
    def word(self) -> str:
        """Return an argument as shown in a command: ``PROGRAM...``, or ``[OTHER]`` if it is optional."""
        word = self.metavar + ("..." if self.many and not self.metavar.endswith("...") else "")
        return word if self.required or word.startswith("[") else f"[{word}]"

    @property
    def limits(self) -> str:
        """Its default and bounds, e.g. ``default: 30; x>=0``; empty if it has none."""
        parts = ["required"] if self.required and self.names else []
        if self.against:
            parts.append(f"default: {self.names[0]}")
        elif not self.required and not (self.default in (None, ()) or self.default is False):
            parts.append(f"default: {self.default}")
        if self.min is not None and self.max is not None:
            parts.append(f"{self.min:g}<=x<={self.max:g}")
        elif self.min is not None or self.max is not None:
            parts.append(f"x>={self.min:g}" if self.min is not None else f"x<={self.max:g}")
        return "; ".join(parts)
