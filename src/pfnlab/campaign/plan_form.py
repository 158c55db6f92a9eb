"""The form of a campaign's file: its keys and tables, and the types and bounds of their values."""

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any, get_args

import msgspec

from pfnlab.base.inert import one_line
from pfnlab.base.spelling import did_you_mean
from pfnlab.base.toml_text import package_tables
from pfnlab.campaign.plan import BudgetTable, CountTable, LimitsTable, NightlyTable, Plan
from pfnlab.campaign.store.rows import TASK_NAMES

#: Tokens that may contain a statement's sign, the signs themselves, and line ends.
_PIECE = re.compile(
    r'"""(?:[^\\]|\\.)*?"""|' r"'''.*?'''|" r'"(?:[^"\\\n]|\\.)*"|' r"'[^'\n]*'|#[^\n]*|[\[\]{}\n]", re.DOTALL
)

_NAME = r"""[\w-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'"""
_HEAD = re.compile(rf"[ \t]*(\[\[?)[ \t]*({_NAME})[ \t]*([].])")
_KEY = re.compile(rf"[ \t]*({_NAME})[ \t]*[.=]")
_BARE = re.compile(r"[A-Za-z0-9_-]{1,40}")

#: The maximum number of characters of a key that a message shows.
_SHOWN_OF_KEY = 40


class KeyPlaces:
    """The lines where tables and keys are."""

    def __init__(self, text: str, source: str) -> None:
        self._source = source
        self._rows: dict[tuple[str, int, str], int] = {}
        table, seen = "", dict[str, int]()
        for row, line in _statements(text):
            if match := _HEAD.match(line):
                table = _plain(match[2])
                if match[3] == "]":
                    seen[table] = seen.get(table, -1) + 1
                self._rows.setdefault((table, seen.get(table, 0), ""), row)
            elif match := _KEY.match(line):
                self._rows.setdefault((table, seen.get(table, 0), _plain(match[1])), row)

    def at(self, table: str = "", number: int = 0, key: str = "") -> str:
        """``FILE:LINE: [[fuzz]] 2, programs`` for a key, or for the head of its table."""
        rows = self._rows
        # A table may also be written as a value: name = {key = 1}.
        row = rows.get((table, number, key)) or rows.get((table, number, "")) or rows.get(("", 0, table))
        head = f"[[{table}]] {number + 1}" if table in TASK_NAMES else f"[{table}]" * bool(table)
        words = ", ".join(filter(None, (head, key_text(key) if key else "")))
        place = f"{self._source}:{row}" if row else self._source
        return f"{place}: {words}" if words else place


def key_text(key: str) -> str:
    """A key for a message: as written, on one line, and shortened."""
    if _BARE.fullmatch(key):
        return key
    quoted = json.dumps(one_line(key), ensure_ascii=False)
    return quoted if len(quoted) <= _SHOWN_OF_KEY else f"{quoted[: _SHOWN_OF_KEY - 4]}..."


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """The lines of *text* that start a statement, with their numbers."""
    row = first = 1
    depth, begin = 0, 0
    for piece in _PIECE.finditer(f"{text}\n"):
        sign = piece[0]
        row += sign.count("\n")
        if sign == "\n" and not depth:
            yield first, text[begin : piece.start()]
            begin, first = piece.end(), row
        elif sign in ("[", "{"):
            depth += 1
        elif sign in ("]", "}"):
            depth -= 1


def _plain(name: str) -> str:
    """A key without quotes."""
    if name[0] == '"':
        try:
            return str(json.loads(name))
        except ValueError:
            # An escape that only TOML has.
            return name
    return name.strip("'")


#: The tables that occur once.
_TABLES = {"limits": LimitsTable, "budget": BudgetTable, "count": CountTable, "nightly": NightlyTable}

#: The format version that this pfnlab reads.
FORM = 1

#: The maximum number of characters of a value in a message, and of bits in a number.
_SHOWN, _BITS = 60, 64


