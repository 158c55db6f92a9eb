"""Reviews of designs that are known to be wrong, or right, by questions that nobody wrote for them."""

from __future__ import annotations

from collections import Counter
from functools import cache
from pathlib import Path

import pytest
from for_each import for_each

from pfnlab.base.result import Outcome
from pfnlab.checker.review import pairs as review_pairs
from pfnlab.checker.review import review as reviewing
from pfnlab.checker.review.grounds import GROUNDS, KINDS, OPERATIONS, ground, setup
from pfnlab.checker.review.judged import breaks_at, judged
from pfnlab.checker.review.review import ReviewPiece, plan, review
from pfnlab.checker.review.review_result import ReviewResult
from pfnlab.checker.review.sequences import SideBySideModels
from pfnlab.kernel.policies.own import load_policy
from pfnlab.programs.cases.neighbours import NEIGHBOURS
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine

#: Enough for every piece of a test, and no wait without an end.
LONG = 240.0

#: What asks the same of another design.
LATER = pytest.mark.target("long")

#: The plainest grounds: a PCI file and a driver's remap, alone.
PLAIN = tuple(ReviewPiece(0, number, doubles=True) for number in (0, 1))


def reviewed(base: str, design: str, *pieces: ReviewPiece) -> ReviewResult:
    """A review of these pieces."""
    return review(ModelMachine(base), ModelMachine(design), seconds=LONG, pieces=pieces)


@cache
def vm_pat() -> ReviewResult:
    """The review of a tracker that kernels have left, which several facts are about."""
    return reviewed("7.3", "7.3,tracker=vm_pat", *PLAIN)


@cache
def unflushed() -> ReviewResult:
    """The review of a kernel that never flushes, by one question."""
    return reviewed("7.3", "7.3,flush=none", *owner_pieces("alone", _REMAP, "munmap a[510:514]"))


def owner_pieces(neighbour: str, kind: str, first: str) -> list[ReviewPiece]:
    """The pieces of an owner's revocation beside *first*."""
    return [
        piece
        for piece in plan()
        if piece.pair is not None
        and (piece.pair.neighbour.name, piece.pair.kind.name, piece.pair.first) == (neighbour, kind, first)
    ]


def test_a_design_that_changes_nothing_is_said_to_change_nothing() -> None:
    """The base against itself."""
    found = reviewed("7.3", "7.3", PLAIN[1])

    assert (True, Outcome.AS_EXPECTED) == (found.is_unchanged, found.outcome)
    assert found.states > 1000


def test_what_a_tracker_breaks_is_shown_by_its_shortest_program() -> None:
    """VM_PAT on a kernel that had left it: a hole leaves a reservation."""
    (leak,) = (broken for broken in vm_pat().broken if broken.name == "no_leak")
    program = load_text(leak.text or "", "found")
    assert 2 == len(program.ops)
    assert Outcome.DISCOVERY is vm_pat().outcome


def test_a_found_program_breaks_the_design_and_not_the_base() -> None:
    """When it is run again, by the judges of states."""
    for broken in vm_pat().broken:
        program = load_text(broken.text or "", "found")
        at, kept = (
            breaks_at(judged(ModelMachine(spec), program), broken.name)
            for spec in ("7.3,tracker=vm_pat", "7.3")
        )
        assert at is not None and (kept is None or kept > at)


@pytest.mark.parametrize(
    "design",
    [
        "7.3,failed_remap_zaps=off",
        *(pytest.param(one, marks=LATER) for one in ("7.3,tracker=vm_pat", "7.3,flush=end_vma")),
    ],
)
def test_a_state_that_was_met_before_needs_no_second_try(design: str) -> None:
    """What is found is the same where every operation is tried behind every other."""
    found, patch = reviewed("7.3", design, PLAIN[1]), pytest.MonkeyPatch()

    with patch.context() as every:
        every.setattr(SideBySideModels, "_is_new", lambda self: True)
        whole = reviewed("7.3", design, PLAIN[1])

    assert found.states < whole.states
    assert [(one.name, one.text) for one in whole.broken] == [(one.name, one.text) for one in found.broken]
    assert [(one.name, one.text) for one in whole.repaired] == [
        (one.name, one.text) for one in found.repaired
    ]


