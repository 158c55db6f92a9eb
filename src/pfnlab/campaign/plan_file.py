"""The file of a campaign: read, with a line for every mistake."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from pfnlab.campaign.plan import VERDICTS, Plan, changes_of
from pfnlab.checker.kernel.properties import questions
from pfnlab.checker.kernel.scope import load_scope
from pfnlab.errors import Misuse
from pfnlab.files import read_text
from pfnlab.fuzz.looking import looking_named
from pfnlab.fuzz.opened import check_vocabulary
from pfnlab.lab.machines import name_machine, open_machine
from pfnlab.policies import SEAM_OF
from pfnlab.policies.own import files_in
from pfnlab.programs.lang.words import did_you_mean
from pfnlab.programs.library import program_paths
from pfnlab.programs.runs.look import look_named

#: The version of the form that this pfnlab reads.
FORM = 1

#: What a new file says.
EXAMPLE = """\
# A campaign of pfnlab: `pfnlab campaign check FILE` says what it does, `pfnlab campaign run FILE` does it.
form = 1
name = "{name}"
says = "Three series on random programs, and every tracker on the scope small"

[limits]            # of one shard, which is what one process does
seconds = 600       # after which an attempt is ended
tries = 3           # after which the shard is isolated, and the others go on

[budget]            # leave it out to run everything
programs = 2000

[[fuzz]]            # random programs on machines that are held against each other
machines = [["model:6.1", "model:6.12", "model:7.2"]]
seed = 0
programs = 1000
programs_per_shard = 250

[[check]]           # every sequence of operations of a scope
machines = ["model:7.2"]
policies = ["trackers"]
scopes = ["small"]

[[catalogue]]       # programs that come with pfnlab
machines = [["model:6.1", "model:7.2"]]
programs = ["munmap-*"]

