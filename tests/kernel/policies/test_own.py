"""A user's own policy: loaded from a file, and watched at every call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from drawing import drawn
from hypothesis import given, reject, settings
from hypothesis import strategies as st

from pfnlab.base.errors import Misuse, PolicyError, Undecided
from pfnlab.checker.check import check
from pfnlab.checker.limits import Exhaustive
from pfnlab.checker.scopes.scope import load_scope
from pfnlab.kernel.hw.platform import qemu_q35
from pfnlab.kernel.mm.tracker import Tracker
from pfnlab.kernel.policies.own import OPTIONAL, PROTOCOLS, hooks_of, load_policy
from pfnlab.kernel.policies.trackers.track_ctx import TrackCtx
from pfnlab.programs.lang.load import load_program, load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Step

EXAMPLE = Path(__file__).parents[3] / "docs" / "own-policy"
PER_VMA = EXAMPLE / "per_vma.py"

PROGRAM = """pfnlab program 1
device bar: pci, 16 pages
a = mmap bar[0:4] wc shared rw
read a[0]
mprotect a[0] r
move_pages a
munmap a
"""

#: A placement that forgets PFN VMAs behind every flush.
FORGETS = """from pfnlab.design import FreeVmas
class Mine(FreeVmas):
    def tlb_reset_range(self, tlb):
        tlb.vma_pfn = False
"""

#: A correct flush placement and a correct walker.
FLUSH = """class Mine:
    def tlb_start_vma(self, tlb, vma):
        tlb.vma_pfn = True
    def tlb_end_vma(self, tlb, vma):
        pass
    def tlb_free_vmas(self, tlb, first):
        tlb.flush_mmu_tlbonly()
    def tlb_free_vma(self, tlb, vma):
        pass
"""
WALKER = """class Mine:
    def walk_page_test(self, vma):
        return True
    def vm_normal_page(self, vma, entry):
        return entry.page is not None
"""

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a policy's file and gives its path."""
    path = tmp_path / "mine.py"

    def written(text: str) -> str:
        path.write_text(text)
        return str(path)

    return written


def tracker(old: str, new: str) -> str:
    """The example with something else in it."""
    text = PER_VMA.read_text()
    assert text.count(old) == 1
    return text.replace(old, new)


def run(seam: str, path: str) -> tuple[Step, ...]:
    """The steps of the program with a policy."""
    return ModelMachine(f"7.2,{seam}={path}").run_one(load_text(PROGRAM), check=True).steps


def refused(seam: str, path: str) -> tuple[str | None, str]:
    """The method and the reason a policy is refused for."""
    with pytest.raises(PolicyError) as error:
        run(seam, path)
    assert (path, 2) == (error.value.path, error.value.exit_code)
    assert str(error.value).startswith(": ".join(filter(None, (path, error.value.hook, ""))))
    return error.value.hook, error.value.what


@pytest.mark.parametrize(
    ("seam", "text"), [("tracker", PER_VMA.read_text()), ("flush", FLUSH), ("walker", WALKER)]
)
def test_a_file_is_what_its_methods_say(write: Write, seam: str, text: str) -> None:
    """The seam follows from the class, and a program runs."""
    path = write(text)

    assert seam == load_policy(path).seam
    assert {"ok"} == {step.result for step in run(seam, path)}


def test_the_example_has_an_entry_for_each_vma() -> None:
    """What the documentation promises of it."""
    program = load_program(EXAMPLE / "middle.pfn")

    _, cut, gone, _ = ModelMachine(f"7.2,tracker={PER_VMA}").run_one(program, check=True).steps

    assert (["bar[0:4] wc", "bar[8:16] wc"], ()) == ([str(entry) for entry in cut.book], gone.book)


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32))
def test_the_example_is_right(seed: int) -> None:
    """Random programs leave nothing in the book, and nothing of the protocol is broken."""
    try:
        steps = ModelMachine(f"7.2,tracker={PER_VMA}").run_one(drawn(seed), check=True).steps
    except Undecided:
        reject()

    assert () == steps[-1].book
    assert not [line for step in steps for line in step.log if "freeing invalid" in line]