@for_each(
    ("design", "name"),
    [
        ("7.3,failed_remap_zaps=off", "freed_unmapped"),
        ("7.3,error_puts_vm_file=off", "right_file"),
        ("6.12", "fork_works"),
    ],
)
def test_a_new_property_finds_its_defect(design: str, name: str) -> None:
    """By a question that nobody wrote for it: a buffer freed on error, a stacked mmap, a fork of copies."""
    kinds = [kind.name for kind in KINDS]
    alone = [ReviewPiece(0, kinds.index("a private mapping with a copied page"))]

    found = reviewed("7.3", design, *alone)

    (one,) = (broken for broken in found.broken if broken.name == name)
    assert len(load_text(one.text or "", "found").ops) <= 3


def test_a_copy_without_a_flush_is_found() -> None:
    """A read leaves a translation of the device's page behind, and a write puts another in its place."""
    number = [kind.name for kind in KINDS].index("a private mapping")

    found = reviewed("7.3", "7.3,copy_flushes_first=off", ReviewPiece(0, number, doubles=True))

    (one,) = (broken for broken in found.broken if broken.name == "copied_flushed")
    assert ["read a[510]", "write a[510] 1"] == (one.text or "").splitlines()[-2:]


def test_what_is_broken_one_way_is_repaired_the_other() -> None:
    """Base and design exchanged."""
    there, back = vm_pat(), reviewed("7.3,tracker=vm_pat", "7.3", *PLAIN)

    assert {one.name for one in there.broken} == {one.name for one in back.repaired}
    assert {one.name for one in there.repaired} == {one.name for one in back.broken}


_REMAP, _MIXED = "a driver's remap", "counted pages and frames"


@pytest.mark.parametrize(
    ("design", "neighbour", "kind", "first"),
    [
        ("none", "alone", _REMAP, "munmap a[510:514]"),
        ("first_vma", "ordinary memory in front", _REMAP, "munmap a[506:522]"),
        pytest.param("gather_draft", "ordinary memory in front", _REMAP, "munmap a[506:522]", marks=LATER),
        pytest.param("gather_v1", "ordinary memory behind", _REMAP, "munmap a[506:522]", marks=LATER),
        pytest.param("gather_v3", "alone", _MIXED, "munmap a[510:514]", marks=LATER),
        pytest.param("gather_v4", "alone", _MIXED, "munmap a[510:514]", marks=LATER),
        ("gather_v5", "alone", _MIXED, "munmap a[510:514]"),
    ],
)
def test_a_flush_that_is_missing_is_found_by_a_schedule(
    design: str, neighbour: str, kind: str, first: str
) -> None:
    """The owner is told while a processor still reads, in a program of at most twelve operations."""
    asked = owner_pieces(neighbour, kind, first)
    found = unflushed() if design == "none" else reviewed("7.3", f"7.3,flush={design}", *asked)

    assert ["told_free"] == [broken.name for broken in found.broken]
    assert found.broken[0].schedule
    assert len(load_text(found.broken[0].text or "", "found").ops) <= 12


@pytest.mark.parametrize("design", ["gather_v2", pytest.param("any_vma", marks=LATER)])
@for_each(
    ("neighbour", "kind", "first"),
    [
        ("ordinary memory in front", _REMAP, "munmap a[506:522]"),
        ("ordinary memory behind", _REMAP, "munmap a[506:522]"),
        ("alone", _MIXED, "munmap a[510:514]"),
    ],
)
def test_a_flush_in_time_is_not_blamed(design: str, neighbour: str, kind: str, first: str) -> None:
    """The same questions, of versions that hold."""
    found = reviewed("7.3", f"7.3,flush={design}", *owner_pieces(neighbour, kind, first))

    assert () == found.broken


