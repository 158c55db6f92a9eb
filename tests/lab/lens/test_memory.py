"""Memory sources: the same bytes from each, and one error for whatever is damaged."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import toy_kernel as toy
from core_builder import PAGE, elf_core, kdump
from hypothesis import given, settings
from hypothesis import strategies as st

from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.memory import GuestRam, MemorySource, VmCoreInfo, open_core, running_kernel

#: Bounded means this, in seconds.
LIMIT = 5.0

MEMORY = bytes(toy.ToyKernel().memory[: 64 * PAGE])
FORMS = ("ram", "elf", "kdump", "flat")


def opened(form: str, folder: Path, content: bytes | None = None) -> MemorySource:
    """The toy kernel's memory in one of the forms."""
    path = folder / form
    path.write_bytes(written(form) if content is None else content)
    return GuestRam(path) if form == "ram" else open_core(path)


def written(form: str) -> bytes:
    """A file of this form."""
    if form == "ram":
        return MEMORY
    if form == "elf":
        return elf_core({0x8000: MEMORY[0x8000:], 0: MEMORY[:0x8000]})
    return kdump(MEMORY, flat=form == "flat")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_bytes(form: str, tmp_path: Path) -> None:
    """
    Within a page, across pages and across segments.
    """
    source = opened(form, tmp_path)

    for at, size in ((0, 16), (toy.INFO + 100, 300), (0x7FF0, 0x40), (0, len(MEMORY)), (len(MEMORY) - 1, 1)):
        assert source.read(at, size) == MEMORY[at : at + size]
    assert sum(size for _, size in source.ranges()) == len(MEMORY)
    assert source.info.release == "toy"
    source.close()


def test_a_guest_s_memory_can_be_changed(tmp_path: Path) -> None:
    """What is read next is what was written; nothing is written behind the end."""
    path = tmp_path / "ram"
    path.write_bytes(MEMORY)

    with GuestRam(path) as ram:
        ram.write(0x7FF0, b"changed!")

        assert b"changed!" == ram.read(0x7FF0, 8)
        with pytest.raises(LensError, match="no memory"):
            ram.write(len(MEMORY) - 4, b"changed!")


@pytest.mark.parametrize("form", FORMS)
def test_what_is_not_there_is_an_error(form: str, tmp_path: Path) -> None:
    """
    Behind the end, across it, and at addresses no machine has.
    """
    source = opened(form, tmp_path)

    for at, size in ((len(MEMORY), 1), (len(MEMORY) - 1, 2), (1 << 60, 8), (-8, 8)):
        with pytest.raises(LensError):
            source.read(at, size)
    source.close()


def test_a_hole_in_a_dump(tmp_path: Path) -> None:
    """
    Pages left out of a kdump file end a range, and cannot be read.
    """
    source = opened("kdump", tmp_path, kdump(MEMORY, hole=range(16, 20)))

    assert source.ranges() == [(0, 16 * PAGE), (20 * PAGE, 44 * PAGE)]
    assert source.read(20 * PAGE, 8) == MEMORY[20 * PAGE : 20 * PAGE + 8]
    with pytest.raises(LensError, match="no memory at 0x10000"):
        source.read(16 * PAGE, 8)


def test_vmcoreinfo_of_a_kdump_header(tmp_path: Path) -> None:
    """
    A dump that carries VMCOREINFO is not searched.
    """
    source = opened("kdump", tmp_path, kdump(bytes(16 * PAGE), info=b"OSRELEASE=9.9\n"))

    assert source.info.release == "9.9"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"OSRELEASE=not this one\0", id="a release alone"),
        pytest.param(b'OSRELEASE="\nsymbol = "SYMBOL(swapper_pg_dir)="\n\0', id="a program that reads it"),
        pytest.param(b"OSRELEASE=s\x16\xfa\nSYMBOL(swapper_pg_dir)=s\n\0", id="a compiled program"),
    ],
)
@pytest.mark.parametrize("form", ["ram", "elf"])
def test_a_text_that_is_not_vmcoreinfo_is_passed_over(form: str, text: bytes, tmp_path: Path) -> None:
    """
    Memory holds the words of programs that read VMCOREINFO, our own among them.
    """
    memory = bytearray(MEMORY)
    memory[0x100 : 0x100 + len(text)] = text
    source = opened(form, tmp_path, bytes(memory) if form == "ram" else elf_core({0: bytes(memory)}))

    assert source.info.release == "toy"
    source.close()


