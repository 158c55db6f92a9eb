"""S5.8: mremap in both eras."""

from __future__ import annotations

import pytest
from for_each import for_each
from series_runs import PRIVATE, SHARED, entries, every_series, spans
from series_runs import run_to_end as run

from pfnlab.base.errors import Undecided
from pfnlab.kernel.policies.profiles import SERIES
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Step

OLD = SERIES[:3]
NEW = SERIES[3:]


@every_series
@for_each(
    ("sharing", "call", "result"),
    [
        ("shared", "mremap a 9 pages", "EFAULT"),
        ("shared", "mremap a 9 pages maymove", "EFAULT"),
        ("private", "mremap a 9 pages maymove", "EFAULT"),
        ("shared", "b = mremap a 9 pages maymove fixed", "EFAULT"),
        ("shared", "mremap a[0:0] 8 pages maymove", "EFAULT"),
        ("private", "mremap a[0:0] 8 pages maymove", "EINVAL"),
        ("shared", "mremap a 8 pages maymove dontunmap", "EINVAL"),
        ("shared", "mremap a 7 pages maymove dontunmap", "EINVAL"),
        ("shared", "b = mremap a 8 pages maymove fixed dontunmap", "EINVAL"),
        ("shared", "mremap a 8 pages dontunmap", "EINVAL"),
        ("shared", "b = mremap a 8 pages fixed", "EINVAL"),
        ("shared", "mremap a 0 pages", "EINVAL"),
        ("shared", "mremap a 8 pages maymove fixed over a[0:8]", "EINVAL"),
        ("shared", "mremap a[0:4] 4 pages maymove fixed over a[3:7]", "EINVAL"),
        ("shared", "mremap a[4:8] 4 pages maymove fixed over a[1:5]", "EINVAL"),
    ],
)
def test_refused(series: str, sharing: str, call: str, result: str) -> None:
    """What mremap refuses on a PFN mapping is the same in all eras, and changes nothing."""
    mapped, refused, _ = run(series, f"a = mmap bar[0:8] wc {sharing} rw", call)

    assert result == refused.result
    assert (mapped.vmas, without(mapped, "b"), mapped.book) == (
        refused.vmas,
        without(refused, "b"),
        refused.book,
    )


def without(step: Step, area: str) -> tuple[object, ...]:
    """The entries after a step outside *area*."""
    return tuple(seen for seen in step.ptes or () if seen.span.name != area)


@every_series
def test_same_size_in_place(series: str) -> None:
    """Nothing to do is a success at the same address."""
    mapped, same, _ = run(series, SHARED, "mremap a 8 pages maymove")

    assert ("ok", "same", mapped.vmas) == (same.result, same.value, same.vmas)


@every_series
def test_same_size_does_not_look_at_the_extent(series: str) -> None:
    """Without a destination an unchanged size is no error even past the mapping's end (measured)."""
    *_, same, _ = run(series, SHARED, "munmap a[4:8]", "mremap a 8 pages")

    assert ("ok", "same") == (same.result, same.value)


@every_series
def test_shrink(series: str) -> None:
    """Shrinking unmaps the tail."""
    _, shrunk, _ = run(series, SHARED, "mremap a 5 pages")

    assert ("ok", "same", ["a[0:5]"]) == (shrunk.result, shrunk.value, spans(shrunk))


@every_series
def test_shrink_over_a_hole(series: str) -> None:
    """Shrinking may span VMAs and holes (measured)."""
    *_, shrunk, _ = run(series, SHARED, "munmap a[3:4]", "mremap a 2 pages")

    assert ("ok", ["a[0:2]"]) == (shrunk.result, spans(shrunk))