_EARLY = """
from pfnlab.design import TrackCtx


class Early(TrackCtx):
    def {method}(self, vma):
        TrackCtx.vm_area_free(self, vma)

    def {other}(self, vma):
        pass
"""


def _early(folder: Path, method: str, other: str) -> str:
    """A tracker that releases the reservation where *method* is called."""
    own = folder / "early.py"
    own.write_text(_EARLY.format(method=method, other=other))
    return f"7.3,tracker={own}"


@for_each("kind", ["a PCI file", "a private mapping", "a driver's remap"])
def test_a_reservation_that_goes_before_the_flush_is_found(tmp_path: Path, kind: str) -> None:
    """Another process maps the frames in another mode, and a processor remembers them in the old one."""
    pieces = [piece for piece in owner_pieces("alone", kind, "munmap a[510:514]") if piece.stage == 3]

    found = reviewed("7.3", _early(tmp_path, "unmap_vmas", "vm_area_free"), *pieces)

    assert ["one_mode"] == [broken.name for broken in found.broken]


def test_a_claim_asks_for_what_is_given_up_and_its_reader_was_there() -> None:
    """Else the rest of the mapping decides on the mode, or nobody remembers it."""
    claims = [piece.pair for piece in plan() if piece.stage == 3 and piece.pair is not None]

    asked = {
        (pair.first, pair.second.partition("mmap ")[2].partition(" ")[0], pair.reader) for pair in claims
    }
    assert {
        ("munmap a[510:514]", "bar[8:12]", 510),
        ("munmap a[510:511]", "bar[8:9]", 510),
        ("mmap anon[0:2] private rw over a[510:512]", "bar[8:10]", 510),
        ("mremap a[510:514] 2 pages", "bar[10:12]", 512),
        ("zap_vma_ptes a[510:514]", "bar[8:12]", 510),
    } == asked


@for_each("first", ["munmap a[510:511]", "mremap a[510:514] 2 pages"])
def test_a_part_that_goes_before_the_flush_is_found(tmp_path: Path, first: str) -> None:
    """Of a tracker that frees parts, and frees them while entries are there."""
    own = tmp_path / "early.py"
    own.write_text(
        "from pfnlab.design import PerVma\n\n\nclass Early(PerVma):\n    def unmap_vmas(self, vma):\n"
        "        PerVma.vm_area_free(self, vma)\n"
    )
    pieces = [piece for piece in owner_pieces("alone", "a PCI file", first) if piece.stage == 3]

    found = reviewed("7.3,tracker=per_vma", f"7.3,tracker={own}", *pieces)

    assert "one_mode" in [broken.name for broken in found.broken]


def test_a_reservation_that_goes_behind_the_flush_is_not_blamed(tmp_path: Path) -> None:
    """The same tracker with the release where it belongs."""
    pieces = [piece for piece in owner_pieces("alone", "a PCI file", "munmap a[510:514]") if piece.stage == 3]

    found = reviewed("7.3", _early(tmp_path, "vm_area_free", "unmap_vmas"), *pieces)

    assert () == found.broken


def test_more_flushes_are_a_cost_and_no_violation() -> None:
    """Each VMA by itself, as before 6.16."""
    found = reviewed("7.3", "7.3,flush=end_vma", ReviewPiece(7, len(KINDS) + 1, doubles=True))

    assert ((), True) == (found.broken, any(cost.more for cost in found.costs if cost.kind == "flushes"))


def test_reservations_and_allocations_are_costs() -> None:
    """Of a tracker that reserves once more for a child, and allocates less for a mapping."""
    more = {(cost.kind, cost.operation) for cost in vm_pat().costs if cost.more}
    fewer = {(cost.kind, cost.operation) for cost in vm_pat().costs if cost.fewer}
    assert ("reservations", "fork") in more
    assert ("allocations", "mmap") in fewer