def test_a_later_guest_s_vmcoreinfo_is_looked_for_where_an_earlier_one_had_it(tmp_path: Path) -> None:
    """It need not be searched for; where something else is there, it is."""
    text = b"OSRELEASE=9.9\nSYMBOL(swapper_pg_dir)=ff\n\0"

    def release(at: int, decoy: bytes = b"") -> str:
        path = tmp_path / f"ram-{at}-{len(decoy)}"
        path.write_bytes((decoy + bytes(at - len(decoy)) + text).ljust(4 * PAGE, b"\0"))
        with GuestRam(path) as ram:
            return ram.info.release

    first = release(3 * PAGE)
    before = dict(GuestRam._places)

    assert 3 * PAGE in before
    assert ("9.9", "9.9") == (first, release(2 * PAGE))
    # Both are there: the known place comes first, and the decoy before it is not even seen.
    decoy = text.replace(b"9.9", b"8.8")
    assert "9.9" == release(3 * PAGE, decoy)
    GuestRam._places.clear()
    assert "8.8" == release(3 * PAGE, decoy)


def test_memory_without_a_kernel(tmp_path: Path) -> None:
    """
    There is no VMCOREINFO in it.
    """
    (tmp_path / "empty").write_bytes(bytes(PAGE))
    with GuestRam(tmp_path / "empty") as empty, pytest.raises(LensError, match="has no VMCOREINFO"):
        _ = empty.info


def test_vmcoreinfo_values() -> None:
    """
    Numbers are decimal or marked, symbols hexadecimal; what is missing or no number is said.
    """
    info = VmCoreInfo(b"OSRELEASE=1.2\nNUMBER(a)=-5\nNUMBER(b)=0x10\nSYMBOL(s)=ff\nNUMBER(c)=x")

    assert (info.number("a"), info.number("b"), info.symbol("s")) == (-5, 16, 255)
    assert info.symbol("absent") is None
    assert info.number("absent", 3) == 3
    with pytest.raises(LensError, match=r"kernel 1.2 has no NUMBER\(absent\)"):
        info.number("absent")
    with pytest.raises(LensError, match="is 'x'"):
        info.number("c")


def test_a_running_kernel_by_its_core_file(tmp_path: Path) -> None:
    """
    /proc/kcore has segments without physical address, and one that shows the image again.
    """
    everywhere = (1 << 64) - 1
    content = elf_core({0: MEMORY}, more=((everywhere, 0x7FFFFFFFF000, 1 << 40), (0x4000, 64, PAGE)))
    (tmp_path / "kcore").write_bytes(content)

    with running_kernel(tmp_path / "kcore") as source:
        assert source.live
        assert source.ranges() == [(0, len(MEMORY))]
        assert source.info.release == "toy"


def test_a_core_with_a_note_says_there_what_it_is(tmp_path: Path) -> None:
    """
    As kdump writes it; the memory need not hold it.
    """
    note = b"OSRELEASE=noted\nSYMBOL(swapper_pg_dir)=ff\n\0"
    (tmp_path / "vmcore").write_bytes(elf_core({0: bytes(PAGE)}) + note)

    with open_core(tmp_path / "vmcore") as source:
        assert "noted" == source.info.release


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """
    Absent, empty, too short and other files.
    """
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("hello" * 100)
    for act in (
        lambda: GuestRam(tmp_path / "absent"),
        lambda: GuestRam(tmp_path / "empty"),
        lambda: open_core(tmp_path / "absent"),
        lambda: open_core(tmp_path / "empty"),
        lambda: open_core(tmp_path / "text"),
        lambda: running_kernel(tmp_path / "absent"),
    ):
        with pytest.raises(LensError):
            act()


@pytest.mark.parametrize("form", FORMS[1:])
def test_a_cut_off_core_is_an_error(form: str, tmp_path: Path) -> None:
    """
    Wherever a file ends early, opening or reading it says so.
    """
    content = written(form)
    for keep in (5, 70, 450, 4200, 9000, len(content) // 2, len(content) - 100):
        with pytest.raises(LensError):
            opened(form, tmp_path, content[:keep]).read(0, len(MEMORY))


@settings(max_examples=250, deadline=LIMIT * 1000)
@given(
    form=st.sampled_from(FORMS),
    hits=st.lists(st.tuples(st.integers(0, 1 << 16) | st.integers(0, 600), st.integers(0, 255)), max_size=6),
)
def test_damaged_files_end_in_a_lens_error(form: str, hits: list[tuple[int, int]], tmp_path: Path) -> None:
    """
    Whatever bytes are changed: memory, or one LensError, in bounded time.
    """
    content = bytearray(written(form))
    for at, byte in hits:
        content[at % len(content)] = byte
    begun = time.monotonic()
    try:
        source = opened(form, tmp_path, bytes(content))
        _ = source.info
        source.read(0, len(MEMORY))
        source.close()
    except LensError as reason:
        assert str(reason)
    assert time.monotonic() - begun < LIMIT