@every_series
@for_each("sharing", ["shared", "private"])
def test_move_a_part(series: str, sharing: str) -> None:
    """A moved part keeps its frames: the offset of the new VMA starts as far into the file."""
    *_, moved, _ = run(
        series, f"a = mmap bar[0:8] wc {sharing} rw", "b = mremap a[2:4] 2 pages maymove fixed"
    )

    assert ("ok", "moved") == (moved.result, moved.value)
    assert ["a[0:2]", "a[4:8]", "b[0:2]"] == spans(moved)
    assert [("b[0:2]", "bar[2:4]")] == [
        (str(seen.span), str(seen.target)) for seen in moved.ptes or () if seen.span.name == "b"
    ]
    assert ["bar[0:2]", "bar[4:8]", "bar[2:4]"] == [str(vma.offset) for vma in moved.vmas or ()]


@every_series
def test_move_keeps_bits(series: str) -> None:
    """Mode, special bit and permissions go along (S5.8)."""
    *_, moved, _ = run(series, SHARED, "b = mremap a 8 pages maymove fixed")

    assert [("b[0:8]", "L1 WC P RW US SPECIAL A")] == entries(moved)


@every_series
def test_move_takes_a_copied_page_along(series: str) -> None:
    """A page that was copied on write is found at the new place."""
    *_, value, _ = run(series, PRIVATE, "write a[3] 7", "b = mremap a 8 pages maymove fixed", "read b[3]")

    assert ("ok", 7) == (value.result, value.value)


@every_series
def test_move_and_shrink(series: str) -> None:
    """Moving to fewer pages drops the tail."""
    *_, moved, _ = run(series, SHARED, "b = mremap a 3 pages maymove fixed")

    assert ("ok", ["b[0:3]"]) == (moved.result, spans(moved))


@every_series
def test_a_destination_is_replaced(series: str) -> None:
    """What is mapped at a fixed destination goes."""
    *_, moved, _ = run(
        series, SHARED, "b = mmap bar[8:12] wc shared rw", "mremap a[0:2] 2 pages maymove fixed over b[0:2]"
    )

    assert ["a[2:8]", "b[0:2]", "b[2:4]"] == spans(moved)


@every_series
@for_each(
    ("mapping", "left"),
    [
        ("bar[0:3] wc shared rw", {"6.1": "a[1:3]", "6.12": "a[1:3]", "6.16": "a[1:3]"}),
        ("anon[0:3] shared rw", {}),
    ],
)
def test_a_copy_over_its_source(series: str, mapping: str, left: dict[str, str]) -> None:
    """The destination is unmapped first where the source may grow, and then the source is not there."""
    *_, failed, _ = run(series, f"a = mmap {mapping}", "mremap a[0:0] 1 page maymove fixed over a[0]")

    whole = "a[0:3]" if mapping.startswith("bar") else "a[1:3]"
    assert ("EFAULT", [left.get(series, whole)]) == (failed.result, spans(failed))


@every_series
def test_no_mapping_there(series: str) -> None:
    """Where nothing is mapped the answer is EFAULT."""
    *_, refused, _ = run(series, SHARED, "munmap a", "mremap a 4 pages")

    assert "EFAULT" == refused.result


@for_each(
    ("series", "kept"),
    [(series, []) for series in OLD] + [(series, ["b[0:9]"]) for series in NEW],
)
def test_a_failing_expand_and_its_destination(series: str, kept: list[str]) -> None:
    """Up to 6.16 the destination is already gone when the growing is refused (measured)."""
    *_, refused, _ = run(
        series, SHARED, "b = mmap bar[0:9] wc shared rw", "mremap a 9 pages maymove fixed over b[0:9]"
    )

    assert ("EFAULT", ["a[0:8]", *kept]) == (refused.result, spans(refused))


@for_each("series", OLD)
def test_past_the_end_of_the_vma(series: str) -> None:
    """Up to 6.16 a move across VMAs is EFAULT, after the destination was unmapped (measured)."""
    *_, refused, _ = run(
        series,
        *(SHARED, "mprotect a[0:4] r", "b = mmap bar[8:16] wc shared rw"),
        "mremap a 8 pages maymove fixed over b[0:8]",
    )

    assert ("EFAULT", ["a[0:4]", "a[4:8]"]) == (refused.result, spans(refused))


