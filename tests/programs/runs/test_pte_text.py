"""Page-table entries as words, and runs of them."""

from __future__ import annotations

from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.kernel.hw.entry import entry_pfn
from pfnlab.programs.runs.observation import DeviceSpan, PteSeen
from pfnlab.programs.runs.pte_text import RAM, entry_text, merge_ptes


@for_each(
    ("raw", "text"),
    [
        (0x80000000F800026F, "L1 WC P RW US SPECIAL A D"),
        (0x80000000F800122F, "L1 WC P RW US SPECIAL A"),
        (0x80000000F8008277, "L1 UC- P RW US SPECIAL A D"),
        (0x80000000F8011235, "L1 UC- P RO US SPECIAL A"),
        (0x8000000009A56867, "L1 WB P RW US A D"),
    ],
)
def test_measured_entries_read_as_recorded(raw: int, text: str) -> None:
    """Entries read out of real kernels decode to what was recorded for them."""
    assert text == entry_text(raw, 1)


def test_no_entry_names_its_level() -> None:
    """A raw zero is no entry at that level."""
    assert entry_text(0, 3) == "none@L3"


def test_prot_none_is_not_present_and_keeps_its_mode() -> None:
    """A PROT_NONE entry keeps cache mode, special and accessed."""
    raw = (~0xF8000000 & 0xFFFFFFFFFF000) | 0x128 | 0x200

    assert entry_text(raw, 1) == "L1 WC !P RO SPECIAL A"


def test_prot_none_holds_its_pfn_inverted() -> None:
    """The page frame of a PROT_NONE entry is read back by inverting it."""
    raw = (~0xF8000000 & 0xFFFFFFFFFF000) | 0x128 | 0x200

    assert entry_pfn(raw, 1) == 0xF8000


def test_a_marker_is_no_mapping() -> None:
    """An entry that is neither present nor PROT_NONE maps nothing: a swap entry or a guard marker."""
    assert entry_text(0xFC00000000000000, 1) == "swap@L1"


def test_a_large_leaf_has_its_pat_bit_elsewhere() -> None:
    """In a 2M leaf bit 7 says leaf and bit 12 is the PAT bit."""
    assert entry_text(0xF80000E7 | 1 << 12, 2) == "L2 WB P RW US A D"
    assert entry_text(0xF80000EF | 1 << 12, 2) == "L2 WP P RW US A D"


def test_a_large_leaf_does_not_count_its_pat_bit_as_address() -> None:
    """The page frame of a 2M leaf starts at bit 21."""
    assert entry_pfn(0xF80000E7 | 1 << 12, 2) == 0xF8000


def test_write_through_needs_all_three_bits() -> None:
    """Slot 7 of full PAT is write-through."""
    assert entry_text(0x9D, 1) == "L1 WT P RO US"


def page(number: int, target: DeviceSpan | None, entry: str, task: str = "main") -> PteSeen:
    """One page of area a."""
    return PteSeen(task, "a", number, number + 1, target, entry)


def test_linear_device_pages_become_one_run() -> None:
    """Neighbours that map neighbouring device pages alike are one run."""
    seen = [page(0, DeviceSpan("bar", 4, 5), "L1 WC"), page(1, DeviceSpan("bar", 5, 6), "L1 WC")]

    assert (PteSeen("main", "a", 0, 2, DeviceSpan("bar", 4, 6), "L1 WC"),) == merge_ptes(seen)


def test_a_jump_in_the_device_starts_a_run() -> None:
    """Pages that are not next to each other in the device are two runs."""
    seen = [page(0, DeviceSpan("bar", 4, 5), "L1 WC"), page(1, DeviceSpan("bar", 6, 7), "L1 WC")]

    assert tuple(seen) == merge_ptes(seen)


def test_ram_pages_run_together_whichever_they_are() -> None:
    """Ordinary RAM has no numbers, so its runs depend on the words alone."""
    seen = [page(0, RAM, "L1 WB"), page(1, RAM, "L1 WB")]

    assert (PteSeen("main", "a", 0, 2, RAM, "L1 WB"),) == merge_ptes(seen)


def test_missing_entries_run_by_level() -> None:
    """Holes at different levels are different runs."""
    seen = [page(0, None, "none@L1"), page(1, None, "none@L2")]

    assert tuple(seen) == merge_ptes(seen)


def test_tasks_do_not_run_into_each_other() -> None:
    """The last page of one task and the first of the next stay apart, tasks in the order they came."""
    seen = [page(1, RAM, "L1 WB", "main"), page(0, RAM, "L1 WB", "child"), page(0, RAM, "L1 WB", "main")]

    expected = (
        PteSeen("main", "a", 0, 2, RAM, "L1 WB"),
        PteSeen("child", "a", 0, 1, RAM, "L1 WB"),
    )
    assert expected == merge_ptes(seen)


TARGETS = st.one_of(
    st.none(), st.just(RAM), st.integers(0, 3).map(lambda number: DeviceSpan("bar", number, number + 1))
)
PAGES = st.dictionaries(
    st.tuples(st.sampled_from(["main", "child"]), st.integers(0, 12)),
    st.tuples(TARGETS, st.sampled_from(["x", "y"])),
)


def pagewise(seen: tuple[PteSeen, ...]) -> dict[tuple[str, int], tuple[DeviceSpan | None, str]]:
    """What every single page maps."""
    pages = {}
    for run in seen:
        for index in range(run.end - run.start):
            target = run.target
            if target is not None and target != RAM:
                target = DeviceSpan(target.name, target.start + index, target.start + index + 1)
            pages[run.task, run.start + index] = (target, run.entry)
    return pages


@given(PAGES)
def test_merging_keeps_what_every_page_maps(
    pages: dict[tuple[str, int], tuple[DeviceSpan | None, str]],
) -> None:
    """Runs say of every page exactly what was seen of it."""
    seen = [page(number, target, entry, task) for (task, number), (target, entry) in pages.items()]

    assert pages == pagewise(merge_ptes(seen))


@given(PAGES)
def test_merging_twice_changes_nothing(
    pages: dict[tuple[str, int], tuple[DeviceSpan | None, str]],
) -> None:
    """Runs are maximal, so merging runs again leaves them alone."""
    seen = [page(number, target, entry, task) for (task, number), (target, entry) in pages.items()]

    assert merge_ptes(seen) == merge_ptes(merge_ptes(seen))
