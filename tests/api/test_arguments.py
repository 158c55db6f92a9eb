"""Every argument of every public function, with values of any type: one clear line, or it works."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from for_each import for_each
from hostile_policies import ENDLESS, METHOD, tracker

import pfnlab as pl
from pfnlab import own_code
from pfnlab.api.arguments import typed
from pfnlab.errors import PolicyError
from pfnlab.programs.lang.ops import Munmap, Op
from pfnlab.programs.runs.compare import FIELDS

#: Larger than any argument, longer than any text or name of a file.
HUGE, LONG = 10**5000, "x" * 70_000


class Hostile:
    """A value that cannot even be shown."""

    def __repr__(self) -> str:
        raise ZeroDivisionError


#: What somebody may hand over by mistake.
VALUES: tuple[Any, ...] = (
    *(None, 5, -1, 0, True, HUGE, -HUGE, 1.5, float("nan"), float("inf"), 1j),
    *("", "x", "a\nb", "\0", "\ud800", LONG, b"", b"x", bytearray()),
    *([], [None], ["x"], [["x"]], (), ("x", 1), {}, {"x": 1}, {1: 2}, set(), frozenset({3})),
    *(object(), Hostile(), Ellipsis, type, len, lambda: 0, range(3), Path("nowhere"), slice(None)),
)

#: What no argument may be.
NEVER: tuple[Any, ...] = (
    object(),
    Hostile(),
    1j,
    Ellipsis,
    type,
    len,
    float("nan"),
    HUGE,
    bytearray(),
    [None],
)

#: A program, and arguments with which each function works.
STORY = pl.load("munmap-middle")
BOTH = ["model:6.1", "model:7.2"]
WORKING: dict[str, dict[str, Any]] = {
    "run": {"program": STORY, "on": "model:7.2"},
    "diff": {"program": STORY, "on": BOTH},
    "machine": {},
    "load": {"program": "munmap-middle"},
    "save": {"program": STORY, "path": "saved.pfn"},
    # Whatever depth and walks are, it ends soon.
    "check": {"on": "model:7.2", "scope": "small", "depth": 1, "seconds": 0.01},
}

#: The same for operations, by argument.
WORKING_OPERATION = {
    **{
        "span": "a[0]",
        "source": "bar[0:4]",
        "via": "wc",
        "prot": "rw",
        "pages": 2,
        "advice": "cold",
        "policy": "bind",
        "kind": "all",
        "resource": "as",
        "room": 4,
        "victim": "main",
        "target": "main",
    },
    **{"value": 7, "mode": "wc", "device": "bar", "line": "look", "function": "__pte_alloc"},
}

#: What makes something, cuts it, or belongs to Python's sequences, whose own errors are promised by those.
NOT_ASKED = {"index", "count"}


def arguments_of(function: Callable[..., Any]) -> list[str]:
    """The names of its arguments."""
    return [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]


def required_of(function: Callable[..., Any]) -> list[str]:
    """Those that it must be given."""
    parameters = inspect.signature(function).parameters.values()
    return [one.name for one in parameters if one.default is one.empty and one.name != "self"]


def methods_of(kind: type) -> Iterator[tuple[str, str]]:
    """The public methods of a class, each with each of its arguments."""
    for name, method in inspect.getmembers(kind, inspect.isfunction):
        if not name.startswith("_") and name not in NOT_ASKED:
            yield from ((name, argument) for argument in arguments_of(method))


def troubles(call: Callable[[Any], Any]) -> list[str]:
    """What *call* makes of every value that is neither a result nor one clear line."""
    found = []
    for value in VALUES:
        try:
            repr(call(value))
        except pl.PfnlabError as refused:
            line, _, place = str(refused).partition("\n")
            if not line or refused.exit_code == 4 or (place and not place.startswith("    ")):
                found.append(f"{type(value).__name__}: {refused!r}")
        except Exception as error:
            found.append(f"{type(value).__name__}: {error!r:.200}")
    return found


def accepted(call: Callable[[Any], Any]) -> list[str]:
    """The values that no argument may be and *call* does not refuse as misuse."""
    found = []
    for value in NEVER:
        try:
            call(value)
        except pl.Misuse as refused:
            if "\n" in str(refused) or ": write " not in str(refused):
                found.append(f"{type(value).__name__}: {refused}")
        else:
            found.append(type(value).__name__)
    return found


FUNCTIONS = [(name, argument) for name in WORKING for argument in arguments_of(getattr(pl, name))]


def function_call(name: str, argument: str) -> Callable[[Any], Any]:
    """A function of *pfnlab* with one argument to be chosen."""
    return lambda value: getattr(pl, name)(**{**WORKING[name], argument: value})


def test_every_function_is_asked() -> None:
    """A new one has arguments with which it works above."""
    assert set(WORKING) == {name for name in pl.__all__ if inspect.isfunction(getattr(pl, name))}


@pytest.mark.parametrize(("name", "argument"), FUNCTIONS)
def test_a_function_refuses_or_works(
    name: str, argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it is given."""
    monkeypatch.chdir(tmp_path)
    call = function_call(name, argument)

    assert [] == troubles(call)
    assert [] == accepted(call)