@for_each("series", NEW)
def test_many_vmas_move(series: str) -> None:
    """From 6.17 every VMA in the range moves, and holes keep their width (measured)."""
    *_, moved, _ = run(series, SHARED, "munmap a[3:5]", "b = mremap a 8 pages maymove fixed")

    assert ("ok", ["b[0:3]", "b[5:8]"]) == (moved.result, spans(moved))


@for_each("series", NEW)
def test_one_vma_moves_where_many_cannot(series: str) -> None:
    """Without the switch a range is refused that one VMA does not fill, and nothing has moved."""
    spec = f"{series},mremap_many_vmas=off"
    *_, moved, _ = run(spec, SHARED, "b = mremap a 8 pages maymove fixed")
    *_, refused, _ = run(spec, SHARED, "munmap a[3:5]", "b = mremap a 8 pages maymove fixed")

    assert ("ok", ["b[0:8]"]) == (moved.result, spans(moved))
    assert ("EFAULT", ["a[0:3]", "a[5:8]"]) == (refused.result, spans(refused))


@for_each("series", NEW)
def test_what_lies_behind_a_hole_stays(series: str) -> None:
    """What is mapped at the destination of a hole stays (measured)."""
    *_, moved, _ = run(
        series,
        *(SHARED, "munmap a[3:5]", "b = mmap bar[8:16] wc shared rw"),
        "mremap a 8 pages maymove fixed over b[0:8]",
    )

    assert ["b[0:3]", "b[3:5]", "b[5:8]"] == spans(moved)
    assert ["bar[0:3]", "bar[11:13]", "bar[5:8]"] == [str(vma.offset) for vma in moved.vmas or ()]


@for_each("series", NEW)
def test_many_vmas_start_in_a_hole(series: str) -> None:
    """A range that starts in a hole is EFAULT (measured)."""
    *_, refused, _ = run(series, SHARED, "munmap a[0:2]", "b = mremap a 8 pages maymove fixed")

    assert ("EFAULT", ["a[2:8]"]) == (refused.result, spans(refused))


@for_each("series", NEW)
def test_proc_mappings_move_alone(series: str) -> None:
    """A file with a placement hook refuses to be part of a larger move (measured)."""
    *_, refused, _ = run(
        series,
        "a = mmap bar[0:8] proc-uc shared rw",
        "mprotect a[0:4] r",
        "b = mremap a 8 pages maymove fixed",
    )

    assert ("EFAULT", ["a[0:4]", "a[4:8]"]) == (refused.result, spans(refused))


@for_each("series", SERIES)
def test_a_whole_proc_mapping_moves(series: str) -> None:
    """Alone it moves."""
    *_, moved, _ = run(series, "a = mmap bar[0:8] proc-uc shared rw", "b = mremap a 8 pages maymove fixed")

    assert ("ok", ["b[0:8]"]) == (moved.result, spans(moved))


@for_each("series", SERIES[1:])
@for_each("call", ["mremap a 4 pages", "b = mremap a 8 pages maymove fixed"])
def test_sealed(series: str, call: str) -> None:
    """A sealed mapping neither shrinks nor moves (S5.8)."""
    *_, refused, _ = run(series, SHARED, "mseal a", call)

    assert ("EPERM", ["a[0:8]"]) == (refused.result, spans(refused))


@for_each("series", NEW)
def test_parts_before_a_sealed_one_stay_moved(series: str) -> None:
    """A move of several VMAs stops at a sealed one, and earlier parts stay moved (measured)."""
    *_, refused, _ = run(series, SHARED, "mseal a[4:8]", "b = mremap a 8 pages maymove fixed")

    assert ("EPERM", ["a[4:8]", "b[0:4]"]) == (refused.result, spans(refused))


@every_series
def test_duplicating_a_private_mapping_is_logged_once(series: str) -> None:
    """The attempt is logged, the first time only (S10.5)."""
    _, first, second, _ = run(
        series, PRIVATE, "mremap a[0:0] 8 pages maymove", "mremap a[0:0] 8 pages maymove"
    )

    assert 1 == len(first.log)
    assert "attempted to duplicate a private mapping with mremap.  This is not supported." in first.log[0]
    assert () == second.log


