"""Searches put aside in files: what goes on, and files that are damaged, old, or of somebody else."""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from broken import Broken
from small_models import Counters, Grid

from pfnlab.base.errors import Misuse, Undecided
from pfnlab.checker.check import CheckResult, check
from pfnlab.checker.limits import CheckLimits, Exhaustive
from pfnlab.checker.scopes import packing
from pfnlab.checker.scopes.domain import KernelModel
from pfnlab.checker.scopes.properties import questions
from pfnlab.checker.scopes.scope import load_scope, read_scope
from pfnlab.checker.search.checkpoint import records, writing
from pfnlab.checker.search.exploration import always
from pfnlab.checker.search.explore import explore
from pfnlab.checker.search.scratch import written
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.trackers.track_ctx import TrackCtx
from pfnlab.programs.lang.ops import Op
from pfnlab.programs.lang.printer import op_text
from pfnlab.programs.model.model_machine import ModelMachine

ASKED = [always("small", lambda state: sum(state) < 7)]


def saved(folder: Path) -> Path:
    """A search of a small model that was cut."""
    file = folder / "search"
    explore(Counters(), ASKED, states=20, save=file)
    return file


def without_time(found: CheckResult) -> dict[str, Any]:
    """All that was found, in whatever time."""
    return {name: getattr(found, name) for name in found.__struct_fields__ if name != "seconds"}


@pytest.mark.target("long")
@pytest.mark.parametrize("states", [3, 20, 100])
@pytest.mark.parametrize(("name", "memory"), [("small", None), ("small", 1 << 20), ("race", None)])
def test_a_check_that_goes_on_says_what_an_undisturbed_one_does(
    name: str, states: int, memory: int | None, tmp_path: Path
) -> None:
    """In everything: verdicts, ways, how often each operation ended how."""
    scope, kept = load_scope(name), tmp_path / "search"

    def of(limits: CheckLimits) -> CheckResult:
        return check(ModelMachine("6.1"), scope, None, limits)

    of(Exhaustive(states=states, memory=memory, checkpoint=kept))
    second = of(Exhaustive(memory=memory, checkpoint=kept))

    assert without_time(of(Exhaustive(every_order=True))) == without_time(second)


UNRULY = 'devices = ["bar: pci, 2 pages"]\ntasks = 1\nareas = 1\ndepth = 3\noperations = [%s]'


def test_what_was_left_out_before_a_cut_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps without a rule keep a property undecided, also when they came before the search was put aside."""
    text = UNRULY % '"new = mmap bar[0:2] wc shared rw", "new = mmap bar[0:2] uc shared rw", "munmap <first>"'
    scope, kept, perform = read_scope(text, "tiny"), tmp_path / "search", KernelModel.perform

    def unless_uc(self: KernelModel, kernel: Kernel, op: Op, *rest: Any) -> Any:
        if " uc " in op_text(op):
            raise Undecided("nobody knows")
        return perform(self, kernel, op, *rest)

    monkeypatch.setattr(KernelModel, "perform", unless_uc)
    whole = check(ModelMachine("7.2"), scope)
    check(ModelMachine("7.2"), scope, None, Exhaustive(states=2, checkpoint=kept))
    second = check(ModelMachine("7.2"), scope, None, Exhaustive(checkpoint=kept))

    assert ("no rule: nobody knows (1 step left out)",) == whole.cut == second.cut


class Cut:
    """What a tracker remembers once a mapping was split, and never before."""


class Noting(TrackCtx):
    """Remembers splits."""

    cut: Cut | None = None

    def split_vma(self, lower: Vma, upper: Vma) -> None:
        self.cut = Cut()
        super().split_vma(lower, upper)


def test_what_another_process_has_not_met_it_meets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class that states hold deep in the search is known where the search goes on."""
    text = (
        UNRULY % '"new = mmap bar[0:2] wc shared rw", "munmap <first>", "mprotect <whole> r", "munmap <all>"'
    )
    scope, kept = read_scope(text, "tiny"), tmp_path / "search"
    # No way to a discovery leads there.
    asked = questions(["no_stale"])
    whole = check(Broken(Noting), scope, asked)
    check(Broken(Noting), scope, asked, Exhaustive(states=3, checkpoint=kept))
    for name in ("_CLASSES", "_CLASS_NAMES", "_CONSTANTS", "_BY_VALUE", "_BY_IDENTITY", "_FORMS"):
        monkeypatch.setattr(packing, name, {})

    second = check(Broken(Noting), scope, asked, Exhaustive(checkpoint=kept))

    assert without_time(whole) == without_time(second)