# [[meet]]          # kernels, each held against the model of its version
# kernels = ["6.12.107"]
"""

#: The tables of a file that may come several times.
LISTS = ("fuzz", "check", "catalogue", "meet")

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")

_WHERE = re.compile(r" - at `\$(.*)`$")


class PlanMistakes(Misuse):
    """A file of a campaign has mistakes, one line each.

    :ivar mistakes: the lines
    """

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(mistakes))


def read_plan(path: Path) -> Plan:
    """The plan in the file at *path*.

    :raises PlanMistakes: it is none
    :raises Unreadable: it cannot be read
    """
    return plan_of(read_text(path, "campaign"), str(path))


def plan_of(text: str, source: str) -> Plan:
    """The plan that *text* describes.

    :param source: the name of its file, for messages
    :raises PlanMistakes: it describes none
    """
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as wrong:
        raise PlanMistakes([f"{source}: this is no TOML: {wrong}"]) from None
    except RecursionError:
        raise PlanMistakes([f"{source}: this is nested too deeply: a campaign is tables of values"]) from None
    lines = _Lines(text, source)
    mistakes = list(_form_mistakes(content, lines))
    if not mistakes:
        try:
            plan = msgspec.convert(content, Plan)
        except msgspec.ValidationError as wrong:
            raise PlanMistakes([_converted(str(wrong), lines)]) from None
        mistakes = list(_meaning_mistakes(plan, lines))
        if not mistakes:
            return plan
    raise PlanMistakes(mistakes)


class _Lines:
    """Where in the text a key stands."""

    def __init__(self, text: str, source: str) -> None:
        self._rows, self._source = text.splitlines(), source

    def at(self, table: str = "", number: int = 0, key: str = "") -> str:
        """``FILE:LINE: [[fuzz]] 2, programs`` of a key, or of the head of its table."""
        here = head = 0
        seen, current = -1, ""
        for row, line in enumerate(self._rows, 1):
            if match := re.match(r"\s*\[\[?\s*([\w-]+)", line):
                current = match[1]
                seen += current == table
                if current == table and seen == number:
                    head = row
            elif current == table and (not table or seen == number):
                here = here or row * bool(key and re.match(rf'\s*"?{re.escape(key)}"?\s*=', line))
        place = here or head
        head_text = f"[[{table}]] {number + 1}" if table in LISTS else f"[{table}]" * bool(table)
        words = ", ".join(filter(None, (head_text, key)))
        return f"{self._source}:{place}: {words}" if place else f"{self._source}: {words}".rstrip(": ")


def _form_mistakes(content: dict[str, Any], lines: _Lines) -> Iterator[str]:
    """Unknown and missing keys, and values of another type."""
    form = content.get("form")
    if form != FORM:
        newer = isinstance(form, int) and form > FORM
        remedy = "use the newer pfnlab that it is for" if newer else f"write form = {FORM}"
        yield f"{lines.at(key='form')}: the form of the file is {FORM}, not {form!r}: {remedy}"
    fields = {field.name: field for field in msgspec.structs.fields(Plan)}
    for key in content:
        if key not in fields:
            yield f"{lines.at(key=key)}: there is no such key{did_you_mean(key, fields)}"
    if "name" not in content:
        yield f'{lines.at(key="name")}: it is missing: write name = "nightly"'
    for key in ("name", "says"):
        if not isinstance(content.get(key, ""), str):
            yield f'{lines.at(key=key)}: this is text: write {key} = "nightly"'
    for name in ("limits", "budget", "count"):
        table = content.get(name, {})
        if isinstance(table, dict):
            yield from _table_mistakes(table, fields[name].type, lines, name, 0)
        else:
            yield f"{lines.at(key=name)}: this is a table: begin it with [{name}]"
    for name in LISTS:
        tables = content.get(name, [])
        if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
            yield f"{lines.at(key=name)}: these are tables: begin each with [[{name}]]"
            continue
        for number, table in enumerate(tables):
            yield from _table_mistakes(table, fields[name].type.__args__[0], lines, name, number)
    if not any(content.get(name) for name in LISTS):
        yield f"{lines.at()}: nothing is to be run: add [[fuzz]], [[check]], [[catalogue]] or [[meet]]"


def _table_mistakes(table: dict[str, Any], form: Any, lines: _Lines, name: str, number: int) -> Iterator[str]:
    fields = {field.name: field for field in msgspec.structs.fields(form)}
    for key, value in table.items():
        at = lines.at(name, number, key)
        if key not in fields:
            yield f"{at}: there is no such key{did_you_mean(key, fields)}"
            continue
        try:
            msgspec.convert(value, fields[key].type)
        except msgspec.ValidationError:
            sample = _SAMPLES_OF.get((name, key), _SAMPLES[key])
            yield f"{at}: write {key} = {sample}, not {_toml(value)}"
    for key, field in fields.items():
        if field.required and key not in table:
            sample = _SAMPLES_OF.get((name, key), _SAMPLES[key])
            yield f"{lines.at(name, number)}: {key} is missing: write {key} = {sample}"


#: A value of each key, for messages.
_SAMPLES = {
    "seconds": "600",
    "tries": "3",
    "lost": "20",
    "programs": "500",
    "verdicts": '["differs", "violated"]',
    "machines": '[["model:6.1", "model:7.2"]]',
    "seed": "0",
    "programs_per_shard": "250",
    **dict.fromkeys(("driver", "schedules", "vfio", "slots", "leaves", "fixed", "coverage"), "true"),
    "look": '"memory"',
    "scopes": '["small"]',
    "policies": '["trackers"]',
    "properties": '["no_leak"]',
    "depth": "3",
    "states": "100000",
    "kernels": '["6.12.107"]',
    "profile": '"7.2"',
}

_SAMPLES_OF = {
    ("check", "machines"): '["model:7.2"]',
    ("catalogue", "programs"): '["fork", "munmap-*"]',
}


def _converted(message: str, lines: _Lines) -> str:
    match = _WHERE.search(message)
    where = match[1].strip(".") if match else ""
    return f"{lines.at(key=where)}: {_WHERE.sub('', message)}"


def _toml(value: Any) -> str:
    return msgspec.json.encode(value, enc_hook=str).decode()


def _meaning_mistakes(plan: Plan, lines: _Lines) -> Iterator[str]:
    """Names of what is not there, and numbers that make no sense."""
    if not _NAME.fullmatch(plan.name):
        at = lines.at(key="name")
        yield f'{at}: a name is small letters, digits, dots and dashes: write name = "nightly"'
    for table, key, number in (
        ("limits", "seconds", plan.limits.seconds),
        ("limits", "tries", plan.limits.tries),
        ("limits", "lost", plan.limits.lost),
        ("budget", "seconds", plan.budget.seconds),
        ("budget", "programs", plan.budget.programs),
    ):
        if number is not None and number <= 0:
            yield f"{lines.at(table, 0, key)}: {_too_small(key, number)}"
    for verdict in plan.count.verdicts:
        if verdict not in VERDICTS:
            at = lines.at("count", 0, "verdicts")
            yield f"{at}: there is no verdict {verdict!r}{did_you_mean(verdict, VERDICTS)}"
    for name in LISTS:
        for place, one in enumerate(getattr(plan, name)):
            yield from _tried(name, place, one, lines)


def _tried(name: str, place: int, table: Any, lines: _Lines) -> Iterator[str]:
    """Everything in one table that is refused by what it is for."""

    def tried(key: str, what: Callable[[], Any]) -> Iterator[str]:
        try:
            what()
        except (Misuse, KeyError) as wrong:
            words = str(wrong) if isinstance(wrong, Misuse) else f"there is no policy {wrong}: {_POLICIES}"
            yield f"{lines.at(name, place, key)}: {' '.join(words.split())}"

    for key in ("programs", "programs_per_shard", "depth", "states"):
        number = getattr(table, key, None)
        if isinstance(number, int) and number <= 0 and not (key == "depth" and number == 0):
            yield f"{lines.at(name, place, key)}: {_too_small(key, number)}"
    for machine in _machines(table):
        yield from tried("machines", partial(_check_machine, machine))
    if name == "check":
        for machine in table.machines:
            if machine.startswith("qemu:"):
                yield f"{lines.at(name, place, 'machines')}: {machine} cannot be searched: name a model"
        for policy in table.policies:
            yield from tried("policies", partial(changes_of, policy))
        for scope in table.scopes:
            yield from tried("scopes", partial(_check_scope, scope, table.properties))
    elif name == "fuzz":
        yield from tried("leaves", partial(check_vocabulary, table.vocabulary))
        for machines in table.machines:
            if len(set(machines)) < 2:
                at = lines.at(name, place, "machines")
                yield f"{at}: one machine has nothing to differ from: write machines = {_SAMPLES['machines']}"
        if table.look:
            yield from tried("look", partial(looking_named, str(table.look)))
    elif name == "catalogue":
        yield from tried("programs", partial(program_paths, tuple(table.programs)))
        if table.look:
            yield from tried("look", partial(look_named, str(table.look)))
    if not _machines(table) and name != "meet":
        yield f"{lines.at(name, place, 'machines')}: name at least one machine"
    if name == "meet" and not table.kernels:
        at = lines.at(name, place, "kernels")
        yield f"{at}: name at least one kernel: write kernels = {_SAMPLES['kernels']}"


_POLICIES = "write " + ", ".join(f'"{folder}"' for folder in SEAM_OF) + ', "trackers/exact" or "all"'


def _too_small(key: str, number: float) -> str:
    return f"this is more than 0, not {number}: write {key} = {_SAMPLES[key]}"


def _check_machine(spec: str) -> None:
    """:raises Misuse: there is no such machine"""

    def opened() -> None:
        open_machine(spec)

    if files_in(spec):
        from pfnlab.supervised import supervised

        supervised(opened)
    elif name_machine(spec).kind == "model":
        opened()


def _check_scope(scope: str, properties: tuple[str, ...]) -> None:
    """:raises Misuse: there is no such scope, or it cannot decide a property"""
    questions(list(properties), load_scope(scope))


def _machines(table: Any) -> list[str]:
    found: list[str] = []
    for one in getattr(table, "machines", ()):
        found += [one] if isinstance(one, str) else one
    return list(dict.fromkeys(found))
