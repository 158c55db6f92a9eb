"""Reasons for violations: what the model does too, and the bug or rule behind it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from for_each import for_each

from pfnlab.base.result import Outcome
from pfnlab.checker.judging import reasons
from pfnlab.checker.judging.judge import judged, violations
from pfnlab.checker.judging.reasons import LEFT_OUT, known_rules
from pfnlab.checker.judging.run_properties import PROPERTIES
from pfnlab.kernel.bugs.known_bugs import all_bugs
from pfnlab.kernel.policies.patched import patched_kernels
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.programs.lang.load import load_program, load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.golden import golden_path, golden_run, read_golden
from pfnlab.programs.runs.observation import BookEntry, Run
from pfnlab.programs.runs.violation import Violation

ROOT = Path(__file__).parents[3]
HEAD = "pfnlab program 1\ntitle t\ndevice bar: pci, 16 pages\n"
MIDDLE = ("a = mmap bar[0:8] wc shared rw", "munmap a[2:4]", "munmap a")
AREA = f"{HEAD}area z: 16 pages\n"
SYSFS = "a = mmap bar[0:4] wc shared rw"
ANON = "a = mmap anon[0:4] private rw"
WHOLE = "a = mmap bar[0:4] driver remap wc shared rw"


def program(*lines: str, head: str = HEAD) -> Program:
    return load_text(head + "".join(f"{line}\n" for line in lines))


def as_kernel(run: Run) -> Run:
    """A model's run as if a kernel had made it."""
    return msgspec.structs.replace(run, machine="qemu:a-kernel", kernel="")


def broken(machine: str, *lines: str, series: str | None = None, head: str = HEAD) -> list[Violation]:
    """The violations of a model; with *series* as if a kernel of it had made them."""
    asked = program(*lines, head=head)
    run = ModelMachine(machine).run_one(asked)
    return violations(asked, run if series is None else as_kernel(run), series)


def whys(machine: str, *lines: str, series: str | None = None, head: str = HEAD) -> dict[str, str]:
    """The identifier of the reason for each property that is violated."""
    found = broken(machine, *lines, series=series, head=head)
    return {violation.name: (violation.known or "").partition(":")[0] for violation in found}