class Evil:
    """What a pickle can do."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.trace),)


def sealed_file(file: Path, letter: bytes, data: bytes) -> None:
    """A file that is as it was written, by anybody."""
    with writing(file, b"pfnlab search 4\n") as add:
        add(letter, data)


def test_a_file_of_somebody_else_runs_nothing(tmp_path: Path) -> None:
    """Neither as an old one, nor as a new one with something else in it."""
    file, trace = tmp_path / "search", tmp_path / "trace"
    evil = pickle.dumps(Evil(trace))

    for earlier in (b"1", b"3"):
        file.write_bytes(b"pfnlab search " + earlier + b"\n" + evil)
        with pytest.raises(Misuse, match="another version of pfnlab: remove it"):
            explore(Counters(), ASKED, resume=file)
    for letter in b"hpcdxvw":
        sealed_file(file, bytes([letter]), evil)
        with pytest.raises(Misuse, match="is damaged or was cut short: remove it"):
            explore(Counters(), ASKED, resume=file)

    assert not trace.exists()


def test_a_file_that_was_cut_short_is_refused(tmp_path: Path) -> None:
    """Wherever; the line names it and says what to do."""
    file = saved(tmp_path)
    whole = file.read_bytes()

    for length in range(16, len(whole), 7):
        file.write_bytes(whole[:length])
        with pytest.raises(Misuse, match=rf"{file} is damaged or was cut short: remove it, or name another"):
            explore(Counters(), ASKED, resume=file)


def test_a_file_with_one_other_byte_is_refused(tmp_path: Path) -> None:
    """Wherever that is."""
    file = saved(tmp_path)
    whole = file.read_bytes()

    for at in range(16, len(whole), 7):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(Misuse, match="is damaged or was cut short"):
            explore(Counters(), ASKED, resume=file)


@pytest.mark.parametrize("head", [b"", b"h", b"h" + b"\xff" * 8, b"h" + (1 << 40).to_bytes(8, "little")])
def test_a_sealed_file_whose_records_do_not_fit_is_refused(head: bytes, tmp_path: Path) -> None:
    """Without a record, or with one that is cut, or longer than any file: anybody can seal that."""
    file = tmp_path / "search"
    content = b"pfnlab search 4\n" + head
    file.write_bytes(content + blake2b(content, digest_size=16).digest())

    with pytest.raises(Misuse, match="is damaged or was cut short: remove it"):
        explore(Counters(), ASKED, resume=file)


def spoiled(file: Path, letter: bytes, change: Callable[[bytes], bytes]) -> None:
    """Change the records of one kind, and seal the file again."""
    with file.open("rb") as source:
        kept = list(records(source, b"pfnlab search 4\n"))
    with writing(file, b"pfnlab search 4\n") as add:
        for one, data in kept:
            add(one, change(data) if one == letter else data)


@pytest.mark.parametrize(
    ("letter", "change"),
    [
        (b"p", lambda data: data[:-4]),
        (b"p", lambda data: bytes(len(data))),
        (b"c", lambda data: data + data),
        (b"d", lambda data: bytes(4)),
        (b"x", lambda data: b"a"),
        (b"w", lambda data: msgspec.msgpack.encode([(9999, 0, b"N")])),
        (b"w", lambda data: msgspec.msgpack.encode([(-1, 0, b"N")])),
    ],
)
def test_a_sealed_file_whose_states_have_no_ways_is_refused(
    letter: bytes, change: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    """Before anything is asked for the way to one of them, which would have no end."""
    file = saved(tmp_path)
    spoiled(file, letter, change)

    with pytest.raises(Misuse, match="is damaged or was cut short"):
        explore(Counters(), ASKED, resume=file)


def test_a_maker_of_two_lines_is_said_in_one(tmp_path: Path) -> None:
    """The name is the file's."""
    file = saved(tmp_path)
    spoiled(file, b"h", lambda data: data.replace(b"pfnlab 0", b"pfnlab\n0"))

    with pytest.raises(Misuse) as refused:
        explore(Counters(), ASKED, resume=file)

    assert str(refused.value).startswith("the saved search is from pfnlab 0.") and "\n" not in str(
        refused.value
    )