#: A machine and its tasks have the same operations, and each its own name for what comes next.
ACTORS: dict[str, Callable[[pl.LiveMachine], Any]] = {
    "machine": lambda machine: machine,
    "task": lambda machine: machine.tasks["main"],
    "forced": lambda machine: machine.fail("__pte_alloc"),
}


def operation_call(actor: str, name: str, argument: str) -> Callable[[Any], Any]:
    """A method of an actor with one argument to be chosen; what was done is taken back."""
    machine = pl.machine("model:7.2")
    machine.mmap("bar[0:8]", "wc")
    done = len(machine.steps)

    def call(value: Any) -> Any:
        method = getattr(ACTORS[actor](machine), name)
        working = {key: WORKING_OPERATION[key] for key in required_of(method) if key in WORKING_OPERATION}
        try:
            found = method(**{**working, argument: value})
            repr(machine)
            return found
        finally:
            if len(machine.program.ops) > done:
                machine.undo(len(machine.program.ops) - done)
            elif not machine.program.ops:
                machine.mmap("bar[0:8]", "wc")

    return call


@pytest.mark.parametrize(("name", "argument"), [*methods_of(pl.LiveMachine)])
def test_an_operation_refuses_or_works(name: str, argument: str) -> None:
    """On a machine; nothing else was done."""
    call = operation_call("machine", name, argument)

    assert [] == troubles(call)
    assert [] == accepted(call)


@pytest.mark.parametrize("actor", ["task", "forced"])
@pytest.mark.parametrize(
    ("name", "argument"), [("mmap", "driver"), ("mremap", "pages"), ("munmap", "span"), ("fork", "name")]
)
def test_tasks_refuse_as_machines_do(actor: str, name: str, argument: str) -> None:
    """Also with the kernel forced."""
    call = operation_call(actor, name, argument)

    assert [] == troubles(call)
    assert [] == accepted(call)


@cache
def results() -> dict[str, Any]:
    """A result of each kind."""
    ran = pl.run(STORY, BOTH)
    checked = pl.check("model:6.1", "small", 2)
    found = (ran, ran.differences, checked, ran["model:6.1"][0])
    return {type(result).__name__: result for result in found}


@for_each(
    ("kind", "name", "argument"),
    lambda: [(kind, *method) for kind, result in results().items() for method in methods_of(type(result))],
)
def test_a_result_refuses_or_works(kind: str, name: str, argument: str) -> None:
    """Its methods, which only show it."""

    def call(value: object) -> object:
        return getattr(results()[kind], name)(**{argument: value})

    assert [] == troubles(call)
    assert [] == accepted(call)