def test_another_book_is_a_change_and_no_violation() -> None:
    """What an owner of a part has freed is reserved no longer, and nobody else notices.

    But each part needs an entry: where a move gets none to cut its source, 7.3 keeps it committed (S5.8.15).
    """
    found = reviewed("7.3", "7.3,tracker=per_vma", ReviewPiece(0, 0))

    book = [change for change in found.changes if change.field == "book"]
    assert (["committed_left"], False) == ([one.name for one in found.broken], found.is_unchanged)
    assert ("munmap", "4 wc", "3 wc") in [(one.operation, one.base, one.design) for one in book]


def test_a_state_that_differs_is_counted_once_on_its_way() -> None:
    """Where it began to, not at every operation behind."""
    found = reviewed("7.3", "7.3,tracker=per_vma", ReviewPiece(0, 0))

    assert "end" not in {change.operation for change in found.changes}


def _needless(design: str, *lines: str) -> list[int]:
    """The flushes of each step that nothing needed."""
    text = "\n".join(("pfnlab program 1", "device bar: pci, 16 pages", "area a: 1024 pages", *lines, ""))
    return [step.costs.needless for step in judged(ModelMachine(design), load_text(text))][: len(lines)]


_MAPPED = "mmap bar[0:4] driver remap wc shared rw over a[0:4]"
_MIXED_MAP = "mmap bar[0:4] driver mixed wc shared rw over a[0:4]"
_TOLD = "unmap_mapping_range bar[0:4]"


@for_each(
    ("design", "lines", "expected"),
    [
        # R05: each of two maps is flushed in a madvise that takes neither away.
        ("7.3,flush=end_vma", (_MIXED_MAP, "read a[0]", "madvise a[0:4] dontneed"), 1),
        ("7.3", (_MIXED_MAP, "read a[0]", "madvise a[0:4] dontneed"), 0),
        # R09: a revocation has emptied the map, and the flag of its VMA is set all the same.
        (
            "7.3",
            (_MAPPED, "mmap anon[0:4] private rw over a[4:8]", "write a[4] 1", _TOLD, "munmap a[0:8]"),
            1,
        ),
        ("7.3", (_MAPPED, "munmap a[0:4]"), 0),
        ("7.3,flush=none", (_MAPPED, "munmap a[0:4]"), 0),
        ("7.3,flush=end_vma", (_MAPPED, "munmap a[0:4]"), 0),
    ],
)
def test_a_flush_that_nothing_needs_is_counted(design: str, lines: tuple[str, ...], expected: int) -> None:
    """It is needed where frames have gone from a mapping that goes, and its owner may be told."""
    assert expected == _needless(design, *lines)[-1]


@for_each(("design", "expected"), [("gather_v2", 1), ("gather_v3", 0)])
def test_a_flag_that_outlives_another_flush_is_a_cost(design: str, expected: int) -> None:
    """A counted page flushes in a mixed map: the flag of v2 stays for ordinary memory, v3 clears it (R07)."""
    head = "mmap bar[0:2] driver mixed_pages wc shared rw over a[510:512]"
    ordinary = "mmap anon[0:2] private rw over a[512:514]", "write a[512] 1"

    counted = _needless(f"7.3,flush={design}", head, "write a[510] 1", *ordinary, "munmap a[510:514]")

    assert expected == counted[-1]


def test_needless_flushes_are_a_cost_of_a_design() -> None:
    """By operation, of base and design."""
    found = reviewed("7.3", "7.3,flush=end_vma", ReviewPiece(0, 1))

    needless = {cost.operation: (cost.base, cost.design) for cost in found.costs if cost.kind == "needless"}
    assert needless["zap_vma_ptes"][0] == 0 < needless["zap_vma_ptes"][1]


def test_a_core_that_was_cut_is_undecided() -> None:
    """With what was cut."""
    found = review(ModelMachine("7.3"), ModelMachine("7.3"), seconds=0, pieces=list(PLAIN))

    assert (Outcome.UNDECIDED, False) == (found.outcome, found.complete)
    assert [(0, 2)] == [(stage.asked, stage.planned) for stage in found.stages if stage.planned]


