"""Signatures: equal for one difference in two programs, different for two differences."""

from __future__ import annotations

from typing import Any

import msgspec
from for_each import for_each

from pfnlab.base.errors import Why
from pfnlab.hunt.fuzz.signature import Signature, signature_of, signatures_of
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import (
    Program,
)
from pfnlab.programs.lang.span import Span
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import BookEntry, Reason, Run, undecided

MIDDLE = "a = mmap bar[0:8] wc shared rw\nmunmap a[2:4]\n"
ELSEWHERE = "b = mmap bar[4:16] uc shared r\nc = fork\nc: munmap b[1:2]\n"


def program(text: str) -> Program:
    """A program on a BAR of 16 pages."""
    return load_text(f"pfnlab program 1\ndevice bar: pci, 16 pages\n\n{text}")


def runs(of: Program, *specs: str) -> list[Run]:
    """The runs of a program on models, named as users name them."""
    return [
        msgspec.structs.replace(ModelMachine(spec).run([of])[0], machine=f"model:{spec}") for spec in specs
    ]


def changed(run: Run, at: int, machine: str, **fields: Any) -> Run:
    """*run* on another machine, which saw something else after one step."""
    step = msgspec.structs.replace(run.steps[at], **fields)
    return msgspec.structs.replace(run, machine=machine, steps=(*run.steps[:at], step, *run.steps[at + 1 :]))


def signature(text: str, at: int, **fields: Any) -> Signature:
    """The signature of a program that one machine sees as the model does, and another but for one step."""
    (run,) = runs(program(text), "7.2")
    found = signature_of(program(text), [run, changed(run, at, "qemu:7.2", **fields)])
    assert found is not None
    return found


@for_each(
    ("machines", "sides"),
    [
        (("model:7.3", "qemu:7.3.4-1"), (("model:7.3",), ("qemu:7.3.4-1",))),
        (("qemu:7.3",), (("model:7.2",), ("qemu:7.3",))),
        (("model:7.2", "model:7.2,mseal=off"), (("model:7.2",), ("qemu:7.2",))),
    ],
)
def test_a_finding_on_other_machines(machines: tuple[str, ...], sides: tuple[tuple[str, ...], ...]) -> None:
    """A kernel for a kernel and a model for a model, unless it has the same name."""
    found = Signature("difference", "book", "munmap", (("model:7.2",), ("qemu:7.2",)), "more")

    assert (sides, "more") == (found.on(machines).sides, found.on(machines).shape)


def test_runs_that_agree_have_none() -> None:
    """Nothing differs, nothing is lost."""
    assert signature_of(program(MIDDLE), runs(program(MIDDLE), "7.1", "7.2")) is None


def test_a_difference_is_the_same_in_another_program() -> None:
    """Other areas, tasks and pages, the same missing log line."""
    one = signature(MIDDLE, 1, log=("x86/PAT: main freeing invalid memtype bar[2:4]",))
    other = signature(ELSEWHERE, 2, log=("x86/PAT: c freeing invalid memtype bar[5:6]",))

    assert (one, one.key) == (other, other.key)
    assert "- / x86/PAT: freeing invalid memtype PAGES" == one.shape


@for_each(
    "fields",
    [
        {"result": "EINVAL"},
        {"log": ("something else",)},
        {"book": ()},
        {"flushes": 7},
        {"events": ()},
        {"prots": ("a[0:1] WB",)},
    ],
)
def test_another_field_or_shape_is_another_difference(fields: dict[str, Any]) -> None:
    """What differs and how are part of it."""
    known = signature(MIDDLE, 1, log=("x86/PAT: main freeing invalid memtype bar[2:4]",))

    assert known != signature(MIDDLE, 1, **fields)


def test_another_operation_is_another_difference() -> None:
    """The same line in another kind of operation."""
    assert signature(MIDDLE, 0, log=("x",)) != signature(MIDDLE, 1, log=("x",))