@pytest.mark.parametrize("hook", [hook for hook in hooks_of("tracker") if hook not in OPTIONAL])
def test_a_forgotten_method_is_named(write: Write, hook: str) -> None:
    """Every method of the seam has to be there."""
    path = write(tracker(f"def {hook}(", f"def {hook}_not("))

    with pytest.raises(PolicyError, match="has no such method: add") as error:
        load_policy(path)

    assert hook == error.value.hook


def test_an_optional_method_may_be_missing() -> None:
    """The example does without: then those of the protocol stand for them, which do nothing."""
    assert "remap_pfn_range_filled" not in PER_VMA.read_text()
    assert "vma_prepare" not in PER_VMA.read_text()

    assert Tracker.remap_pfn_range_filled is load_policy(str(PER_VMA)).make.remap_pfn_range_filled
    assert Tracker.vma_prepare is load_policy(str(PER_VMA)).make.vma_prepare


def test_a_method_that_takes_other_arguments_is_named(write: Write) -> None:
    """It says what it will be called with."""
    path = write(tracker("zap_page_range_single(self, vma, start, end)", "zap_page_range_single(self, vma)"))

    assert ("zap_page_range_single", "it is called with (vma, start, end)") == refused("tracker", path)


IDLE = "def unmap_vmas(self, vma):\n        pass"


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (
            "vma.mm.tables.clear(vma.start, vma.end)",
            "it changed page tables, which a tracker must leave alone",
        ),
        ("vma.flags ^= 1", "it changed VMAs, which a tracker must leave alone"),
        ("return 1", "it returns nothing, and here it returned 1"),
        ("vma.nothing", "it raised AttributeError: 'Vma' object has no attribute 'nothing' (line 70)"),
        (
            "from pfnlab.base.errors import ModelledErrno; raise ModelledErrno(22)",
            "it must not refuse (EINVAL): the kernel has no way back from there",
        ),
    ],
)
def test_a_tracker_that_breaks_the_protocol(write: Write, body: str, what: str) -> None:
    """It is told which method did what."""
    path = write(tracker(IDLE, f"def unmap_vmas(self, vma):\n        {body}"))

    assert ("unmap_vmas", what) == refused("tracker", path)


def test_a_protection_has_to_be_returned(write: Write) -> None:
    """Forgetting to return it is said where it happens."""
    path = write(tracker("            vma.pfnmap = pfns\n            return prot", "            return None"))

    assert ("remap_pfn_range", "it has to return int, and here it returned None") == refused("tracker", path)


def test_others_may_write_while_a_method_is_held() -> None:
    """What they do to page tables meanwhile is not the policy's."""
    ops = (
        *("pfnlab program 1", "device bar: pci, 16 pages", "area a: 8 pages"),
        *("a = mmap bar[0:4] wc shared rw", "mmap bar[4:8] wc shared rw over a[4:8]", "c = fork"),
        *("hold memtype_erase: munmap a[0:4]", "c: write a[0] 7", "release"),
    )

    steps = ModelMachine(f"7.2,tracker={PER_VMA}").run_one(load_text("\n".join((*ops, "")))).steps

    assert ["held", "ok", "ok"] == [step.result for step in steps[3:6]]


def test_a_placement_may_clear_the_flag_behind_a_flush(write: Write) -> None:
    """Its method is called for flushes in the middle of a VMA, and not for those that flush nothing."""
    ops = (
        *("pfnlab program 1", "device bar: pci, 16 pages", "area a: 1024 pages"),
        "mmap bar[0:2] driver mixed_pages wc shared rw over a[511:513]",
        *("write a[511] 7", "read a[512]", "munmap a[511:513]", ""),
    )

    runs = [
        ModelMachine(f"7.2,flush={flush}").run_one(load_text("\n".join(ops))).steps[3].events
        for flush in (write(FORGETS), "gather_v5", "free_vmas")
    ]

    assert (True, False) == (runs[0] == runs[1], runs[0] == runs[2])


def test_others_may_change_the_machine_while_a_placement_flushes(write: Write) -> None:
    """request_mem_region gives the kernel another platform; a placement that is held in its flush did not."""
    flushes = FLUSH.replace("tlb.vma_pfn = True", "pass").replace(
        "def tlb_end_vma(self, tlb, vma):\n        pass",
        "def tlb_end_vma(self, tlb, vma):\n        tlb.flush_mmu_tlbonly()",
    )
    ops = (
        *("pfnlab program 1", "device bar: pci, 16 pages", "a = mmap bar[0:4] wc shared rw"),
        *("read a[0]", "b = fork", "hold flush_tlb_mm_range: munmap a", "b: request_mem_region bar[4:8]"),
        "release",
    )

    steps = ModelMachine(f"7.2,flush={write(flushes)}").run_one(load_text("\n".join((*ops, "")))).steps

    assert ["held", "ok", "ok"] == [step.result for step in steps[3:6]]