def test_a_search_that_is_cut_blames_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the base keeps what the design violates is not known then."""
    monkeypatch.setattr(review_pairs, "MOST_STATES", 30)
    pieces = owner_pieces("alone", _REMAP, "munmap a[510:514]")

    found = reviewed("7.3", "7.3,flush=none", *pieces)

    assert ((), False, Outcome.UNDECIDED) == (found.broken, found.complete, found.outcome)


def test_a_cut_behind_the_core_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Complete where only a later stage was cut."""
    clock = iter([0.0, 0.0, 1e9, 1e9])
    monkeypatch.setattr(reviewing.time, "monotonic", lambda: next(clock, 1e9))

    found = review(ModelMachine("7.3"), ModelMachine("7.3"), seconds=1, pieces=[ReviewPiece(7, 13)])

    assert (True, Outcome.AS_EXPECTED) == (found.complete, found.outcome)


def test_every_kind_can_stand_beside_every_neighbour() -> None:
    """The setups are programs, and nearly all operations follow them."""
    for number, (kind, neighbour) in enumerate(GROUNDS):
        found = ground(number)
        assert len(setup(kind, neighbour)) == len(found.program.ops)
        assert len(found.firsts) > len(found.seconds) > 30


def test_the_plan_has_every_ground_and_no_piece_twice() -> None:
    """The core first."""
    pieces = plan()

    assert len(pieces) == len(set(pieces))
    assert {piece.ground for piece in pieces if piece.pair is None} == set(
        range(len(KINDS) * len(NEIGHBOURS))
    )
    assert sorted(piece.stage for piece in pieces) == [piece.stage for piece in pieces]


def test_an_own_policy_is_reviewed(tmp_path: Path) -> None:
    """A file of a few lines, as a user writes it."""
    own = tmp_path / "wrong.py"
    own.write_text(
        "from pfnlab.design import FirstVma\n\n\nclass Mine(FirstVma):\n    '''As the first VMA says.'''\n"
    )
    seam = load_policy(str(own)).seam
    pieces = owner_pieces("ordinary memory in front", "a driver's remap", "munmap a[506:522]")

    found = reviewed("7.3", f"7.3,{seam}={own}", *pieces)

    assert ["told_free"] == [broken.name for broken in found.broken]


def test_the_page_has_the_counts_of_the_plan() -> None:
    """Of kinds, neighbours, operations, and of the pieces of each stage."""
    page = " ".join((Path(__file__).parents[3] / "docs" / "review.md").read_text(encoding="utf-8").split())
    pieces = Counter(piece.stage for piece in plan())

    counts = [f"{len(KINDS)} kinds of mappings", f"{len(NEIGHBOURS) - 1} neighbours"]
    counts.append(f"{len(OPERATIONS)} operations")
    assert [] == [count for count in counts if count not in page]
    assert [] == [count for count in pieces.values() if f"| {count:,} |" not in page]


def test_a_driver_that_remembers_mappings_in_the_middle_of_their_end_is_kept() -> None:
    """vfio-pci up to 6.9: a schedule stops where a VMA is in no address space any more."""
    pieces = [piece for piece in owner_pieces("alone", "vfio", "munmap a[510:511]") if piece.stage == 3]

    found = reviewed("6.1", "6.1", *pieces)

    assert (1, {}) == (found.schedules, found.left_out)


def test_what_does_the_same_is_asked_once() -> None:
    """A munmap of all around a mapping that stands alone is a munmap of the mapping."""
    asked = {
        (piece.pair.neighbour.name, piece.pair.first)
        for piece in plan()
        if piece.pair is not None and piece.stage in (2, 5) and piece.pair.kind.name == _REMAP
    }

    wide = {name for name, first in asked if first == "munmap a[506:1542]"}
    near = {name for name, first in asked if first == "munmap a[506:522]"}
    assert {"a page table away"} == wide
    assert {
        "ordinary memory in front",
        "ordinary memory behind",
        "after it, touching",
        "in front of it",
    } == near