def test_what_is_left_and_what_warns_are_kinds_of_their_own() -> None:
    """The end of the book, and a line that begins as warnings do."""
    left = signature(MIDDLE, 2, book=(BookEntry("bar", 0, 8, "wc"),))
    alarm = signature(MIDDLE, 1, log=("WARNING at mm/memory.c",))

    assert ("leftover", "end", "alarm") == (left.kind, left.op, alarm.kind)


def test_a_warning_that_only_the_model_predicts_is_no_alarm() -> None:
    """Nobody has printed it: it is missing; so is another line beside a warning that both have."""
    (run,) = runs(program(MIDDLE), "7.2")
    warns = changed(run, 1, "model:7.2", log=("WARNING at mm/memory.c",))
    missing = signature_of(program(MIDDLE), [warns, changed(run, 1, "qemu:7.2")])
    both = signature_of(
        program(MIDDLE), [warns, changed(run, 1, "qemu:7.2", log=("WARNING at mm/memory.c", "x"))]
    )

    assert missing and both
    assert ("difference", "WARNING at mm/memory.c / -") == (missing.kind, missing.shape)
    assert ("difference", "- / x") == (both.kind, both.shape)


def test_a_warning_without_a_model_is_a_finding() -> None:
    """Kernels that agree about it are not right for that; a model that predicts it explains it."""
    (run,) = runs(program(MIDDLE), "7.2")
    warns = {"log": ("BUG: Bad page map in process main",)}
    kernels = [changed(run, 1, name, **warns) for name in ("qemu:7.1", "qemu:7.2")]
    found = signature_of(program(MIDDLE), kernels)

    assert found is not None and found.kind == "alarm"
    assert signature_of(program(MIDDLE), [changed(run, 1, "model:7.2", **warns), kernels[1]]) is None


def test_a_lost_machine_is_a_finding_but_a_missing_tool_is_not() -> None:
    """A guest that dies says something about the kernel, headers that are not there do not."""
    (run,) = runs(program(MIDDLE), "7.2")
    lost = Run(
        "qemu:7.2",
        "",
        steps=run.steps[:1],
        lost="the guest was lost: it did not answer within 30 s",
    )
    lacking = Run("qemu:7.2", "", steps=(), undecided="no headers for 7.2", why=Why.MISSING)
    found = signature_of(program(MIDDLE), [run, lost])

    assert found is not None and ("lost", "munmap") == (found.kind, found.op)
    assert signature_of(program(MIDDLE), [run, lacking]) is None
    assert undecided([run, lacking]) == Reason("no headers for 7.2", Why.MISSING)
    assert undecided([run, lost]) is None


def lost_signature(reason: str, steps: int) -> Signature:
    """The signature of a kernel that is lost after so many steps, where the model is not."""
    (run,) = runs(program(MIDDLE), "7.2")
    found = signature_of(program(MIDDLE), [run, Run("qemu:7.2", "", steps=run.steps[:steps], lost=reason)])
    assert found is not None
    return found


def test_another_crash_is_another_finding() -> None:
    """Its title and the operation it happened in count, its console and its limit do not."""
    oops = (
        "the guest was lost: BUG: kernel NULL pointer dereference in zap_pte_range; it did not answer within "
    )
    known = lost_signature(f"{oops}30 s (console kept in /cache/lost/20260101-101010-77-0.console)", 1)

    assert known == lost_signature(f"{oops}30.5 s (console kept in /other/lost/20260102-3-4.console)", 1)
    assert known != lost_signature(f"{oops.replace('zap', 'copy')}30 s", 1)
    assert known != lost_signature(f"{oops}30 s", 0)


def crashed(run: Run, machine: str, at: int | None, title: str = "BUG: here") -> Run:
    """*run* on a machine whose kernel ended of an oops."""
    alarm = Alarm("oops", title, log=("Call Trace:",), op="munmap a", step=at)
    return msgspec.structs.replace(run, machine=machine, steps=run.steps[:1], lost="lost", alarm=alarm)