@pytest.mark.parametrize("kind", ["RunReport", "CheckReport", "Differences"])
def test_cutting_a_result_refuses_or_works(kind: str) -> None:
    """As a list does, where a place is behind its end."""
    values = [value for value in VALUES if not (kind == "Differences" and value in (5, -1, 0))]

    for value in values:
        with (
            pytest.raises(pl.Misuse) if not isinstance(value, slice) else pytest.raises((pl.Misuse, KeyError))
        ):
            results()[kind][value]
            raise KeyError


@pytest.mark.parametrize(
    "kind", ["Pages", "MappedPages", "LiveTask", "LiveMachine", "Forced", "StepSeen", "RunReport"]
)
def test_making_one_by_hand_refuses(kind: str) -> None:
    """What pfnlab makes itself is not made of anything else."""
    made = getattr(pl, kind)
    count = len(required_of(made))

    assert [] == accepted(lambda value: made(*[value] * count))


@pytest.mark.parametrize("value", [5, "x", [None], object(), HUGE], ids=type)
@pytest.mark.parametrize("field", ["title", "devices", "ops", "areas"])
def test_a_program_put_together_wrong_is_refused(field: str, value: Any) -> None:
    """Its structures do not look at what they are made of, but what runs and writes one does."""
    program = msgspec.structs.replace(STORY, **{field: value})

    if (field, value) == ("title", "x"):
        assert pl.run(program, "model:7.2").program is program
        return
    with pytest.raises(pl.Misuse) as refused:
        pl.run(program, "model:7.2")
    assert "\n" not in str(refused.value)


def test_an_operation_of_a_program_is_looked_into() -> None:
    """As deep as it goes."""
    program = msgspec.structs.replace(STORY, ops=(Op(Munmap("a[0:4]")),))  # type: ignore[arg-type]

    with pytest.raises(pl.Misuse, match=r"this is no program: .*\$\.ops\[0\]"):
        pl.run(program, "model:7.2")


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: pl.run(STORY, on=5), 'run: on is 5: write a machine, "model:7.2", or a list of machines'),
        (
            lambda: pl.diff(STORY, on=None),  # type: ignore[arg-type]
            'diff: on is None: write two machines, ["model:6.1", "model:7.2"]',
        ),
        (
            lambda: pl.machine(device=5),  # type: ignore[arg-type]
            'machine: device is 5: write a device, "bar: pci, 16 pages", or a list of devices',
        ),
        (
            lambda: pl.run(STORY, policies=5),  # type: ignore[arg-type]
            'run: policies is 5: write a file, "mine.py", a list of files, or names by seam, '
            '{"tracker": "exact"}',
        ),
        (lambda: pl.check(depth="3"), "check: depth is '3': write a whole number"),  # type: ignore[arg-type]
        (lambda: pl.check(depth=HUGE), "check: depth is too large: write a whole number"),
        (
            lambda: pl.machine().mmap("bar[0:4]", "wc", shared="no"),  # type: ignore[arg-type]
            "mmap: shared is 'no': write True or False",
        ),
        (
            lambda: results()["StepSeen"].rows(["x"]),
            f"there is no field 'x': fields of observations are {', '.join(FIELDS)}",
        ),
    ],
)
def test_the_line_says_what_to_write(call: Callable[[], Any], says: str) -> None:
    """Function, argument, value, and what to write instead."""
    with pytest.raises(pl.Misuse) as refused:
        call()

    assert says == str(refused.value)


def test_numbers_of_other_libraries_are_numbers() -> None:
    """Those of an array count pages as well."""
    numpy = pytest.importorskip("numpy")
    machine = pl.machine("model:7.2")
    a = machine.mmap("bar[0:16]", "wc")

    assert a[numpy.int64(4) : numpy.int64(8)] == a[4:8]
    assert machine.write(a[0], numpy.uint32(7)).ok