def test_a_driver_is_asked_about_its_own_mappings() -> None:
    """vfio's operations are of no use elsewhere."""
    firsts = {
        piece.pair.first for piece in plan() if piece.pair is not None and not piece.pair.kind.kind.alone
    }

    assert "zap_vma_ptes a[510:514]" in firsts
    assert "memory_disable bar" not in firsts


def test_a_walker_that_the_design_leaves_alone_is_not_its_fault() -> None:
    """Others of the base miss copied pages too, which hides nothing."""
    pieces = [ReviewPiece(0, number) for number, kind in enumerate(KINDS) if kind.name == "a private mapping"]

    found = reviewed("7.3", "7.3,walker.folio_walk_start=early_refusal", *pieces)

    assert ["walks_all"] == [broken.name for broken in found.broken]
    assert "walks_all" in [one.name for one in reviewed("7.3", "7.3", *pieces).same]


def test_the_kinds_that_differ_are_named() -> None:
    """And those that do not are not: vfio of 6.10 has no reservation to lose."""
    pieces = [
        ReviewPiece(0, number)
        for number, kind in enumerate(KINDS)
        if kind.name in ("vfio", "a driver's remap")
    ]

    found = reviewed("6.10", "6.10,tracker=unmap_only", *pieces)

    assert ["a driver's remap"] == list(found.differs)


def test_what_a_neighbour_of_another_kind_does_is_not_the_subjects() -> None:
    """The PCI file next to vfio loses its reservation."""
    (number,) = (
        number
        for number, (kind, neighbour) in enumerate(GROUNDS)
        if (kind.name, neighbour.name) == ("vfio", "its first page elsewhere, uncached")
    )

    found = reviewed("6.10", "6.10,tracker=unmap_only", ReviewPiece(1, number))

    assert ["vfio and a PCI file"] == list(found.differs)


def test_a_schedule_that_differs_counts_for_its_kind() -> None:
    """As a state of a sequence does."""
    assert {_REMAP: 2} == unflushed().differs


@for_each(
    ("switch", "kind", "expected"),
    [
        ("leaf_read_unlocked", "a 2 MiB leaf", ["told_free"]),
        ("walk_trusts_split", "a 1 GiB leaf", ["walks_tables"]),
    ],
)
def test_who_looks_at_leaves_meets_what_takes_them_away(switch: str, kind: str, expected: list[str]) -> None:
    """Two defects that kernels had, each as a switch of one that has none of them."""
    pieces = [piece for piece in plan() if piece.stage == 4 and piece.pair and piece.pair.kind.name == kind]

    found = reviewed("7.3", f"7.3,{switch}=on", *pieces)

    assert expected == [broken.name for broken in found.broken]


@for_each("stage", [4, 6])
def test_what_meets_is_a_program(stage: int) -> None:
    """Of every meeting and every triple, so that none is left out in silence."""
    made = [piece.pair for piece in plan() if piece.stage == stage and piece.pair is not None]

    assert [] == [pair.name for pair in made if pair.race() is None]


def test_a_triple_has_a_third_task_beside_both() -> None:
    """Three operations, each of a task of its own."""
    made = [piece.pair.race() for piece in plan() if piece.stage == 6 and piece.pair is not None]

    assert {3} == {len({op.task for op in race.concurrent}) for race in made if race is not None}


def test_an_operation_that_waits_for_a_lock_of_its_own_is_a_deadlock() -> None:
    """A failed remap zaps within mmap, and the tracker takes the lock that mmap has."""
    found = reviewed("7.3", "7.3,tracker=locked_untrack", ReviewPiece(0, 0))

    (stuck,) = (broken for broken in found.broken if broken.name == "no_deadlock")
    assert "sequence" == stuck.form
    (last,) = load_text(stuck.text or "", "found").ops
    assert "__pte_alloc" == (last.fail.function if last.fail is not None else "")
    assert ("ok", "never returns") not in {
        (change.base, change.design) for change in found.changes if change.operation == "end"
    }


