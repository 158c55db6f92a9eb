"""S7.6: bytes of a task, read and written as another process could."""

from __future__ import annotations

from for_each import for_each
from series_runs import every_series, last, run

from pfnlab.kernel.policies.profiles import SERIES

ORDINARY = ("a = mmap anon[0:3] private rw",)
HOLE = (*ORDINARY, "process_vm_writev a[0] 7 at 4094 4098 bytes", "munmap a[1]")
DEVICE = ("a = mmap bar[0:2] wc shared rw",)


@every_series
def test_bytes_go_over_the_end_of_a_page(series: str) -> None:
    """Ordinary memory goes on with the next page."""
    assert ("ok", "6 bytes: 00*2 07+4") == last(
        series, *ORDINARY, "mem_write a[0] 7 at 4094 4 bytes", "process_vm_readv a[0] at 4092 6 bytes"
    )


@every_series
def test_a_word_leaves_the_bytes_behind_it(series: str) -> None:
    """A store of the task itself is of four bytes."""
    steps = (*ORDINARY, "process_vm_writev a[0] 1 at 3 4 bytes", "write a[0] 0x0a0b0c0d")

    assert ("ok", "8 bytes: 0d 0c 0b 0a 02+3 00") == last(series, *steps, "mem_read a[0] 8 bytes")


@every_series
def test_pages_in_front_of_a_hole_are_moved(series: str) -> None:
    """The number is told, and no error."""
    assert ("ok", "2 bytes: 07+2") == last(series, *HOLE, "process_vm_readv a[0] at 4094 4098 bytes")
    assert ("ok", "2 bytes") == last(series, *HOLE, "process_vm_writev a[0] 1 at 4094 4098 bytes")
    assert ("ok", "2 bytes: 07+2") == last(series, *HOLE, "mem_read a[0] at 4094 4098 bytes")


@every_series
def test_a_hole_in_front_is_an_error(series: str) -> None:
    """Nothing was moved."""
    assert ("EFAULT", None) == last(series, *HOLE, "process_vm_readv a[1] at 8 4098 bytes")
    assert ("EIO", None) == last(series, *HOLE, "mem_read a[1] at 8 4098 bytes")


#: 7.3.4 and 6.12.118 map each page for the kernel by itself.
apart = for_each("version", ["6.12.118", "7.3.4"])
before = for_each("series", [*(one for one in SERIES if one not in ("6.12", "7.3")), "6.12.117", "7.3-rc7"])

#: The second page shows another frame than the one behind the first.
APART = (*DEVICE, "mmap bar[8] wc shared rw over a[1]", "write a[1] 9")


@before
def test_the_next_frame_is_read_behind_a_device_page(series: str) -> None:
    """Not the next page."""
    moves = ("mem_write a[0] 7 at 4094 4 bytes", "mem_read a[0] at 4094 4 bytes")
    steps = run(series, *APART, *moves, "read a[1]", "b = mmap bar[1] wc shared rw", "mem_read b[0] 2 bytes")

    assert ["4 bytes: 07+4", 9, None, "2 bytes: 09+2"] == [step.value for step in steps[-4:]]
    assert ("reserve bar[0]", "erase bar[0]") == steps[3].events


@apart
def test_the_next_page_is_read(version: str) -> None:
    """Not the next frame."""
    steps = run(version, *APART, "mem_write a[0] 7 at 4094 4 bytes", "mem_read a[0] at 4094 4 bytes")

    assert "4 bytes: 07+4" == steps[-1].value
    assert ("reserve bar[0]", "erase bar[0]", "reserve bar[8]", "erase bar[8]") == steps[-1].events


@every_series
def test_whole_pages_are_those_that_are_mapped(series: str) -> None:
    """What begins with a page is taken page by page."""
    assert ("ok", "8192 bytes: 00*4096 09 00*4095") == last(series, *APART, "mem_read a[0] 8192 bytes")


@before
def test_two_frames_are_booked_at_once(series: str) -> None:
    """Another mode of the second refuses both."""
    steps = (*DEVICE, "b = mmap bar[2] uc shared rw")

    assert ("ok", "4 bytes: 00*4") == last(series, *steps, "mem_read a[1] at 4092 4 bytes")
    assert ("EIO", None) == last(series, *steps, "mem_read a[1] at 4092 8 bytes")


@apart
def test_the_last_page_is_the_end(version: str) -> None:
    """What lies behind the mapping is left alone."""
    assert ("ok", "4 bytes: 00*4") == last(version, *DEVICE, "mem_read a[1] at 4092 8 bytes")


@every_series
def test_a_page_copied_for_a_pin_is_faulted_before_it_is_written(series: str) -> None:
    """Its entry is read-only still, and the VMA may be written: no force is needed (S7.1.2)."""
    steps = run(series, *ORDINARY, "write a[0] 1", "c = fork", "process_vm_readv a[0]", "mem_write a[0] 3")

    assert "fault a[0]" in (steps[4].events or ())


#: A page of a driver that is read from outside, and what another thread does before the frame is mapped.
MEANWHILE = (
    "a = mmap bar[0:2] driver fault wc shared rw",
    "read a[0]",
    "t = thread",
    "hold memtype_reserve: mem_read a[0]",
)


@every_series
def test_an_entry_that_changed_is_mapped_anew(series: str) -> None:
    """It is dirty now; the bytes are those of the frame, and nothing stays in the book."""
    step = run(series, *MEANWHILE, "t: write a[0] 7", "release")[-1]

    assert ("main ok 7", ()) == (step.value, step.book)


@for_each(("changes", "told"), [("", "main EIO; t ok"), (",access_phys_asks_again=off", "main ok 0; t ok")])
def test_an_entry_that_has_gone_is_not_followed(changes: str, told: str) -> None:
    """generic_access_phys() looks again since 5.11 (S7.6.3)."""
    step = run(f"6.12{changes}", *MEANWHILE, "t: unmap_mapping_range bar[0:2]", "release")[-1]

    assert (told, ()) == (step.value, step.book)