def test_a_list_may_be_any_collection() -> None:
    """A tuple, a set, the keys of a dictionary; text is none."""
    assert BOTH == [run.machine for run in pl.run(STORY, dict.fromkeys(BOTH).keys()).runs]  # type: ignore[arg-type]
    assert set(BOTH) == {run.machine for run in pl.run(STORY, set(BOTH)).runs}  # type: ignore[arg-type]


def test_a_call_that_is_no_call_stays_pythons_own() -> None:
    """An argument too many or unknown is what it is everywhere."""

    @typed
    def one(number: int) -> int:
        return number

    with pytest.raises(TypeError, match="unexpected keyword argument 'numbers'"):
        one(numbers=1)  # type: ignore[call-arg]
    assert 3 == one(3)


OWN = "model:7.2,tracker=mine.py"


def unmapped(machine: pl.LiveMachine) -> bool:
    """A mapping came and went."""
    return machine.munmap(machine.mmap("bar[0:8]", "wc")).ok


#: What may be asked with a policy of one's own.
ASKED: dict[str, Callable[[], object]] = {
    "run": lambda: pl.run("munmap-middle", OWN),
    "run with": lambda: pl.run("munmap-middle", policies=[Path("mine.py")]),
    "diff": lambda: pl.diff("munmap-middle", ["model:7.2", OWN]),
    "check": lambda: pl.check(OWN, scope="small", depth=2),
    "check with": lambda: pl.check(scope="small", depth=2, policies={"tracker": "mine.py"}),
    "machine": lambda: unmapped(pl.machine(OWN)),
    "machine with": lambda: unmapped(pl.machine("model:7.2", policies="mine.py")),
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy is named by a relative path, and the limit is short."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own_code, "LIMIT", 1.0)


def refused(body: str, ask: Callable[[], object]) -> str:
    """The message about a file whose method does *body*."""
    Path("mine.py").write_text(tracker(body))
    with pytest.raises(PolicyError) as caught:
        ask()
    assert ("mine.py", True) == (caught.value.path, caught.value.hook in (None, METHOD))
    return caught.value.what


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_policy_does_not_end_the_caller(ask: Callable[[], object]) -> None:
    """It is an error like another."""
    assert refused("import os; os._exit(0)", ask) == "it ended the process it is called in (exit 0)"


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_policy_does_not_hang_the_caller(ask: Callable[[], object]) -> None:
    """Where no signal reaches it."""
    says = "it did not return within 1 s: does it loop?"

    assert refused(ENDLESS["no signal"], ask).startswith(says)


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_policy_that_is_right_is_asked(ask: Callable[[], object]) -> None:
    """The answer is the caller's as any other."""
    Path("mine.py").write_text(tracker("pass"))

    assert ask() is not None


def test_a_run_is_the_same_as_that_of_the_kernels_own_policy() -> None:
    """With every step, though it was done elsewhere."""
    Path("mine.py").write_text("from pfnlab.design import TrackCtx\nclass Mine(TrackCtx): ...\n")

    own, kernels = pl.run("munmap-middle", OWN), pl.run("munmap-middle", "model:7.2")

    assert kernels["model:7.2"] == own[OWN]


def test_a_machine_is_as_it_was_after_an_operation_that_was_refused() -> None:
    """It was done elsewhere first."""
    Path("mine.py").write_text(tracker("import os; os._exit(0)"))
    machine = pl.machine(OWN)
    mapped = machine.mmap("bar[0:8]", "wc")

    with pytest.raises(PolicyError):
        machine.munmap(mapped)

    assert (1, "bar[0:8] wc") == (len(machine.steps), str(machine.book[0]))


def test_without_a_policy_there_is_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer costs as much as it did."""
    monkeypatch.setattr(os, "fork", None)

    assert pl.run("munmap-middle", "model:7.2,tracker=exact").agree
    assert unmapped(pl.machine("model:7.2", policies={"tracker": "exact"}))
