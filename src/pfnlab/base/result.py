"""The base of every result that ``--json`` prints: its format, the version that made it, and its outcome.

A result is a single structure. Its fields, in order, are the keys of the JSON; its docstring is the text of
the schema (``tools/write_schemas.py``); reports read the same structure back.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from enum import Enum
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from pfnlab.base.inert import json_line
from pfnlab.base.made import command
from pfnlab.base.version import VERSION

#: A number of items.
Count = Annotated[int, Meta(ge=0)]

#: Text that pfnlab never prints empty; reports do accept empty text.
Text = Annotated[str, Meta(extra_json_schema={"minLength": 1})]

#: A physical byte address in hexadecimal.
Address = Annotated[str, Meta(pattern="^0x[0-9a-f]{1,32}$")]

#: Marks a key with a default that is always printed, but missing in results from early versions.
ALWAYS = Meta(extra_json_schema={"always": True})

#: Marks a field that is not printed: it has its default in a result that was read.
UNPRINTED = Meta(extra_json_schema={"unprinted": True})


class Outcome(Enum):
    """A verb's outcome; the value is the exit code."""

    AS_EXPECTED = 0
    DISCOVERY = 1
    #: The input itself is wrong; the result says where.
    MISUSE = 2
    UNDECIDED = 3

    @property
    def weight(self) -> int:
        """Their order in reports: misuse, discoveries, undecided, as expected."""
        return (Outcome.MISUSE, Outcome.DISCOVERY, Outcome.UNDECIDED, Outcome.AS_EXPECTED).index(self)

    @classmethod
    def of_all(cls, outcomes: Iterable[Outcome]) -> Outcome:
        """The outcome of several results together, which is the most severe one."""
        return min(outcomes, key=lambda outcome: outcome.weight, default=cls.AS_EXPECTED)


class Made(msgspec.Struct, frozen=True):
    """The version and command line that made a result.

    :param pfnlab: the version
    :param command: the command line; null if pfnlab was called as a library
    """

    pfnlab: str
    command: str | None

    @classmethod
    def now(cls) -> Made:
        """The version and command line of this process."""
        return cls(VERSION, command())


class PlainText(NamedTuple):
    """A result that is plain text, printed or written unchanged."""

    text: str
    outcome: Outcome = Outcome.AS_EXPECTED

    @classmethod
    def line(cls, text: str) -> PlainText:
        """*text* and a newline."""
        return cls(f"{text}\n")


class PrintedStruct(msgspec.Struct, frozen=True, kw_only=True, tag_field="format"):
    """A structure that ``--json`` prints: its ``tag`` is its ``format``, and keys are only ever added."""

    @classmethod
    def form(cls) -> str:
        """The value of ``format``."""
        return str(cls.__struct_config__.tag)

    @property
    def outcome(self) -> Outcome:
        """The outcome, whose value is the verb's exit code."""
        return Outcome.AS_EXPECTED

    def as_json(self, indent: int | None = None) -> str:
        """The result as ``--json`` prints it: on one line, or in ASCII with *indent* spaces per level."""
        content = msgspec.to_builtins(self)
        return json_line(content) if indent is None else json.dumps(content, indent=indent)


class Result(PrintedStruct, frozen=True, kw_only=True):
    """The result of some work, with the version and command line that made it.

    :param made: version and command line; missing in results from early versions
    """

    made: Annotated[Made, ALWAYS] = Made("", None)


def other_fields(result: msgspec.Struct, names: Collection[str]) -> dict[str, Any]:
    """Fields of *result* other than *names*, by name, so that new fields show up everywhere."""
    return {name: getattr(result, name) for name in result.__struct_fields__ if name not in names}