def test_a_file_of_another_python_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a state of a race is depends on it."""
    file = saved(tmp_path)
    monkeypatch.setattr("sys.version_info", (4, 0))

    with pytest.raises(Misuse, match=r"on Python 3\.\d+, .* this is .* on Python 4\.0.*: start again"):
        explore(Counters(), ASKED, resume=file)


def test_a_full_disk_leaves_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line with the file and what to do; the search in the file goes on, and nothing else is left."""
    file = saved(tmp_path)
    before = file.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        Undecided, match=rf"^{file}: No space left on device: free some space or name another file"
    ):
        explore(Counters(), ASKED, states=30, save=file, resume=file)

    assert (before, [file]) == (file.read_bytes(), list(tmp_path.iterdir()))


@pytest.mark.parametrize("place", ["nowhere/search", "."])
def test_what_cannot_be_written_is_said_before_the_search(place: str, tmp_path: Path) -> None:
    """Not after a minute."""
    seen: list[Grid] = []
    asked = always("seen", lambda state: bool(seen.append(state)) or True)

    with pytest.raises(Misuse, match="cannot be written: "):
        explore(Counters(), [asked], states=20, save=tmp_path / place)

    assert [] == seen


class At(NamedTuple):
    """A state with a type of its own."""

    place: int


class Line:
    """A line of states that are no plain values."""

    def initial(self) -> list[At]:
        return [At(0)]

    def successors(self, state: At) -> list[tuple[str, At]]:
        return [("step", At(state.place + 1))] if state.place < 9 else []

    def key(self, state: At) -> int:
        return state.place


class Packing(Line):
    """The same, with a form of its own for files."""

    def packed(self, state: At) -> int:
        return state.place

    def unpacked(self, packed: Any) -> At:
        return At(packed)

    def tallies(self) -> None:
        return None

    def recall(self, tallies: Any) -> None:
        pass


def test_states_that_are_no_plain_values_are_refused_at_once(tmp_path: Path) -> None:
    """A model that packs them is taken, and goes on."""
    file = tmp_path / "search"

    with pytest.raises(
        Misuse, match=r"cannot be saved: At\(place=0\) is not a plain value, even when packed"
    ):
        explore(Line(), save=file)
    explore(Packing(), states=4, save=file)

    assert 10 == explore(Packing(), resume=file).states


def test_a_search_out_of_room_for_what_memory_does_not_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line that says where, and what to do."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    def full(self: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(
        Undecided, match=rf"^{tmp_path}/.*: No space left on device: make room, or set TMPDIR"
    ):
        explore(Counters(top=9, count=4), memory=4096)

    assert [] == list(tmp_path.iterdir())


@pytest.mark.skipif(not os.access("/dev/full", os.W_OK), reason="there is no /dev/full")
def test_a_device_that_is_always_full() -> None:
    """What the system itself says, not a stand-in."""
    file = Path("/dev/full")

    with (
        pytest.raises(Undecided, match="No space left on device: buy another"),
        written(file, "buy another"),
        writing(file, b"") as add,
    ):
        add(b"x", bytes(1 << 20))

    assert file.is_char_device()
