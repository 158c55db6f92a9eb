"""Words of a command line as values, where nothing about them is in question.

The framework converts words with pydantic, which takes longer to import than a small program runs. A word
that is refused here is not wrong yet: the framework is asked, and says what is wrong with it.
"""

from __future__ import annotations

import os
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

#: The most digits of a number that is read here.
_DIGITS = 15


class InQuestion(Exception):
    """Only the framework can say what a word means, or what is wrong with it."""


def plain_value(form: Any, word: str, least: float | None = None, largest: float | None = None) -> Any:
    """The value of the type *form* that *word* stands for.

    :param least: the least number; *largest*: the largest
    :raises InQuestion: it stands for none, or not for certain
    """
    if form is str:
        return word
    if form is Path:
        path = Path(word)
        # The framework refuses a file that is there and may not be read.
        if path.exists() and not os.access(path, os.R_OK):
            raise InQuestion
        return path
    digits = word.removeprefix("-")
    parts = digits.split(".", 1) if form is float else [digits]
    if form not in (int, float) or not all(map(_is_digits, parts)):
        raise InQuestion
    number = form(word)
    if (least is not None and number < least) or (largest is not None and number > largest):
        raise InQuestion
    return number


def _is_digits(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS


def without_none(form: Any) -> Any:
    """The type of a value that is given: of ``int | None`` it is ``int``.

    :raises InQuestion: it is one of several types
    """
    if get_origin(form) not in (Union, UnionType):
        return form
    forms = [one for one in get_args(form) if one is not NoneType]
    if len(forms) != 1:
        raise InQuestion
    return forms[0]


def without_pydantic(parameter: Any) -> Any:
    """The same parameter of the framework, which converts words here first.

    Versions of the framework that convert without pydantic get theirs back unchanged.
    """
    made = getattr(parameter, "get_runtime_param", None)
    # The framework asks for its parameters several times.
    if made is not None and "get_runtime_param" not in vars(parameter):
        parameter.get_runtime_param = lambda: _Conversion(made)
    return parameter


class _Conversion:
    """The conversion of a parameter, in place of the framework's, which *made* makes when it is needed."""

    def __init__(self, made: Any) -> None:
        self._made = made

    def coerce(self, value: Any, param: Any, ctx: Any) -> Any:
        """The value that is given to the command, of what was written or of a default."""
        several = param.multiple or param.nargs == -1
        if value is None:
            return () if several else None
        try:
            return self._plain(value, param, several)
        except InQuestion:
            return self._made().coerce(value, param=param, ctx=ctx)

    @staticmethod
    def _plain(value: Any, param: Any, several: bool) -> Any:
        form = param.type_descriptor.annotation
        if several and isinstance(value, (list, tuple)) and get_origin(form) is list:
            (form,), words = get_args(form), list(value)
        else:
            words = [value]
        if not all(isinstance(word, str) for word in words):
            raise InQuestion
        values = [plain_value(form, word, param.min, param.max) for word in words]
        return values if several else values[0]