DERIVED = """from pfnlab.design import TrackCtx
class Mine(TrackCtx):
    pass
"""


def test_nothing_stands_between_a_search_and_a_policy(write: Write) -> None:
    """Its kernels have the object of the user's class, and call the methods that it inherits."""
    kernel = ModelMachine(f"7.2,tracker={write(DERIVED)}").boot(qemu_q35(), {})

    methods = {hook: getattr(kernel.tracker, hook).__func__ for hook in hooks_of("tracker")}

    assert {hook: getattr(TrackCtx, hook) for hook in hooks_of("tracker")} == methods


REFUSES = """import errno
from pfnlab.design import ModelledErrno, TrackCtx

class Mine(TrackCtx):
    def vmf_insert_pfn(self, vma, vpn, pfns, prot):
        if pfns.nr {condition}:
            raise ModelledErrno(errno.EINVAL)
        return super().vmf_insert_pfn(vma, vpn, pfns, prot)
"""


@pytest.mark.parametrize(
    ("condition", "result", "entry"),
    [("> 1", ("ok", 0), "L1"), (">= 1", ("EFAULT", "SIGBUS code=2"), "none")],
)
def test_an_insert_may_be_refused(
    write: Write, condition: str, result: tuple[str, object], entry: str
) -> None:
    """Without a leaf there are small entries, without those a signal; a class may build on another."""
    path = write(REFUSES.format(condition=condition))
    ops = "pfnlab program 1\ndevice bar: pci, 512 pages\na = mmap bar[0:512] vfio shared rw\nread a[0]\n"

    _, read, _ = ModelMachine(f"7.2,tracker={path}").run_one(load_text(ops), check=True).steps

    assert result == (read.result, read.value)
    assert entry in (read.ptes or ())[0].entry


def test_a_check_that_fails_is_its_own(write: Write) -> None:
    """The policy's invariant, not pfnlab's; it is asked although nothing else is checked."""
    path = write(tracker("vma.pfnmap is None or vma.pfnmap.nr == vma.nr", "vma.pfnmap is None"))

    with pytest.raises(PolicyError, match="_check: it raised AssertionError"):
        ModelMachine(f"7.2,tracker={path}").run_one(load_text(PROGRAM))


def test_a_search_asks_a_check_as_well(write: Write) -> None:
    """At every state; the operation it broke after is named."""
    path = write(tracker("vma.pfnmap is None or vma.pfnmap.nr == vma.nr", "vma.pfnmap is None"))

    with pytest.raises(PolicyError, match=r"_check: it raised AssertionError.* \(at `a = mmap "):
        check(ModelMachine(f"7.2,tracker={path}"), load_scope("small"), None, Exhaustive(states=50))


#: What a method may do that has nothing to do with memory, and what is said of it.
ESCAPES = {
    "import sys; sys.exit(3)": "it raised SystemExit: 3 (line 70)",
    "raise BaseException('out')": "it raised BaseException: out (line 70)",
    "raise GeneratorExit": "it raised GeneratorExit (line 70)",
    "self.kernel.book = None": "it replaced kernel.book, which it may use and must leave in its place",
    "del self.kernel.tasks": "it replaced kernel.tasks, which it may use and must leave in its place",
    "self.kernel.book.lock.take(True)": "it changed who holds which lock, which a tracker must leave alone",
    "vma.mm.mmap_lock.give(False)": "it changed who holds which lock, which a tracker must leave alone",
}


def broken(body: str, hook: str = "def unmap_vmas(self, vma):") -> str:
    """The example with something else done in a method."""
    return tracker(f"    {hook}\n", f"    {hook}\n        {body}\n")


@pytest.mark.parametrize(("body", "says"), ESCAPES.items())
def test_no_policy_escapes(write: Write, body: str, says: str) -> None:
    """Whatever a method does, it is named, and the kernel it had is not gone on with."""
    assert ("unmap_vmas", says) == refused("tracker", write(broken(body)))