@every_series
def test_a_failing_move_makes_no_tables(series: str) -> None:
    """A refused move leaves no PTE table at the destination (S12.3.5)."""
    *_, refused, _ = run(series, SHARED, "b = mremap a 9 pages maymove fixed")

    assert {"none@L3", "none@L4"} >= {seen.entry for seen in refused.ptes or () if seen.span.name == "b"}


@every_series
def test_ordinary_memory_grows_in_place(series: str) -> None:
    """Anonymous memory grows where there is room."""
    *_, grown, _ = run(series, "a = mmap anon[0:4] private rw", "mremap a 8 pages")

    assert ("ok", "same", ["a[0:8]"]) == (grown.result, grown.value, spans(grown))


@every_series
def test_ordinary_memory_without_room(series: str) -> None:
    """Without room and without leave to move, growing is ENOMEM."""
    *_, refused, _ = run(
        series, "a = mmap anon[0:8] private rw", "mprotect a[4:8] r", "mremap a[0:4] 6 pages"
    )

    assert ("ENOMEM", ["a[0:4]", "a[4:8]"]) == (refused.result, spans(refused))


@every_series
def test_ordinary_memory_moves_to_grow(series: str) -> None:
    """With leave to move it goes where there is room, out of the named areas."""
    *_, moved, _ = run(
        series, "a = mmap anon[0:8] private rw", "mprotect a[4:8] r", "mremap a[0:4] 6 pages maymove"
    )

    assert ("ok", "moved", ["a[4:8]"]) == (moved.result, moved.value, spans(moved))


@every_series
@for_each(("pages", "flushed"), [(1024, "flush a[0:1]"), (1000, "flush a[0:513]")])
def test_a_whole_page_table_moves(series: str, pages: int, flushed: str) -> None:
    """It is not freed with the old mapping; one that moves in part is, entries copied."""
    text = f"pfnlab program 1\ndevice bar: pci, 1024 pages\n\na = mmap bar[0:{pages}] wc shared rw\n"
    moved = f"{text}b = mremap a[0:{pages}] {pages} pages maymove fixed\n"

    _, step, _ = ModelMachine(series).run_one(load_text(moved), check=True).steps

    assert flushed == [event for event in step.events or () if event.startswith("flush")][-1]
    assert f"flush a[0:{512}]" in (step.events or ())


@for_each(
    ("series", "left"),
    [("6.1", ["a[0:4]", "a[4:6]", "a[6:8]"]), ("6.17", ["a[0:8]"]), ("7.2", ["a[0:4]", "a[4:8]"])],
)
def test_what_stays_beside_what_was_copied(series: str, left: list[str]) -> None:
    """MREMAP_DONTUNMAP: the copy merges with both sides, with that which is not its source, or with none."""
    text = (
        "pfnlab program 1\ndevice bar: pci, 1 page\narea a: 8 pages\n\n"
        "a = mmap anon[0:4] private rw\nmmap anon[0:2] private rw over a[6:8]\n"
        "mremap a[0:2] 2 pages maymove fixed dontunmap over a[4:6]\n"
    )

    *_, copied, _ = ModelMachine(series).run_one(load_text(text), check=True).steps

    assert left == spans(copied)


LEAF = """pfnlab program 1
device bar: pci, 1 GiB
area b: 1 GiB

a = mmap bar[0:262144] driver fault_pud wc shared rw
read a[0]
t = thread
"""
LOST = "mremap a 1 GiB maymove fixed over b[0:262144]\n"


def test_a_leaf_of_a_gigabyte_that_another_thread_reaches_is_undecided() -> None:
    """Nobody tried what that thread's processor still reaches when the leaf is lost without a flush."""
    model = ModelMachine("7.2", LookLevel.MEMORY)

    with pytest.raises(Undecided, match="another thread has translations"):
        model.run_one(load_text(LEAF + "t: read a[3]\n" + LOST))