def test_an_alarm_is_its_kind_title_and_operation() -> None:
    """The same in programs that crash at another place, or where a step differed before."""
    found = []
    for text, at in ((MIDDLE, 1), (ELSEWHERE, 2)):
        (run,) = runs(program(text), "7.2")
        found.append(signature_of(program(text), [run, crashed(run, "qemu:7.2", at)]))
    differing = changed(crashed(run, "qemu:7.2", 2), 0, "qemu:7.2", flushes=99)

    assert found[0] == found[1] == signature_of(program(ELSEWHERE), [run, differing])
    assert str(found[0]) == "alarm munmap (qemu:7.2): oops: BUG: here"


def test_alarms_with_other_titles_are_two() -> None:
    """They come from two places of the kernel."""
    (run,) = runs(program(MIDDLE), "7.2")
    found = [
        signature_of(program(MIDDLE), [run, crashed(run, "qemu:7.2", 1, title)])
        for title in ("BUG: here", "BUG: there")
    ]

    assert found[0] != found[1]


def test_an_alarm_before_the_first_operation() -> None:
    """There is no kind of operation then."""
    (run,) = runs(program(MIDDLE), "7.2")
    found = signature_of(program(MIDDLE), [run, crashed(run, "qemu:7.2", None)])

    assert found is not None and found.op == "start"


def test_an_alarm_of_two_kernels_is_one_finding() -> None:
    """No machine has to differ."""
    (run,) = runs(program(MIDDLE), "7.2")
    found = signature_of(
        program(MIDDLE), [crashed(run, "qemu:6.1", 1), crashed(run, "qemu:7.2", 1)], agreed=False
    )

    assert found is not None and found.sides == (("qemu:6.1", "qemu:7.2"),)


class TestViolation:
    """A kernel breaks a property, whatever other machines do."""

    PROGRAM = load_text(
        "pfnlab program 1\ntitle t\ndevice bar: pci, 8 pages\na = mmap bar[0:8] wc shared rw\nmunmap a[2:4]\n"
    )

    def runs(self, machine: str) -> list[Run]:
        """Two machines that agree on entries of wrong frames."""
        (run,) = ModelMachine("7.2", LookLevel.MEMORY).run([self.PROGRAM])
        wrong = tuple(
            msgspec.structs.replace(pte, target=Span("bar", 1, 1 + pte.span.pages))
            for pte in run.steps[0].ptes or ()
        )
        steps = (msgspec.structs.replace(run.steps[0], ptes=wrong), *run.steps[1:])
        run = msgspec.structs.replace(run, steps=steps)
        return [run, msgspec.structs.replace(run, machine=machine)]

    def test_a_kernel_that_agrees_with_its_model_is_judged(self) -> None:
        """Name of the property, kind of operation, and the kernel."""
        signature, *_ = signatures_of(self.PROGRAM, self.runs("qemu:7.2"))
        assert (signature.kind, signature.op, signature.shape) == ("violation", "mmap", "entries_inside")
        assert signature.sides == (("qemu:7.2",),)

    def test_where_only_differences_count_it_is_none(self) -> None:
        """The machines agree."""
        assert signatures_of(self.PROGRAM, self.runs("qemu:7.2"), agreed=False) == []

    def test_models_are_not_judged(self) -> None:
        """A model may do as it likes."""
        assert signatures_of(self.PROGRAM, self.runs("model:7.2,tracker=exact")) == []

    def test_what_is_known_is_none(self) -> None:
        """6.1 leaks what was split."""
        (run,) = ModelMachine("6.1", LookLevel.MEMORY).run([self.PROGRAM])
        assert signatures_of(self.PROGRAM, [run, msgspec.structs.replace(run, machine="qemu:6.1")]) == []


@for_each(
    ("kind", "field", "same"),
    [("alarm", "", True), ("violation", "", True), ("alarm", "log", False), ("difference", "book", False)],
)
def test_machines_are_in_the_name_of_what_they_differ_in(kind: str, field: str, same: bool) -> None:
    """What a kernel shows by itself has one name for all kernels."""
    first = Signature(kind, field, "munmap", (("qemu:6.12",),), "flushed")
    second = Signature(kind, field, "munmap", (("qemu:7.3",),), "flushed")

    assert same == (first.key == second.key)
