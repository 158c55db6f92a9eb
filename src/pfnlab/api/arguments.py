"""The arguments of public functions, compared with their annotations before anything is done.

A wrong one is :class:`~pfnlab.errors.Misuse` with one line: the function, the argument, its value, and what
to write instead. The words for that are in the annotation (``Annotated[str | int, "what to write"]``), or
follow from its types.
"""

from __future__ import annotations

import inspect
import reprlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache, wraps
from numbers import Integral, Real
from pathlib import Path
from types import FunctionType, NoneType, UnionType
from typing import Annotated, Any, Literal, ParamSpec, TypeVar, Union, get_args, get_origin

from pfnlab.errors import Misuse
from pfnlab.policies.own import is_path

P = ParamSpec("P")
T = TypeVar("T")

#: No argument needs a larger number; one of thousands of digits could not even be printed.
_LARGEST = 1 << 64

_WORDS: dict[Any, str] = {
    **{str: "text", int: "a whole number", float: "a number", bool: "True or False", NoneType: "None"},
    **{bytes: "bytes", slice: "a slice"},
}


def typed(function: Callable[P, T]) -> Callable[P, T]:
    """*function*, which refuses arguments that its annotations do not allow.

    :raises Misuse: when it is called with one
    """
    given = _Parameters(function)

    @wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        given.check(args, kwargs)
        return function(*args, **kwargs)

    return call


def typed_class(kind: type[T]) -> type[T]:
    """*kind*, whose own public methods are :func:`typed`, and so is what makes one and cuts it."""
    for name, value in list(vars(kind).items()):
        if name[0] == "_" and name not in ("__init__", "__getitem__"):
            continue
        if isinstance(value, FunctionType):
            setattr(kind, name, typed(value))
        elif isinstance(value, staticmethod):
            setattr(kind, name, staticmethod(typed(value.__func__)))
    return kind


class _Parameters:
    """The parameters of a function, read when it is first called."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._signature: inspect.Signature | None = None
        self._types: dict[str, Any] = {}

    def check(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """:raises Misuse: one of the arguments is of none of the types of its parameter"""
        if self._signature is None:
            self._read()
        assert self._signature is not None
        try:
            arguments = self._signature.bind(*args, **kwargs).arguments
        except TypeError:
            # Too many, too few or unknown ones: Python says so when it calls the function.
            return
        for name, value in arguments.items():
            wanted = self._types.get(name, Any)
            if not _is(value, wanted):
                raise Misuse(f"{self._name}: {name} is {_shown(value)}: write {_words(wanted)}")

    @property
    def _name(self) -> str:
        """As a user writes it: a method has the name of what it is called on, which we do not know."""
        of, _, name = self._function.__qualname__.rpartition(".")
        return {"__init__": of, "__getitem__": f"{of}[]"}.get(name, name)

    def _read(self) -> None:
        self._signature = inspect.signature(self._function)
        self._types = {
            name: eval(parameter.annotation, self._function.__globals__)
            for name, parameter in self._signature.parameters.items()
            if isinstance(parameter.annotation, str)
        }


def _is(value: Any, wanted: Any) -> bool:
    """True where *value* is of the type *wanted*.

    Of a literal any text is: the function knows its words.
    """
    origin, parts = get_origin(wanted), get_args(wanted)
    if wanted is Any:
        return True
    if origin is Annotated:
        return _is(value, parts[0])
    if origin in (Union, UnionType):
        return any(_is(value, part) for part in parts)
    if origin is Literal:
        return isinstance(value, str)
    if origin is tuple:
        return isinstance(value, tuple) and len(value) == len(parts) and all(map(_is, value, parts))
    if origin is Sequence:
        several = isinstance(value, Collection) and not isinstance(value, str | bytes | bytearray | Mapping)
        return several and all(_is(one, parts[0]) for one in value)
    if origin is Mapping:
        return isinstance(value, Mapping) and all(
            _is(key, parts[0]) and _is(one, parts[1]) for key, one in value.items()
        )
    if wanted is None or wanted is NoneType:
        return value is None
    if wanted is int:
        return isinstance(value, Integral) and not isinstance(value, bool) and abs(int(value)) < _LARGEST
    if wanted is float:
        # A number that is not one equals nothing, not even itself.
        return _is(value, int) or (
            isinstance(value, Real) and not isinstance(value, Integral) and value == value
        )
    return isinstance(value, wanted)


def is_number(value: object) -> bool:
    """True where *value* is a whole number that an argument may be."""
    return _is(value, int)


def _shown(value: object) -> str:
    """*value* in one line, shortened."""
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return "too large"
    try:
        return " ".join(reprlib.repr(value).split())
    except Exception:
        # An object of the user's own may do anything, or hold numbers of thousands of digits.
        return f"of type {type(value).__name__}"


@cache
def _words(wanted: Any) -> str:
    """The words to write for a parameter of the type *wanted*."""
    origin, parts = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        return str(parts[1])
    if origin in (Union, UnionType):
        # None is what an argument that is left out has.
        words = list(dict.fromkeys(_words(part) for part in parts if part is not NoneType))
        return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
    if origin is Literal:
        return " or ".join(map(repr, parts))
    if origin is tuple:
        return f"({', '.join(map(_words, parts))})"
    if origin is Sequence:
        return f"a list, each of it {_words(parts[0])}"
    if origin is Mapping:
        return f"a dictionary, each key {_words(parts[0])} and each value {_words(parts[1])}"
    return _WORDS.get(wanted) or f"a {wanted.__name__}"


#: Policies for models: files as `--policy` takes them, or names by their seam (``{"tracker": "vm_pat"}``).
Policies = Annotated[
    Mapping[str, str | Path] | Sequence[str | Path] | str | Path,
    'a file, "mine.py", a list of files, or names by seam, {"tracker": "exact"}',
]


def names_own(*given: Any) -> bool:
    """True where machines and policies in what was *given* are made of files of the caller's."""
    return any(is_path(word) for one in given for name in _names(one) for word in name.split(","))


def _names(given: Any) -> Iterator[str]:
    if isinstance(given, str | Path):
        yield str(given)
    elif isinstance(given, Mapping | Sequence):
        for one in given.values() if isinstance(given, Mapping) else given:
            yield from _names(one)
