"""``run --json`` keeps to its schema, and the schema refuses everything else."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import jsonschema
import msgspec
from for_each import for_each
from middle_runs import PROGRAM, careful, cut, forgetful

from pfnlab.base.errors import Why
from pfnlab.base.schema_files import schema
from pfnlab.programs.lang.load import program_hash
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.compare import FIELDS
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.observation import BookEntry, DeviceSpan, PteSeen, Run, Step, VmaSeen
from pfnlab.programs.runs.violation import Violation

SERIES = {"model:6.1": "6.1", "model:7.2": "7.2"}

FULL = Step(
    op="child: read a[0]",
    task="child",
    result="ok",
    value=5,
    book=(BookEntry("bar", 0, 4, "uc-"),),
    log=("x86/PAT: main freeing invalid memtype bar[0:4]",),
    vmas=(
        VmaSeen("main", "a", 0, 4, "rw-s", "uc", DeviceSpan("bar", 0, 4), "rd wr", 0, 0, 16),
        VmaSeen("main", "b", 0, 4, "rw-p", "anon", None, "rd wr", 16, 16),
    ),
    ptes=(
        PteSeen("main", "a", 0, 1, DeviceSpan("ram", 0, 0), "L1 WB P RW"),
        PteSeen("main", "a", 1, 4, None, "none@L1"),
    ),
    flushes=1,
    events=("memtype_free", "flush_tlb_mm_range"),
    tracked=("bar[0:16] x2 a[0:4] a[8:16]",),
    prots=("a[0:4] WC",),
    direct_map=("low[0:4] UC-",),
    levels=("info",),
)


def objects(*runs: Run) -> dict[str, Any]:
    """The JSON object of some runs of the middle program."""
    return printed(RunResult.of(PROGRAM, runs, SERIES, name="munmap-middle"))


def printed(result: RunResult) -> dict[str, Any]:
    """The JSON object of a result."""
    content = json.loads(result.as_json())
    assert isinstance(content, dict)
    return content


def complaints(content: object) -> list[str]:
    """What the schema refuses in *content*."""
    validator = jsonschema.Draft202012Validator(schema("run"))
    return [error.message for error in validator.iter_errors(content)]


def full_pair() -> dict[str, Any]:
    """Two runs that differ in every field."""
    other = Step("child: read a[0]", "child", "EINVAL", None, (), (), (), (), 2, (), (), (), ())
    return objects(Run("a", "A", steps=(FULL,)), Run("b", "B", steps=(other,)))


def test_the_schema_is_a_schema() -> None:
    """The checked-in file is valid JSON Schema 2020-12."""
    jsonschema.Draft202012Validator.check_schema(schema("run"))


def test_an_object_keeps_to_the_schema() -> None:
    """Machines that differ, with expectations."""
    assert complaints(objects(forgetful(), careful())) == []


@for_each("known", ["A06: pieces", None])
def test_a_violation_keeps_to_the_schema(known: str | None) -> None:
    """It stands with the machine that breaks the property; null where nobody knows why."""
    violation = Violation("no_leak", 1, "munmap a[2:4]", "A reservation ends", known, machine="model:6.1")
    content = objects(msgspec.structs.replace(forgetful(), violations=(violation,)), careful())

    assert complaints(content) == []
    assert [len(machine["violations"]) for machine in content["machines"]] == [1, 0]
    assert content["machines"][0]["violations"][0]["known"] == known


def test_every_field_keeps_to_the_schema() -> None:
    """Every kind of item occurs in steps and in differences."""
    content = full_pair()

    assert complaints(content) == []
    # Of other lines the levels are not compared.
    fields = [field for field in FIELDS if field != "levels"]
    assert fields == [found["field"] for found in content["differences"]]


@for_each(
    ("op", "result", "value"),
    [
        ("hold unmap_vmas: munmap a", "held", None),
        ("hold unmap_vmas: munmap a", "ok", "not held"),
        ("t: munmap a", "waits", "mmap_lock"),
        ("t: munmap a", "busy", None),
        ("release", "ok", "main ok; t EFAULT SIGSEGV code=1"),
    ],
)
def test_a_step_of_a_schedule_keeps_to_the_schema(op: str, result: str, value: str | None) -> None:
    """Operations that are not finished have results of their own."""
    step = msgspec.structs.replace(FULL, op=op, result=result, value=value)
    other = msgspec.structs.replace(step, result="ok", value=None)

    assert complaints(objects(Run("a", "A", steps=(step,)), Run("b", "B", steps=(other,)))) == []


def test_lost_and_undecided_are_two_keys() -> None:
    """Each holds its own reason, and the other is null."""
    unanswered = Run("model:7.3", "profile 7.3", steps=(), undecided="no rule", why=Why.NO_RULE)

    machines = objects(careful(), cut(careful(), 2), unanswered)["machines"]

    assert [(None, None), ("the guest panicked", None), (None, "no rule")] == [
        (machine["lost"], machine["undecided"]) for machine in machines
    ]
    assert [] == complaints(objects(careful(), unanswered))


def test_the_fields_that_were_compared_are_listed() -> None:
    """All of them where nobody chose."""
    runs = [forgetful(), careful()]
    chosen = printed(RunResult.of(PROGRAM, runs, {}, ("result", "ptes")))

    assert (list(FIELDS), ["result", "ptes"]) == (objects(*runs)["compared"], chosen["compared"])
    assert [] == complaints(chosen)


def test_a_lost_run_keeps_to_the_schema() -> None:
    """A machine that never answered has no steps; what it left is unknown."""
    content = objects(cut(forgetful(), 0))

    assert complaints(content) == []
    assert [held["holds"] for held in content["expectations"]] == [None]


@for_each("step", [1, None])
def test_an_alarm_keeps_to_the_schema(step: int | None) -> None:
    """Kind, title and log, and the operation where there is one; other machines have none."""
    alarm = Alarm("oops", "BUG: here", log=("a line",), op="munmap a" if step else "", step=step)
    content = objects(msgspec.structs.replace(cut(forgetful(), 1), alarm=alarm), careful())

    assert complaints(content) == []
    assert [machine["alarm"] for machine in content["machines"]] == [
        {"kind": "oops", "title": "BUG: here", "step": step, "op": alarm.op, "log": ["a line"]},
        None,
    ]


def test_a_machine_that_is_named_twice_has_its_own_alarm() -> None:
    """One of two runs on one kernel crashed."""
    crashed = msgspec.structs.replace(cut(forgetful(), 1), alarm=Alarm("oops", "BUG: here", step=1))

    assert [None, "oops"] == [
        machine["alarm"] and machine["alarm"]["kind"] for machine in objects(forgetful(), crashed)["machines"]
    ]


def test_the_object_says_what_was_seen() -> None:
    """The keys outside tools rely on, with their values."""
    content = objects(forgetful(), careful())

    assert list(content) == [
        "format",
        "made",
        "program",
        "machines",
        "compared",
        "agree",
        "differences",
        "expectations",
    ]
    assert content["program"] == {
        "name": "munmap-middle",
        "hash": program_hash(PROGRAM),
        "text": format_program(PROGRAM),
    }
    assert not content["agree"]
    assert content["machines"][0]["steps"][3]["book"] == [
        {"device": "bar", "start": 0, "end": 8, "mode": "wc"}
    ]
    assert [(found["step"], found["field"]) for found in content["differences"]] == [
        (1, "log"),
        (2, "log"),
        (2, "book"),
        (3, "book"),
    ]
    assert [held["holds"] for held in content["expectations"]] == [True, True]


def test_a_line_is_one_line() -> None:
    """Several programs can be told apart by line."""
    assert "\n" not in RunResult.of(PROGRAM, [forgetful()], SERIES).as_json()


def as_read(result: RunResult) -> RunResult:
    """*result* as somebody reads it who has what was printed."""
    return msgspec.json.decode(result.as_json(), type=RunResult)


def test_a_result_reads_back_as_itself() -> None:
    """With an alarm, a violation, and a lost machine; what is printed is the structure itself."""
    violation = Violation("no_leak", 1, "munmap a[2:4]", "A reservation ends", "A06: pieces")
    alarm = Alarm("oops", "BUG: here", step=1, op="munmap a", log=("a line",))
    runs = [
        msgspec.structs.replace(forgetful(), violations=(violation,)),
        msgspec.structs.replace(cut(careful(), 2), alarm=alarm),
    ]
    result = RunResult.of(PROGRAM, runs, SERIES)

    read = as_read(result)

    assert result.as_json() == read.as_json()
    assert (PROGRAM, result.alarms, result.groups) == (read.program, read.alarms, read.groups)
    assert [run.steps for run in runs] == [run.steps for run in read.runs]


def test_what_only_the_machine_knows_is_not_printed() -> None:
    """It has its default where a result is read, and the machine of a violation is that of its run."""
    violation = Violation("no_leak", 1, "munmap a[2:4]", "A reservation ends", machine="model:6.1")
    run = msgspec.structs.replace(forgetful(), once=("a line",), violations=(violation,))
    result = RunResult.of(PROGRAM, [run], SERIES)

    (read,) = as_read(result).runs

    assert (("a line",), ()) == (run.once, read.once)
    assert (violation,) == result.violations == as_read(result).violations


def test_a_step_reads_back_as_itself() -> None:
    """Nothing of a step is lost in JSON."""
    text = msgspec.json.encode(FULL)

    assert msgspec.json.decode(text, type=Step) == FULL


def _extra(content: dict[str, Any]) -> None:
    content["extra"] = 1


def _extra_in_book(content: dict[str, Any]) -> None:
    content["machines"][0]["steps"][0]["book"][0]["pages"] = 4


def _no_format(content: dict[str, Any]) -> None:
    content["format"] = "pfnlab-run/0"


def _no_steps(content: dict[str, Any]) -> None:
    del content["machines"][0]["steps"]


def _mode(content: dict[str, Any]) -> None:
    content["machines"][0]["steps"][0]["book"][0]["mode"] = "WC"


def _negative(content: dict[str, Any]) -> None:
    content["machines"][0]["steps"][0]["vmas"][0]["start"] = -1


def _field(content: dict[str, Any]) -> None:
    content["differences"][0]["field"] = "colour"


def _book_value(content: dict[str, Any]) -> None:
    found = next(one for one in content["differences"] if one["field"] == "book")
    found["values"][0]["value"] = "bar[0:4] uc-"


def _agree(content: dict[str, Any]) -> None:
    content["agree"] = "no"


@for_each(
    "spoil",
    [_extra, _extra_in_book, _no_format, _no_steps, _mode, _negative, _field, _book_value, _agree],
)
def test_a_wrong_object_is_refused(spoil: Callable[[dict[str, Any]], None]) -> None:
    """Unknown keys, missing keys and values of another kind do not pass."""
    content = copy.deepcopy(full_pair())

    spoil(content)

    assert complaints(content)


def _objects_in(schema: object) -> list[dict[str, Any]]:
    # Every object schema anywhere in *schema*.
    if isinstance(schema, list):
        return [found for one in schema for found in _objects_in(one)]
    if not isinstance(schema, dict):
        return []
    own = [schema] if schema.get("type") == "object" else []
    return own + [found for one in schema.values() for found in _objects_in(one)]


def test_the_schema_is_strict_everywhere() -> None:
    """Every object requires all its keys and allows no others."""
    objects_found = _objects_in(schema("run"))

    assert objects_found
    assert [
        one
        for one in objects_found
        if one["additionalProperties"] is not False or one["required"] != list(one["properties"])
    ] == []
