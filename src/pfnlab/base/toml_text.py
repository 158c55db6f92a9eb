"""TOML: scopes and campaigns written by users, with one-line errors; tables in the package."""

import re
import tomllib
from importlib.resources import files
from typing import Any, TypeVar

import msgspec

from pfnlab.base.errors import Misuse

Form = TypeVar("Form")

#: Maximum size of a TOML file, in bytes.
MOST_TOML = 256 << 10

#: Deeply dotted keys, for which the parser takes cubic time; ten times deeper than anyone writes.
_DOTTED = re.compile(r"""(?<![\w."'-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){32}""")

_DEEP = "this is nested too deeply: write tables of values"


def package_toml(package: str, name: str) -> dict[str, Any]:
    """The tables in a data file in one of our packages."""
    return toml_content(files(package).joinpath(name).read_text(encoding="utf-8"), name)


def package_tables(package: str, name: str, form: type[Form]) -> Form:
    """A data file in one of our packages as a structure whose fields are the tables.

    :raises msgspec.ValidationError: if the tables do not fit *form*; names the file
    """
    try:
        return msgspec.convert(package_toml(package, name), type=form)
    except msgspec.ValidationError as wrong:
        raise msgspec.ValidationError(f"{name}: {wrong}") from None


def toml_content(text: str, source: str) -> dict[str, Any]:
    """The tables and values in *text*, without byte order mark; if not TOML, Misuse, naming *source*."""
    if _DOTTED.search(text):
        raise Misuse(f"{source}: {_DEEP}")
    try:
        return tomllib.loads(text.removeprefix("\ufeff"))
    except tomllib.TOMLDecodeError as wrong:
        raise Misuse(f"{source}: this is not TOML: {wrong}") from None
    except RecursionError:
        raise Misuse(f"{source}: {_DEEP}") from None
    except ValueError:
        # Python itself refuses to parse numbers with this many digits.
        raise Misuse(f"{source}: a number has thousands of digits: write one of at most 18") from None