@pytest.fixture
def without_a06(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The catalogue without the file of A06."""
    remaining = tuple(one for one in all_bugs() if one.number != "A06")
    monkeypatch.setattr(reasons, "all_bugs", lambda: remaining)
    reasons._reasons.cache_clear()
    yield
    reasons._reasons.cache_clear()


@for_each(("series", "explained"), [("6.1", "A06"), ("6.12", "A06"), ("6.16", ""), ("7.2", "")])
def test_a_bug_explains_until_it_is_fixed(series: str, explained: str) -> None:
    """The same run is known on the series that have its bug, and on no later one."""
    assert {"freed_once": explained, "no_leak": explained} == whys("6.1", *MIDDLE, series=series)


@pytest.mark.usefixtures("without_a06")
def test_violations_of_a_bug_that_is_not_on_file_are_discoveries() -> None:
    """They are not silent: the model predicts them, and nothing says why."""
    found = broken("6.1", *MIDDLE, series="6.1")

    assert {("freed_once", 1), ("freed_once", 2), ("no_leak", 2)} == {one.place for one in found}
    assert all(one.unknown and one.predicted for one in found)


def test_what_only_the_kernel_does_is_a_discovery() -> None:
    """A kernel that leaks where its model does not is not explained by its bugs."""
    asked = program(*MIDDLE[:1], "munmap a")
    run = ModelMachine("6.1").run_one(asked)
    left = msgspec.structs.replace(run.steps[1], book=(BookEntry("bar", 0, 8, "wc"),))
    (found,) = violations(asked, as_kernel(msgspec.structs.replace(run, steps=(run.steps[0], left))), "6.1")

    assert ("no_leak", True, False) == (found.name, found.unknown, found.predicted)


def test_a_prediction_is_of_the_same_step() -> None:
    """A leak that begins elsewhere than the model's is a discovery."""
    asked = program(*MIDDLE, "look")
    run = ModelMachine("6.1").run_one(asked)
    freed = msgspec.structs.replace(run.steps[1], book=())
    early = msgspec.structs.replace(run, steps=(run.steps[0], freed, *run.steps[2:]))

    found = violations(asked, as_kernel(early), "6.1")

    assert [("no_loss", 1)] == [one.place for one in found if one.unknown]


def test_a_program_without_a_rule_has_reasons_that_the_model_cannot_check(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The model does not get to the step, so it cannot say that the kernel alone does it."""
    asked = program(*MIDDLE)
    run = as_kernel(ModelMachine("6.1").run_one(asked))
    monkeypatch.setattr(reasons, "_broken_by_model", lambda *given: ())

    found = {one.name: (one.known or "").partition(":")[0] for one in violations(asked, run, "6.1")}
    later = violations(asked, run, "7.2")

    assert found.keys() == {"freed_once", "no_leak"} and all(found.values())
    assert all(one.unknown for one in later if one.name == "freed_once")


def test_a_kernel_without_a_model_has_no_reasons() -> None:
    """Nothing is excused by a bug, and nothing is predicted."""
    asked = program(*MIDDLE)
    found = violations(asked, as_kernel(ModelMachine("6.1").run_one(asked)))

    assert {(True, False)} == {(one.unknown, one.predicted) for one in found}


def test_a_patched_kernel_is_predicted_with_its_policy() -> None:
    """A kernel of 6.1 that was patched to have another tracker has the flaw of that."""
    (name,) = (name for name, one in patched_kernels().items() if name == "tracker-unmap_only-6.1")
    asked = program(WHOLE, "zap_vma_ptes a[0]", "munmap a")
    run = ModelMachine("6.1,tracker=unmap_only").run_one(asked)

    for machine, reason in ((f"qemu:{name}", "A09"), ("qemu:6.1", "")):
        found = violations(asked, msgspec.structs.replace(run, machine=machine), "6.1")
        assert {reason} == {(one.known or "").partition(":")[0] for one in found}


def test_what_a_program_skips_explains_what_follows() -> None:
    """A skipped flush explains whatever is violated from its step on."""
    found = broken("6.1", *MIDDLE[:1], "skip flush_tlb_mm_range: munmap a[2:4]", "munmap a")

    assert {LEFT_OUT} == {violation.known for violation in found}


LOW = "pfnlab program 1\ntitle t\ndevice bar: lowmem, 8 pages\n"
MODES = dict.fromkeys(("no_loss", "direct_map", "booked_mode", "one_mode"), "A08") | {
    "direct_map_back": "S2.8"
}
HOLE = "pfnlab program 1\ntitle t\ndevice hole: isa, 9 pages\n"
LIMIT = "pfnlab program 1\ntitle t\ndevice bar: limit, 8 pages\n"
LEAF = "pfnlab program 1\nthp always\ndevice bar: pci, 1025 pages\n"
AGAIN = ("memory_disable bar", "memory_enable bar", "read a[0]", "munmap a")
FAULT_REMAPS = ("a = mmap bar[0:4] driver fault_remap wc shared rw", "read a[1]")
REVOKED = (WHOLE, "unmap_mapping_range bar[0:4]")
COPIED = ("a = mmap bar[0:4] wc private rw", "write a[0] 1", "munmap a")
BARE = (
    "a = mmap bar[0:4] driver bare wc shared rw",
    "mremap a 4 pages maymove fixed over z[0:4]",
    "unmap_mapping_range bar[0:2]",
)


@for_each(
    ("machine", "lines", "head", "explained"),
    [
        ("6.1,without=04c35ab3bdae", COPIED, HEAD, {"no_leak": "A01"}),
        ("6.1", COPIED, HEAD, {}),
        ("6.12", (*COPIED[:2], "c = fork"), HEAD, {"fork_works": "A02"}),
        (
            "6.1,without=dc84bc2aba85",
            (COPIED[0], "fail __pte_alloc 1 in copy_page_range: c = fork", "munmap a"),
            HEAD,
            {"fork_whole": "A04", "no_leak": "A04"},
        ),
        ("6.1", (WHOLE, "zap_vma_ptes a[0]"), HEAD, {"no_loss": "A08"}),
        (
            "6.12",
            (
                "a = mmap bar[0:8] devmem-sync shared rw",
                "zap_vma_ptes a[0]",
                "b = mmap bar[0:8] devmem shared rw",
            ),
            LOW,
            {"no_loss": "A08", "direct_map": "A08", "booked_mode": "A08", "one_mode": "A08"}
            | {"direct_map_back": "S2.8"},
        ),
        (
            "6.1,tracker=unmap_only",
            (WHOLE, "zap_vma_ptes a[0]", "munmap a"),
            HEAD,
            {"no_leak": "A09", "no_warning": "A09"},
        ),
        ("6.9", REVOKED, HEAD, {}),
        ("6.11", REVOKED, HEAD, {"no_warning": "A10"}),
        ("6.12", REVOKED, HEAD, {}),
        (
            "6.1,without=4bb9c5c02153",
            ("a = mmap bar[0:4] driver fault wc shared rw", "b = mmap bar[0:4] wc shared rw", "munmap a"),
            HEAD,
            {"no_loss": "A14", "freed_once": "A14"},
        ),
        (
            "7.2",
            (SYSFS, "request_mem_region bar[0:16]"),
            HEAD,
            {"claimed_free": "D02"},
        ),
        ("6.12.9", ("a = mmap bar[1:1025] vfio shared rw", "read a[0]"), LEAF, {"entries_inside": "E03"}),
        ("6.12.10", ("a = mmap bar[1:1025] vfio shared rw", "read a[0]"), LEAF, {}),
        (
            "6.1,without=abafbc551fdd",
            ("a = mmap bar[0:4] vfio shared rw", "read a[0]", "memory_disable bar"),
            HEAD,
            {"memory_off": "E12"},
        ),
        (
            "6.1,without=bfd40eaff5ab",
            BARE,
            f"{HEAD}area z: 16 pages\n",
            {"no_leak": "F24", "told_free": "F24"},
        ),
        ("6.8", FAULT_REMAPS, HEAD, {}),
        ("6.12", FAULT_REMAPS, HEAD, {"no_warning": "G08"}),
        (
            "6.12",
            ("a = mmap hole[0:9] devmem-sync shared rw", "mprotect a[7] r", "t1 = fork"),
            HOLE,
            {"direct_map_back": "S2.8", "fork_works": "C09", "no_leak": "A06", "freed_once": "A06"},
        ),
        ("7.2", ("a = mmap bar[4:8] driver remap wc shared rw", "munmap a"), LIMIT, {"no_leak": "S2.4.1"}),
        (
            "7.2",
            ("a = mmap bar[0:8] driver apply wc shared rw", "b = mmap bar[0:8] uc shared rw"),
            f"{HEAD}device hole: isa, 16 pages\n",
            {"booked_mode": "S3.2.2", "one_mode": "S3.2.2"},
        ),
        (
            "7.2",
            ("request_mem_region bar[1:16]", SYSFS),
            HEAD,
            {"claimed_free": "S9.2.6", "claimed_unmapped": "S9.2.6"},
        ),
        ("7.2", ("a = mmap bar[0:4] proc-wc shared rw", "remove bar"), HEAD, {"removed_unmapped": "S9.3"}),
        (
            "7.2",
            ("arch_io_reserve_memtype_wc bar[8:16]", "arch_io_free_memtype_wc bar[12:16]"),
            HEAD,
            {"freed_once": "S2.4"},
        ),
        (
            "7.2",
            ("a = mmap bar[0:8] wc shared rw", "arch_io_free_memtype_wc bar[0:8]", "munmap a"),
            HEAD,
            {"no_loss": "S4.10", "freed_once": "S4.10"},
        ),
    ],
)
def test_a_reason_is_the_bug_or_rule_without_which_nothing_is_violated(
    machine: str, lines: tuple[str, ...], head: str, explained: dict[str, str]
) -> None:
    """Each by its commit, its tracker or the pattern in its entry."""
    assert explained == whys(machine, *lines, head=head)


@for_each("tracker", ["unmap_only", "base_pfn", "driver_hook", "vm_pgoff"])
def test_a_flaw_of_a_design_is_named(tracker: str) -> None:
    """A20: these trackers keep the reservation across a zap, and vfio-pci of 6.1 remaps in each fault."""
    told = whys(f"6.1,tracker={tracker}", "a = mmap bar[0:4] vfio shared rw", "write a[0] 1", *AGAIN)

    assert "A20" == told["no_leak"]


@for_each(
    ("lines", "series", "explained"),
    [
        (("a = mmap bar[0:4] driver insert_page shared rw", "mremap a 5 pages"), "6.1", "S5.8.4a"),
        (("a = mmap anon[0:2] private rw", "mremap a 1 page maymove fixed over z[0]"), "7.2", "S5.8.13"),
        (
            ("a = mmap anon[0:4] private rw", "fail vm_area_dup 2: b = mremap a[1] 1 page maymove fixed"),
            "7.3",
            "S5.8.15",
        ),
        (
            (
                "a = mmap anon[0:4] private rw populate",
                "fail __pte_alloc 1: b = mremap a 8 pages maymove fixed",
            ),
            "6.1",
            "S5.8.15",
        ),
        (("a = mmap anon[0] private rw", "b = mremap a 1 page maymove fixed dontunmap"), "6.16", "S5.8.9"),
        ((ANON, "mmap bar[14:18] uc private rw over a"), "7.2", "S4.7.5"),
    ],
)
def test_memory_that_stays_committed_is_known_by_its_switch(
    lines: tuple[str, ...], series: str, explained: str
) -> None:
    """Each rule holds on the kernels that have its switch."""
    assert {"committed_left": explained} == whys(
        series, *lines, series=series, head=f"{HEAD}area z: 4 pages\n"
    )


def test_a_locked_page_counted_twice_is_known() -> None:
    """The model counts locked_vm as kernels from 6.16 to 7.1 do (S5.8.9)."""
    lines = ("a = mmap anon[0:2] private rw", "mlock a", "b = mremap a 2 pages maymove fixed dontunmap")

    assert "S5.8.9" == whys("6.17", *lines, series="6.17")["mm_counts"]


def test_a_reason_is_one_sentence_of_its_entry() -> None:
    """The first of `what`, without a capital letter and a full stop."""
    (known,) = {one.known or "" for one in broken("6.1", *MIDDLE) if one.name == "no_leak"}

    assert known.startswith("A06: if part of a tracked mapping is unmapped")
    assert known.endswith("reservations leak")


def test_every_rule_of_the_table_is_about_judged_properties() -> None:
    """And has a sentence, or that of its switch."""
    for one in known_rules():
        assert one.says or one.switch
        assert set(one.breaks) <= PROPERTIES.keys()


def test_every_design_of_a_bug_exists() -> None:
    """Trackers by their names, and each pattern can match."""
    for one in all_bugs():
        assert {*one.designs.keys(), *one.designs.values()} <= TRACKERS.keys()
        assert re.compile(one.where)


def test_no_bug_is_named_where_runs_are_judged() -> None:
    """What bugs violate, and when, stands in their own files alone."""
    folder = Path(reasons.__file__).parent
    named = re.compile(r"\b[A-GNP][0-9]{2}: |[\"'][A-GNP][0-9]{2}[\"']")
    files = [path for path in folder.rglob("*") if path.suffix in (".py", ".toml")]

    assert [] == [path.name for path in files if named.search(path.read_text(encoding="utf-8"))]


GOLDENS = sorted((ROOT / "litmus").rglob("*.expected.json"))


def recorded(series: str) -> Iterator[Violation]:
    """The violations of all recorded runs of the kernels of one series."""
    for path in sorted((ROOT / "litmus").rglob("*.pfn")):
        golden = read_golden(golden_path(path))
        for version in golden.kernels if golden is not None else ():
            if version.startswith(f"{series}.") and golden is not None:
                run = golden_run(golden, version)
                assert run is not None
                for one in violations(load_program(path), run, version):
                    yield msgspec.structs.replace(one, machine=path.stem)


@pytest.mark.target("long")
@for_each("series", ["6.1", "6.12", "6.18", "7.2", "7.3"])
def test_every_violation_of_a_recorded_run_has_a_reason(series: str) -> None:
    """The model of the kernel does all of them too; two programs wait for a report that is not public yet."""
    found = list(recorded(series))

    assert {True} == {one.predicted for one in found}
    unexplained = {(one.machine, one.name) for one in found if not one.known}
    assert unexplained <= {("slot-moved", "removed_unmapped"), ("slot-moved-back", "removed_unmapped")}


def test_a_predicted_violation_without_a_reason_ends_in_a_discovery() -> None:
    """slot-moved on a kernel: exit code 1, as any discovery."""
    path = ROOT / "litmus" / "slots" / "slot-moved.pfn"
    asked, golden = load_program(path), read_golden(golden_path(path))
    assert golden is not None
    version = max(golden.kernels)
    run = golden_run(golden, version)
    assert run is not None
    run = msgspec.structs.replace(run, machine=f"qemu:{version}")

    verdict = judged(asked, [run], {run.machine: version})

    (found,) = [one for one in verdict.violations if one.unknown]
    assert found.predicted
    assert verdict.outcome is Outcome.DISCOVERY