def test_a_policy_that_ends_the_program_when_it_is_made(write: Write) -> None:
    """A class's constructor is code as well."""
    made = write(FLUSH.replace("class Mine:", "class Mine:\n    def __init__(self):\n        exit(5)"))

    assert ("__init__", "it raised SystemExit: 5 (line 3)") == refused("flush", made)


def test_a_file_that_ends_the_program(write: Write) -> None:
    """And so is the file."""
    assert (None, "it cannot be run: SystemExit: 0") == refused("flush", write("import sys; sys.exit(0)"))


def test_a_method_of_another_file_is_the_policys(
    write: Write, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What it raises is said of the method it is in the class."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "elsewhere.py").write_text("def raises(self, vma):\n    raise ValueError('odd')\n")
    text = PER_VMA.read_text().replace("    def unmap_vmas(", "    def idle(")
    path = write("import elsewhere\n" + text + "\n    unmap_vmas = elsewhere.raises\n")

    assert ("unmap_vmas", "it raised ValueError: odd (line 2)") == refused("tracker", path)


@pytest.mark.parametrize("name", ["mine.so", "mine.pyc", "mine"])
def test_a_file_by_another_name_is_not_run(tmp_path: Path, name: str) -> None:
    """The name of a machine would not have it for a file."""
    path = tmp_path / name
    path.write_bytes(b"")

    with pytest.raises(Misuse, match=r"mine[a-z.]* is not a Python file: name one, FILE\.py"):
        load_policy(str(path))


def test_an_interrupt_is_no_fault_of_the_policy(write: Write) -> None:
    """Whoever presses Ctrl-C meant all of it."""
    with pytest.raises(KeyboardInterrupt):
        run("tracker", write(broken("raise KeyboardInterrupt")))


def test_a_tracker_that_does_otherwise_the_second_time(write: Write) -> None:
    """Two runs of one program must be the same: here a counter outlives the kernel."""
    counts = "runs = []\n\n    def unmap_vmas(self, vma):\n        self.runs.append(vma)\n"
    forgets = "        if len(self.runs) == 1:\n            self.vm_area_free(vma)"
    path = write(tracker(IDLE, counts + forgets))

    hook, what = refused("tracker", path)

    assert ("unmap_vmas", "it is not deterministic: in a second run it did otherwise") == (hook, what)


def test_a_flush_placement_writes_no_book(write: Write) -> None:
    """Only a tracker does."""
    frees = "tlb.mm.kernel.book.free_pfn_range(0xC0000000, 0x4000, who='')"
    path = write(FLUSH.replace("tlb.vma_pfn = True", frees))

    assert ("tlb_start_vma", "it changed the memtype book, which a flush must leave alone") == refused(
        "flush", path
    )


def test_a_walker_answers_yes_or_no(write: Write) -> None:
    """None is neither."""
    path = write(WALKER.replace("return entry.page is not None", "pass"))

    assert ("vm_normal_page", "it has to return bool, and here it returned None") == refused("walker", path)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x = 1\n", "there is no policy: write a class with the methods of a seam"),
        (
            FLUSH + WALKER.replace("Mine", "Other"),
            "there are several policies (Mine, Other): keep one in a file",
        ),
        (
            "import nothing_like_it\n",
            "it cannot be run: ModuleNotFoundError: No module named 'nothing_like_it'",
        ),
        ("class\n", "it cannot be run: SyntaxError: invalid syntax (mine.py, line 1)"),
    ],
)
def test_a_file_without_a_policy(write: Write, text: str, what: str) -> None:
    """The file itself is wrong."""
    assert (None, what) == refused("tracker", write(text))


def test_a_file_for_another_seam(write: Write) -> None:
    """A walker is no tracker."""
    with pytest.raises(Misuse, match="is not a tracker: its class has the methods of a walker"):
        ModelMachine(f"7.2,tracker={write(WALKER)}")


def test_a_file_that_is_not_there() -> None:
    """It says so."""
    with pytest.raises(Misuse, match=r"^nowhere\.py: no such file"):
        ModelMachine("7.2,tracker=nowhere.py")


@pytest.mark.parametrize("seam", PROTOCOLS)
def test_every_seam_has_methods(seam: str) -> None:
    """There is something to forget."""
    assert len(hooks_of(seam)) >= 2
