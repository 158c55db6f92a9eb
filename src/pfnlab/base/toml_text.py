"""TOML: scopes and campaigns written by users, with one-line errors; tables in the package."""

import re
import tomllib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, TypeVar, get_args

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import one_line

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


#: msgspec's words for values, and ours.
_VALUES = {
    "int": "a whole number",
    "float": "a decimal number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table",
}

#: msgspec's error messages: what is wrong, the unknown key if it is one, and the path.
_WRONG = re.compile(
    r"(?P<what>Object contains unknown field `(?P<key>.*?)`|.*?)"
    r"(?: - at `\$(?P<path>[\w.\[\]]+)`)?",
    re.DOTALL,
)

#: The maximum number of characters of an unknown key in a message.
_SHOWN = 40


def toml_struct(content: dict[str, Any], source: str, form: type[Form]) -> Form:
    """The tables and values of a user's file as a structure whose fields they are.

    :raises Misuse: if they do not fit *form*
    """
    try:
        return msgspec.convert(content, type=form)
    except msgspec.ValidationError as wrong:
        found = _WRONG.fullmatch(str(wrong))
        assert found is not None
        path, what, key = found["path"] or "", found["what"], found["key"]
        if key is not None:
            # Most commands read no file of a user.
            from pfnlab.base.spelling import did_you_mean

            what = f"there is no key `{one_line(key)[:_SHOWN]}`{did_you_mean(key, _keys_at(form, path))}"
        else:
            what = what.replace("Object missing required field", "write the missing key")
            what = what.replace("Expected", "write").replace(", got ", ", not ")
            what = re.sub(r"`(\w+)(?: \| null)?`", lambda name: _VALUES.get(name[1], name[0]), what)
            what = what.replace("Number out of range", "write a smaller number")
            if path.count(".") == 1:
                what = what.replace("a list, not a table", f"[[{path[1:]}]], not [{path[1:]}]")
        raise Misuse(f"{toml_place(source, path)}: {what}") from None


def toml_place(source: str, path: str) -> str:
    """``FILE: [[fuzz]] 2, machines`` for msgspec's path ``.fuzz[1].machines``, and ``FILE`` for the root."""
    words: list[str] = []
    for name, number in reversed(re.findall(r"\.(\w+)(?:\[(\d+)\])?", path)):
        # A table has brackets before its keys.
        named = (f"[[{name}]]" if number else f"[{name}]") if words else name
        words.insert(0, f"{named} {int(number) + 1}" if number else named)
    return ": ".join(filter(None, (source, ", ".join(words))))


def _keys_at(form: Any, path: str) -> Sequence[str]:
    """The keys of the table at msgspec's *path*; lists and optional types have its type as an argument."""
    for name in re.findall(r"\.(\w+)", path):
        fields = msgspec.structs.fields(form) if hasattr(form, "__struct_fields__") else ()
        form = next((field.type for field in fields if field.name == name), None)
        while arguments := get_args(form):
            form = arguments[0]
    return getattr(form, "__struct_fields__", ())