def test_the_locks_of_what_never_returns_are_free_again() -> None:
    """Other operations of the ground are tried as ever."""
    found = reviewed("7.3", "7.3,tracker=locked_untrack", ReviewPiece(0, 0))

    assert (True, 1) == (found.complete, sum(broken.name == "no_deadlock" for broken in found.broken))
    assert {"munmap", "mmap"} <= {change.operation for change in found.changes}


_FIRST_FRAME = """
from pfnlab.design import PfnRange, TrackCtx, lookup_prot


class FirstFrame(TrackCtx):
    def vmf_insert_pfn(self, vma, vpn, pfns, prot):
        first = pfns.start - (vpn - vma.start)
        return lookup_prot(self._kernel.book, PfnRange({frame}, {frame} + 1), prot)
"""


@for_each(("frame", "broken"), [("first", {"one_mode", "booked_mode"}), ("pfns.start", set())])
def test_a_mode_of_the_wrong_frame_is_found(tmp_path: Path, frame: str, broken: set[str]) -> None:
    """Where another mapping has the frame already; the right frame is not blamed."""
    own = tmp_path / "first_frame.py"
    own.write_text(_FIRST_FRAME.format(frame=frame))
    pieces = [
        piece
        for piece in plan()
        if piece.stage == 1
        and GROUNDS[piece.ground][0].name == "a remapped part"
        and GROUNDS[piece.ground][1].name == "its last page elsewhere, write-combining"
    ]

    found = reviewed("7.3", f"7.3,tracker={own}", *pieces)

    assert broken == {one.name for one in found.broken}


_CUT = """
from pfnlab.design import PerVma, PfnRange, pfnmap_untrack


class Cut(PerVma):
    def vma_prepare(self, vma, new):
        if vma.pfnmap is None:
            return
        whole, first = vma.pfnmap, vma.pfnmap.start + new.pgoff - vma.pgoff
        part = PfnRange(first, first + new.nr)
        rest = PfnRange(part.end, whole.end) if new.start == vma.start else PfnRange(whole.start, part.start)
        both = self._reserve_again(part), self._reserve_again(rest)
        new.pfnmap, vma.pfnmap = both
        pfnmap_untrack(self._kernel, whole)
"""


def test_an_error_path_that_forgets_a_reservation_is_found(tmp_path: Path) -> None:
    """The second of two allocations of a cut fails, where the base has none."""
    own = tmp_path / "cut.py"
    own.write_text(_CUT)

    found = reviewed("7.3", f"7.3,tracker={own}", ReviewPiece(0, 0))

    (leak,) = (one for one in found.broken if one.name == "no_leak")
    assert "fail pfnmap_track 2: " in (leak.text or "")


_CHILD_ANEW = """
import errno

from pfnlab.design import ModelledErrno, PfnmapTrackCtx, TrackCtx, pfnmap_track


class ChildAnew(TrackCtx):
    def vm_area_dup(self, orig, new):
        if orig.pfnmap is None or new.mm is orig.mm:
            super().vm_area_dup(orig, new)
            return
        try:
            pfnmap_track(self._kernel, orig.pfnmap.pfns, orig.page_prot)
        except ModelledErrno:
            raise ModelledErrno(errno.ENOMEM) from None
        new.pfnmap = PfnmapTrackCtx(orig.pfnmap.pfns)
"""


def test_a_refused_operation_does_not_lend_what_it_would_have_left(tmp_path: Path) -> None:
    """A fork that fails leaves no child: a cut of the parent shows the same in the base without a fork."""
    own = tmp_path / "child.py"
    own.write_text(_CHILD_ANEW)

    found = reviewed("7.3", f"7.3,tracker={own}", ReviewPiece(0, 0, doubles=True))

    assert any(change.operation == "fork" and "ENOMEM" in change.design for change in found.changes)
    assert () == found.broken
