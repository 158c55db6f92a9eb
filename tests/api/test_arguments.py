"""The arguments of public functions: the mistakes that are said in one line, and policies of one's own."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hostile_policies import ENDLESS, METHOD, tracker

import pfnlab as pl
from pfnlab.base import own_code
from pfnlab.base.errors import PolicyError
from pfnlab.programs.lang.ops import Munmap, Op

#: Larger than any argument.
HUGE = 10**5000

#: A program, and two machines.
STORY = pl.load("munmap-middle")
BOTH = ["model:6.1", "model:7.2"]


@pytest.mark.parametrize("where", [5, None, slice(4, 8), ["a[0]"], pl.machine().mmap("bar[0:4]", "wc").seen])
def test_what_is_no_pages_is_said(where: Any) -> None:
    """A mapping is cut, and named in words: nothing else has pages."""
    machine = pl.machine("model:7.2")

    with pytest.raises(pl.Misuse) as refused:
        machine.munmap(where)

    found = type(where).__name__
    says = f'no pages, but of type {found}: write a[4:8] of a mapping, or "bar[0:4]" of a device'
    assert (says, 0) == (str(refused.value), len(machine.steps))


@pytest.mark.parametrize(
    "call",
    [
        lambda: pl.check("7.2", "small", 1).checks[0].machine,
        lambda: pl.machine("7.2").name,
        lambda: pl.run("munmap-middle", "7.2").runs[0].machine,
    ],
)
def test_a_version_alone_is_a_model(call: Callable[[], object]) -> None:
    """As on the command line."""
    assert "model:7.2" == call()


@pytest.mark.parametrize("on", ["model:7.2", ["model:7.2"], []])
def test_one_machine_is_no_list_of_two(on: Any) -> None:
    """A text has many letters, which are no machines."""
    with pytest.raises(pl.Misuse) as refused:
        pl.diff(STORY, on)

    assert 'a difference is between machines: write on=["model:6.1", "model:7.2"]' == str(refused.value)


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

    with pytest.raises(pl.Misuse, match=r"not a program: .*\$\.ops\[0\]"):
        pl.run(program, "model:7.2")


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
    assert refused("import os; os._exit(0)", ask) == "it ended the process it runs in (exit 0)"


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_policy_does_not_hang_the_caller(ask: Callable[[], object]) -> None:
    """Where no signal reaches it."""
    says = "it did not return within 1 processor seconds: does it loop?"

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