@for_each("other", ["t: pagemap a[3]", "c = fork\nc: read a[3]"])
def test_a_leaf_of_a_gigabyte_that_no_other_thread_reaches_is_lost(other: str) -> None:
    """A thread that never touched it does not matter, and a child has page tables of its own."""
    steps = ModelMachine("7.2", LookLevel.MEMORY).run_one(load_text(LEAF + other + "\n" + LOST)).steps

    assert ("ok", ("bad pud ADDR(ADDR)",)) == (steps[-2].result, tuple(dict.fromkeys(steps[-2].log)))


@for_each(
    ("moved", "left"),
    [
        ("mremap a 1 GiB maymove fixed over b[0:262144]", ["L3 UC- P RW US SPECIAL A"]),
        ("mremap a 1 GiB maymove fixed over b[1:262145]", []),
        ("mremap a[0:512] 512 pages maymove fixed over b[0:512]", []),
    ],
)
def test_a_leaf_of_a_gigabyte_moves_whole_or_goes(moved: str, left: list[str]) -> None:
    """With mremap_loses_gigabytes off, also where another thread has translations, and each is flushed."""
    model = ModelMachine("7.3,mremap_loses_gigabytes=off,cut_keeps_gigabyte=off", LookLevel.MEMORY)
    program = LEAF.replace("area b: 1 GiB", "area b: 2 GiB") + f"t: read a[3]\n{moved}\n"

    step = model.run_one(load_text(program), check=True).steps[-2]

    assert ((), left) == (step.log, [entry for _, entry in entries(step)])
    assert step.flushes


#: Two areas of two page tables each, and a mapping over the border between those of the first.
TABLES = (
    "area a: 1024 pages",
    "area b: 1024 pages",
    "mmap bar[0:4] wc shared rw over a[510:514]",
)


def flushed(series: str, *ops: str) -> list[str]:
    """The flushes of the last operation before the end."""
    return [event for event in run(series, *TABLES, *ops)[-2].events or () if event.startswith("flush")]


@for_each(("version", "first"), [("6.1", "flush a[510:512]"), ("6.12", "flush a[0:512]")])
def test_the_first_table_moves_whole(version: str, first: str) -> None:
    """From 6.7 on, where nothing lies in front of the mapping."""
    assert first == flushed(version, "mremap a[510:514] 4 pages maymove fixed over b[510:514]")[0]


@for_each(
    "ops",
    [
        ("mmap anon[0:1] private rw over a[0]", "mremap a[510:514] 4 pages maymove fixed over b[510:514]"),
        ("mmap anon[0:1] private rw over b[9]", "mremap a[510:514] 4 pages maymove fixed over b[510:514]"),
        ("mremap a[510:514] 4 pages maymove fixed over b[509:513]",),
        ("mremap a[511:514] 3 pages maymove fixed over b[511:514]",),
        ("mremap a[510] 1 page maymove fixed over b[510]",),
    ],
    ids=["in front", "in front of the destination", "other alignment", "not the beginning", "not the end"],
)
def test_a_table_that_is_not_the_mappings_own_stays(ops: tuple[str, ...]) -> None:
    """Its entries move one by one."""
    assert not any("[0:512]" in event for event in flushed("7.2", *ops))


@for_each(
    ("spec", "after"),
    [("6.12", 0), ("6.12,dontunmap_unlocks_all=on", 12), ("6.16", 16), ("7.1", 16), ("7.2", 0)],
)
def test_pages_left_behind_stay_in_locked_vm(spec: str, after: int) -> None:
    """Where the whole source is unlocked, though one of its four pages moves (S5.8.9)."""
    moved = ["a = mmap anon[0:4] private rw locked", "b = mremap a[1] 1 page maymove fixed dontunmap"]
    lines = [*moved, "munmap a", "munmap b", "status"]
    text = "\n".join(["pfnlab program 1", "device bar: pci, 2 pages", "area b: 1 page", *lines, ""])

    run = ModelMachine(spec).run_one(load_text(text), check=True)

    assert f"VmLck={after} VmPin=0" == run.steps[4].value