class _Samples(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``samples.toml``: samples of keys and nouns for them, for messages."""

    of_key: dict[str, str]
    of_table: dict[str, dict[str, str]]
    nouns: dict[str, str]


@cache
def _samples() -> _Samples:
    return package_tables(__package__, "samples.toml", _Samples)


#: A line, and the table, its number and the key whose value is exempt from further checks.
Mistake = tuple[str, tuple[str, int, str]]


def form_mistakes(content: dict[str, Any], places: KeyPlaces) -> Iterator[Mistake]:
    """A line for each unknown or missing key, and for each value that does not suit its key."""
    if "form" not in content:
        yield f"{places.at(key='form')}: it is missing: write form = {FORM}", ("", 0, "form")
    elif type(form := content["form"]) is not int or form != FORM:
        newer = type(form) is int and form > FORM
        remedy = "use the newer pfnlab that wrote it" if newer else f"write form = {FORM}"
        said = f"{places.at(key='form')}: the form of the file is {FORM}, not {value_text(form)}: {remedy}"
        yield said, ("", 0, "form")
    fields = {field.name: field for field in msgspec.structs.fields(Plan)}
    for key in content:
        if key not in fields:
            yield f"{places.at(key=key)}: there is no such key{did_you_mean(key, fields)}", ("", 0, key)
    if "name" not in content:
        yield f'{places.at(key="name")}: it is missing: write name = "nightly"', ("", 0, "name")
    for key in ("name", "says"):
        if not isinstance(content.get(key, ""), str):
            yield f'{places.at(key=key)}: this is text: write {key} = "nightly"', ("", 0, key)
    for name, form in _TABLES.items():
        table = content.get(name, {})
        if isinstance(table, dict):
            yield from _table_mistakes(table, form, places, name, 0)
        else:
            yield f"{places.at(key=name)}: this is a table: begin it with [{name}]", ("", 0, name)
    for name in TASK_NAMES:
        tables = content.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            yield f"{places.at(key=name)}: these are tables: begin each with [[{name}]]", ("", 0, name)
            continue
        for number, table in enumerate(tables):
            yield from _table_mistakes(table, fields[name].type.__args__[0], places, name, number)
    if all(content.get(name, []) == [] for name in TASK_NAMES):
        said = f"{places.at()}: it has no work: add [[fuzz]], [[check]], [[catalogue]], [[meet]], "
        said += "[[sweep]] or [[review]]"
        yield said, ("", 0, "")


def plan_without(content: dict[str, Any], left_out: Iterable[tuple[str, int, str]]) -> Plan | None:
    """The plan without some of its values; None if what remains is not a plan."""
    kept = {name: _copied(value) for name, value in content.items()}
    for name, number, key in left_out:
        table = kept if not name else kept[name][number] if name in TASK_NAMES else kept[name]
        table.pop(key, None)
    try:
        return msgspec.convert({"form": FORM, "name": "n", **kept}, Plan)
    except msgspec.ValidationError:
        return None


def _copied(value: Any) -> Any:
    """A copy of one table, or of several, from which keys can be removed; nested tables are shared."""
    if isinstance(value, list):
        return [dict(item) if isinstance(item, dict) else item for item in value]
    return dict(value) if isinstance(value, dict) else value


def sample(table: str, key: str) -> str:
    """A sample ``key = value``."""
    samples = _samples()
    return f"{key} = {samples.of_table.get(table, {}).get(key) or samples.of_key[key]}"


def value_text(value: Any) -> str:
    """A value for a message: in TOML, on one line, and shortened."""
    text = one_line(_toml(value))
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def _toml(value: Any) -> str:
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int) and value.bit_length() > _BITS:
        return f"a number of {value.bit_length()} bits"
    if isinstance(value, list):
        # Convert only what will be shown; where the nesting is deep, only its brackets are.
        return f"[{', '.join(_inside(item) for item in value[:_SHOWN])}]"
    return "a table" if isinstance(value, dict) else str(value)


def _inside(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join('[...]' if isinstance(item, list) else _toml(item) for item in value[:_SHOWN])}]"
    return _toml(value)


def _table_mistakes(
    table: dict[str, Any], form: Any, places: KeyPlaces, name: str, number: int
) -> Iterator[Mistake]:
    fields = {field.name: field for field in msgspec.structs.fields(form)}
    for key, value in table.items():
        at = places.at(name, number, key)
        if key not in fields:
            yield f"{at}: there is no such key{did_you_mean(key, fields)}", (name, number, key)
            continue
        try:
            msgspec.convert(value, fields[key].type)
        except msgspec.ValidationError:
            bound = _bound(value, fields[key].type)
            wrong = f"this is {bound}, not {value_text(value)}: " if bound else ""
            instead = "" if bound else f", not {value_text(value)}"
            yield f"{at}: {wrong}write {sample(name, key)}{instead}", (name, number, key)
        else:
            required = fields[key].required
            for wrong in _list_mistakes(value, name, key, required=required):
                yield f"{at}: {wrong}", (name, number, "")
    for key, field in fields.items():
        if field.required and key not in table:
            said = f"{places.at(name, number)}: {key} is missing: write {sample(name, key)}"
            yield said, (name, number, key)


def _bound(value: Any, form: Any) -> str:
    """The bound that a number violates; empty if it is not a number, or its key has no bounds."""
    bounded = next((get_args(one) for one in (form, *get_args(form)) if hasattr(one, "__metadata__")), None)
    numbers = (int, float) if bounded and bounded[0] is float else int
    if bounded is None or isinstance(value, bool) or not isinstance(value, numbers):
        return ""
    meta = bounded[1]
    if value > meta.le:
        return f"at most {meta.le:,}"
    return f"at least {meta.ge:,}" if meta.ge not in (None, 1) else "more than 0"


def _list_mistakes(value: Any, table: str, key: str, *, required: bool) -> Iterator[str]:
    """Empty lists, and duplicates in lists."""
    if not isinstance(value, list):
        return
    # A campaign in which nothing counts as a discovery makes sense.
    if key != "verdicts" and (not value or [] in value):
        leave = "" if required else f", or leave {key} out"
        yield f"name at least one {_samples().nouns[key]}: write {sample(table, key)}{leave}"
    for items in (value, *(item for item in value if isinstance(item, list))):
        seen = set()
        for item in items:
            if str(item) in seen:
                yield f"{value_text(item)} is named twice: leave one out"
                break
            seen.add(str(item))
