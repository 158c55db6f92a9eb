"""Goldens: what is promoted, what is kept, and what differs from them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from middle_runs import careful, cut, forgetful

from pfnlab.base.errors import Discovery, LostGuest, Misuse
from pfnlab.programs.lang.load import load_program, program_hash
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.golden import (
    Golden,
    golden_differences,
    golden_look,
    golden_path,
    golden_run,
    golden_text,
    promoted,
    read_golden,
    write_golden,
)
from pfnlab.programs.runs.look import LookLevel

TEXT = """pfnlab program 1
title  Unmapping the middle first
asks   What stays reserved?
device bar: pci, 16 pages

a = mmap bar[0:16] wc shared rw
munmap a[4:8]
munmap a
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A program file of its own."""
    path = tmp_path / "munmap-middle.pfn"
    path.write_text(TEXT)
    return path


def both(old: Golden | None = None, hash_now: str = "h1") -> Golden:
    """A golden of 6.1, 6.12 (alike) and 7.2."""
    runs = {
        "6.12": forgetful(kernel="image 6.12"),
        "7.2": careful(kernel="image 7.2"),
        "6.1": forgetful(kernel="image 6.1"),
    }
    return promoted(old, hash_now, "pfnlab run x --promote", runs)


def test_equal_observations_are_grouped() -> None:
    """Series that saw the same share an observation, oldest first."""
    assert [seen.versions for seen in both().observations] == [("6.1", "6.12"), ("7.2",)]


def test_kernels_are_named_in_order() -> None:
    """Every series says which package it was, versions ordered as numbers."""
    assert list(both().kernels.items()) == [
        ("6.1", "image 6.1"),
        ("6.12", "image 6.12"),
        ("7.2", "image 7.2"),
    ]


def test_series_that_did_not_run_keep_their_entries() -> None:
    """Promoting one series leaves the others as they were."""
    golden = promoted(both(), "h1", "again", {"6.12": careful(kernel="newer 6.12")})

    assert [seen.versions for seen in golden.observations] == [("6.1",), ("6.12", "7.2")]
    assert golden.kernels == {"6.1": "image 6.1", "6.12": "newer 6.12", "7.2": "image 7.2"}


def test_an_older_version_that_says_the_same_is_dropped() -> None:
    """A newer kernel of the series stands for it."""
    old = promoted(both(), "h1", "x", {"7.3-rc7": careful(kernel="candidate")})

    golden = promoted(old, "h1", "x", {"7.3.4": careful(kernel="release")})

    assert ["6.1", "6.12", "7.2", "7.3.4"] == list(golden.kernels)
    assert [("6.1", "6.12"), ("7.2", "7.3.4")] == [seen.versions for seen in golden.observations]


def test_an_older_version_that_looked_at_less_is_dropped_too() -> None:
    """The newer one stands for it, with all that was seen there."""
    run = careful(kernel="candidate")
    steps = tuple(msgspec.structs.replace(step, levels=None, direct_map=None) for step in run.steps)
    less = promoted(None, "h1", "x", {"7.3-rc7": msgspec.structs.replace(run, steps=steps)})
    more = tuple(msgspec.structs.replace(step, levels=(), direct_map=()) for step in run.steps)

    golden = promoted(less, "h1", "x", {"7.3.4": msgspec.structs.replace(run, steps=more, kernel="release")})

    assert {"7.3.4": "release"} == golden.kernels
    assert [((), ())] * len(more) == [(step.levels, step.direct_map) for step in golden.observations[0].steps]


def test_what_a_guest_had_printed_before_makes_no_other_observation() -> None:
    """Where every step says the same, no message is missing."""
    old = promoted(None, "h1", "x", {"7.3-rc7": careful()})
    spent = msgspec.structs.replace(careful(), once=("WARNING at kernel/iomem.c",))

    golden = promoted(old, "h1", "x", {"7.3.4": spent})

    assert ["7.3.4"] == list(golden.kernels)
    assert () == golden.observations[0].once


def test_what_nobody_looked_at_is_not_written() -> None:
    """The file of an earlier time is written again as it was."""
    run = careful()
    steps = tuple(msgspec.structs.replace(step, levels=None, direct_map=None) for step in run.steps)

    text = golden_text(promoted(None, "h1", "x", {"7.2": msgspec.structs.replace(run, steps=steps)}))

    assert "levels" not in text
    assert "direct_map" not in text


def test_an_older_version_that_says_something_else_is_kept() -> None:
    """A change within a series is seen in both of its kernels."""
    old = promoted(both(), "h1", "x", {"7.3-rc7": forgetful(kernel="candidate")})

    golden = promoted(old, "h1", "x", {"7.3.4": careful(kernel="release")})

    assert ["6.1", "6.12", "7.2", "7.3-rc7", "7.3.4"] == list(golden.kernels)


def test_a_newer_version_is_kept_when_an_older_one_runs() -> None:
    """The newest of a series is never dropped."""
    old = promoted(both(), "h1", "x", {"7.3.4": careful(kernel="release")})

    golden = promoted(old, "h1", "x", {"7.3-rc7": careful(kernel="candidate")})

    assert ["6.1", "6.12", "7.2", "7.3-rc7", "7.3.4"] == list(golden.kernels)


def test_entries_of_another_program_are_dropped() -> None:
    """When the program changed, what kernels did with the old one is gone."""
    golden = promoted(both(), "h2", "again", {"6.1": forgetful()})

    assert [seen.versions for seen in golden.observations] == [("6.1",)]
    assert list(golden.kernels) == ["6.1"]


def test_a_lost_run_is_not_promoted() -> None:
    """A golden holds whole runs only."""
    with pytest.raises(LostGuest, match=r"6\.1 is not promoted"):
        promoted(None, "h1", "x", {"6.1": cut(forgetful("qemu:6.1"), 2)})


def test_a_run_with_an_alarm_is_not_promoted() -> None:
    """What a kernel does that has found itself wrong is no rule."""
    alarmed = msgspec.structs.replace(forgetful("qemu:6.1"), alarm=Alarm("bad page map", "BUG: Bad page map"))

    with pytest.raises(Discovery, match=r"qemu:6\.1 raised an alarm and 6\.1 is not promoted"):
        promoted(None, "h1", "x", {"6.1": alarmed})


def test_a_golden_reads_back_as_itself(tmp_path: Path) -> None:
    """Writing and reading lose nothing."""
    path = tmp_path / "x.expected.json"

    write_golden(path, both())

    assert both() == read_golden(path)


def test_promoting_twice_changes_nothing() -> None:
    """The text depends on what was seen alone, not on what was there."""
    assert golden_text(both()) == golden_text(both(both()))


def test_each_step_is_a_line() -> None:
    """A changed kernel shows as changed lines."""
    text = golden_text(both())

    assert sum(line.startswith('    {"op": ') for line in text.splitlines()) == 8


def test_spent_messages_are_kept() -> None:
    """Messages the kernel had already spent go with the observation, and only then."""
    run = msgspec.structs.replace(careful(), once=("WARNING at kernel/fork.c",))

    golden = promoted(None, "h1", "x", {"7.2": run})

    assert run.once == msgspec.json.decode(golden_text(golden), type=Golden).observations[0].once
    assert '"once"' not in golden_text(both())


def looked(golden: Golden | None, look: LookLevel, version: str = "7.2") -> Golden:
    """*golden* with a run of one version that was looked at like that."""
    return promoted(golden, "h1", "x", {version: msgspec.structs.replace(careful(), look=look)})


def test_a_golden_says_how_kernels_were_looked_at(tmp_path: Path) -> None:
    """It is read back."""
    path = tmp_path / "x.expected.json"

    write_golden(path, looked(None, LookLevel.MEMORY))

    assert LookLevel.MEMORY is golden_look(tmp_path / "x.pfn")
    assert '"look": "memory"' in path.read_text()


def test_a_golden_that_does_not_say_is_of_proc(tmp_path: Path) -> None:
    """As all were before."""
    path = tmp_path / "x.expected.json"

    write_golden(path, looked(None, LookLevel.PROC))

    assert "look" not in path.read_text()
    assert LookLevel.PROC is golden_look(tmp_path / "x.pfn")


def test_without_a_golden_there_is_no_way_of_looking(tmp_path: Path) -> None:
    """Whoever makes the first one chooses."""
    assert golden_look(tmp_path / "x.pfn") is None


def test_entries_looked_at_in_another_way_are_dropped() -> None:
    """All kernels of a golden were looked at alike."""
    golden = looked(both(), LookLevel.MEMORY, "6.12")

    assert ["6.12"] == list(golden.kernels)


def test_entries_looked_at_alike_are_kept() -> None:
    """Another kernel comes to them."""
    golden = looked(looked(None, LookLevel.MEMORY), LookLevel.MEMORY, "7.3")

    assert ["7.2", "7.3"] == list(golden.kernels)


def test_a_run_looked_at_in_another_way_is_refused(program: Path) -> None:
    """What it shows may differ for that reason alone."""
    write_golden(golden_path(program), both(hash_now=program_hash(load_program(program))))
    run = msgspec.structs.replace(forgetful(), look=LookLevel.MEMORY)

    with pytest.raises(Misuse, match=r"was made with --look proc, and model:6\.1 was not"):
        golden_differences(program, run, "6.12")


def test_the_golden_run_says_how_it_was_looked_at() -> None:
    """As its golden."""
    run = golden_run(looked(None, LookLevel.MEMORY), "7.2")

    assert run is not None and run.look is LookLevel.MEMORY


def test_the_golden_lies_beside_the_program() -> None:
    """NAME.pfn has NAME.expected.json."""
    assert Path("litmus/a.b.expected.json") == golden_path(Path("litmus/a.b.pfn"))


def test_a_golden_that_is_missing_is_none(tmp_path: Path) -> None:
    """A first promotion starts from nothing."""
    assert read_golden(tmp_path / "none.expected.json") is None


@pytest.mark.parametrize(
    "content",
    [
        *("", "[]", '{"program": "x"}', "\x00", '{"program": 1, "x": 2}'),
        *('{"a\\nb": 1}', '{"program": %s' % ("[" * 100_000)),
    ],
)
def test_a_file_that_is_no_golden_is_misuse(tmp_path: Path, content: str) -> None:
    """Garbage is named, with the remedy, in one line whatever its keys are."""
    path = tmp_path / "x.expected.json"
    path.write_text(content)

    with pytest.raises(Misuse, match="promote again") as refused:
        read_golden(path)

    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("version", ["", "x", "7", "7.2\n", "7.2-rc", "9" * 5000 + ".1"])
def test_a_golden_is_of_versions(tmp_path: Path, version: str) -> None:
    """They are put into order, and compared by their series."""
    content = msgspec.to_builtins(both())
    content["observations"][0]["versions"] = [version]
    path = tmp_path / "x.expected.json"
    path.write_bytes(msgspec.json.encode(content))

    with pytest.raises(Misuse, match="promote again"):
        read_golden(path)


def test_a_golden_has_an_observation_of_each_kernel(tmp_path: Path) -> None:
    """And none of another."""
    content = msgspec.to_builtins(both())
    content["kernels"]["9.9"] = "linux"
    path = tmp_path / "x.expected.json"
    path.write_bytes(msgspec.json.encode(content))

    with pytest.raises(Misuse, match=r"9.9 is not both among the kernels and in an observation"):
        read_golden(path)


def test_a_run_that_does_as_before_has_no_differences(program: Path) -> None:
    """A run is compared with the golden of its own series."""
    write_golden(golden_path(program), both(hash_now=program_hash(load_program(program))))

    assert golden_differences(program, forgetful(), "6.12") == []


def test_a_run_that_does_otherwise_differs(program: Path) -> None:
    """A difference names the golden as one of the machines."""
    write_golden(golden_path(program), both(hash_now=program_hash(load_program(program))))

    found = golden_differences(program, careful(), "6.12")

    assert [(one.step, one.field) for one in found] == [(1, "log"), (2, "log"), (2, "book"), (3, "book")]
    assert tuple(seen.machine for seen in found[0].values) == ("golden", "model:7.2")


def test_a_missing_golden_says_how_to_make_it(program: Path) -> None:
    """Nothing promoted is an error, never a pass."""
    with pytest.raises(Misuse, match=r"is missing: run `pfnlab run .* --on qemu:6\.1 --promote`"):
        golden_differences(program, forgetful(), "6.1")


def test_a_golden_of_another_program_is_refused(program: Path) -> None:
    """A program that changed needs its golden promoted again."""
    write_golden(golden_path(program), both(hash_now="other"))

    with pytest.raises(Misuse, match="another version"):
        golden_differences(program, forgetful(), "6.1")


def test_a_series_the_golden_lacks_is_refused(program: Path) -> None:
    """Each series needs its own promotion."""
    write_golden(golden_path(program), both(hash_now=program_hash(load_program(program))))

    with pytest.raises(Misuse, match=r"says nothing about 7\.3"):
        golden_differences(program, careful(), "7.3")


def test_the_golden_run_carries_its_kernel() -> None:
    """A golden reads as a run of a machine called golden."""
    run = golden_run(both(), "7.2")

    assert run is not None
    assert ("golden", "image 7.2", careful().steps) == (run.machine, run.kernel, run.steps)
