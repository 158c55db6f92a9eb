"""S1.11 to S1.14: what lies where in physical memory."""

from errno import EINVAL

from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.units import PAGE_SIZE
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.physmap import PhysicalMap, Resource, is_new_memtype_allowed, system_ram
from pfnlab.kernel.hw.platform import qemu_q35

BAR = Resource(0xF800_0000, 0xF801_0000, "bar")
PC = PhysicalMap((system_ram(0x1000, 0x9FC00), system_ram(0x10_0000, 0x80_0000), BAR))
MIB = 1 << 20


@for_each(
    ("start", "end", "expected"),
    [
        (0x20_0000, 0x30_0000, 1),
        (0xF800_0000, 0xF800_1000, 0),
        (0x1000, 0x2000, 0),
        (0xF_F000, 0x10_1000, -1),
        (0x7F_F000, 0x80_1000, 1),
        (0x80_0000, 0x90_0000, 0),
    ],
    ids=["ram", "mmio", "ram below 1 MiB", "into ram from below 1 MiB", "non-ram tail", "behind ram"],
)
def test_pat_pagerange_is_ram(start: int, end: int, expected: int) -> None:
    """The book's own idea of RAM: none below 1 MiB, and blind to a tail (S1.11.4)."""
    assert expected == PC.pat_pagerange_is_ram(start, end)


def test_gap_between_ram_is_mixed() -> None:
    """RAM, gap, RAM is noticed, because RAM follows the gap."""
    phys = PhysicalMap((system_ram(MIB, 2 * MIB), system_ram(3 * MIB, 4 * MIB)))

    assert -1 == phys.pat_pagerange_is_ram(MIB, 4 * MIB)
    assert 1 == phys.pat_pagerange_is_ram(MIB, 3 * MIB)


edges = st.lists(st.integers(0xF0 * 4, 0x118 * 4), min_size=2, max_size=10, unique=True)


def ram_map(quarters: list[int]) -> PhysicalMap:
    """Disjoint RAM between every second pair of edges, which count quarters of a page."""
    edge = sorted(quarters)
    return PhysicalMap(
        tuple(
            system_ram(a * PAGE_SIZE // 4, b * PAGE_SIZE // 4)
            for a, b in zip(edge[::2], edge[1::2], strict=False)
        )
    )


@given(edges, st.integers(0xEE * 4, 0x11A * 4), st.integers(1, 60))
def test_pat_pagerange_is_ram_like_a_walk_over_pages(edge: list[int], start: int, nr: int) -> None:
    """Runs of RAM give the same answer as looking at every page in turn."""
    phys = ram_map(edge)
    first, last = start * PAGE_SIZE // 4, (start + nr) * PAGE_SIZE // 4
    cur_pfn = first >> 12
    expected = 0
    for pfn in range(max(cur_pfn, 0x100), (last + PAGE_SIZE - 1) >> 12):
        whole = any(r.start <= pfn << 12 and (pfn + 1) << 12 <= r.end for r in phys.resources)
        if whole and pfn > cur_pfn:
            expected = -1
            break
        if whole:
            expected, cur_pfn = 1, pfn + 1

    assert expected == phys.pat_pagerange_is_ram(first, last)


@given(edges, st.integers(0xEE, 0x11A), st.integers(1, 20))
def test_walk_visits_the_whole_pages_of_ram(edge: list[int], start: int, nr: int) -> None:
    """The walk hands out exactly the pages that page_is_ram() calls RAM."""
    phys = ram_map(edge)
    visited: list[int] = []

    phys.walk_system_ram_range(start, nr, lambda pfn, n: visited.extend(range(pfn, pfn + n)) or 0)

    assert [pfn for pfn in range(start, start + nr) if phys.page_is_ram(pfn)] == visited


def test_walk_without_ram() -> None:
    """Nothing to call is an error of its own."""
    assert -EINVAL == PC.walk_system_ram_range(0xF8000, 16, lambda pfn, n: 7)


def test_walk_stops_when_told() -> None:
    """The first answer other than 0 ends the walk and is returned."""
    calls: list[tuple[int, int]] = []

    ret = PC.walk_system_ram_range(0, 0x1000, lambda pfn, n: calls.append((pfn, n)) or 5)

    assert 5 == ret
    assert [(0x1, 0x9E)] == calls


def test_partial_page_is_no_ram() -> None:
    """The page at which RAM ends in the middle is not RAM."""
    assert [True, False] == [PC.page_is_ram(0x9E), PC.page_is_ram(0x9F)]


@for_each(
    ("start", "end", "expected"),
    [(0xA0000, 0x100000, True), (0x9F000, 0xA1000, False), (0xFF000, 0x101000, False)],
)
def test_untracked_means_wholly_inside_the_hole(start: int, end: int, expected: bool) -> None:
    """A range that leaves the ISA hole on either side is tracked (S1.11.5)."""
    assert expected == PC.is_untracked(start, end)


def test_high_memory_is_the_end_of_ram() -> None:
    """Resources behind RAM do not move it."""
    assert 0x80_0000 == PC.high_memory


@for_each(("pfn", "expected"), [(0x10, 2), (0x9F, 2), (0xA0, 1), (0x100, 0), (0xF8000, 1)])
def test_devmem_is_allowed(pfn: int, expected: int) -> None:
    """Low RAM reads as zeros, other RAM is refused, an unclaimed BAR is allowed (S1.13)."""
    assert expected == PC.devmem_is_allowed(pfn, io_strict_devmem=True)


@for_each(("io_strict", "expected"), [(True, 0), (False, 1)])
def test_devmem_of_a_claimed_bar(io_strict: bool, expected: int) -> None:
    """A claim keeps /dev/mem out only with IO_STRICT_DEVMEM."""
    claimed = PC.with_resource(Resource(BAR.start, BAR.end, "driver", busy=True))

    assert expected == claimed.devmem_is_allowed(BAR.start >> 12, io_strict_devmem=io_strict)


def test_exclusive_claim_needs_no_configuration() -> None:
    """A driver that asked for exclusive use is exclusive without IO_STRICT_DEVMEM."""
    claimed = PC.with_resource(Resource(BAR.start, BAR.end, "driver", busy=True, exclusive=True))

    assert claimed.iomem_is_exclusive(BAR.start, io_strict_devmem=False)


def test_relaxed_boot_ignores_claims() -> None:
    """With iomem=relaxed no claim is exclusive."""
    driver = Resource(BAR.start, BAR.end, "driver", busy=True, exclusive=True)
    phys = PhysicalMap((BAR, driver), iomem_relaxed=True)

    assert not phys.iomem_is_exclusive(BAR.start, io_strict_devmem=True)


def test_releasing_undoes_a_claim() -> None:
    """Without its resource the BAR is as before."""
    driver = Resource(BAR.start, BAR.end, "driver", busy=True)

    assert PC.resources == PC.with_resource(driver).without_resource(driver).resources


@given(st.integers(0xF0, 0x110), st.integers(1, 0x20 * PAGE_SIZE), st.booleans())
def test_range_is_allowed_like_every_page(pfn: int, size: int, strict: bool) -> None:
    """A range is refused exactly when one of its pages is."""
    claimed = Resource(0x104_800, 0x105_800, "driver", busy=True)
    phys = PhysicalMap((system_ram(0xF1000, 0xF2000), system_ram(0x10A_800, 0x10B_000), claimed))
    answers = [
        phys.devmem_is_allowed(p, io_strict_devmem=strict)
        for p in range(pfn, pfn + (size + PAGE_SIZE - 1) // PAGE_SIZE)
    ]

    assert all(answers) == phys.range_is_allowed(pfn, size, io_strict_devmem=strict)


@for_each(
    ("start", "size", "left"),
    [(BAR.start, 0x10000, None), (BAR.start, 0x11000, BAR), (0x20_0000, 0x1000, None)],
)
def test_kernel_mapping_must_not_span_more_than_it_touches(
    start: int, size: int, left: Resource | None
) -> None:
    """A mapping that begins in a BAR and leaves it fails the sanity check (S9.6.5)."""
    assert left == PC.iomem_map_sanity_check(start, size)


def test_new_memtype_refusals() -> None:
    """Four pairs of wanted and granted mode are refused, all others pass (S1.12)."""
    refused = {
        (req.short, got.short)
        for req in CacheMode
        for got in CacheMode
        if not is_new_memtype_allowed(PC, BAR.start, PAGE_SIZE, req, got)
    }

    assert {("uc-", "wb"), ("wc", "wb"), ("wt", "wb"), ("wt", "wc")} == refused


def test_isa_hole_allows_every_memtype() -> None:
    """In the ISA hole even write-back will do for UC-."""
    assert is_new_memtype_allowed(PC, 0xA0000, PAGE_SIZE, CacheMode.UC_MINUS, CacheMode.WB)


@for_each(
    ("start", "end", "may"),
    [
        (0xA0_000, 0xA8_000, True),
        (0x9F_000, 0xA1_000, False),
        (0xBF_000, 0xC1_000, False),
        (0xC0_000, 0xC1_000, False),
        (0xC1_000, 0xF0_000, True),
        (0xF0_000, 0xF1_000, False),
        (0x10_0000, 0x10_1000, False),
    ],
)
def test_what_a_driver_can_claim(start: int, end: int, may: bool) -> None:
    """Neither what somebody has, nor a range that leaves a resource (S9.1.6)."""
    assert may == qemu_q35().phys.may_request(start, end)


@for_each(
    ("start", "end", "ram"),
    [(0x98_000, 0x9F_000, True), (0x98_000, 0xA0_000, None), (0xA0_000, 0xA1_000, False)],
)
def test_ram_as_memremap_asks(start: int, end: int, ram: bool | None) -> None:
    """RAM below 1 MiB is RAM, and beside another resource mixed (S9.7.1)."""
    assert ram is qemu_q35().phys.region_intersects(start, end)


@for_each(
    ("start", "end", "booked"),
    [
        (0x98_000, 0xA0_000, True),
        (0xA0_000, 0x10_0000, False),
        (0x9F_000, 0xA1_000, True),
        (0xFF_000, 0x10_1000, False),
    ],
)
def test_what_the_book_takes(start: int, end: int, booked: bool) -> None:
    """Neither what lies in the ISA hole nor what has RAM above 1 MiB in it."""
    assert booked == qemu_q35().phys.is_booked(start, end, piece_of_ram=False)
    assert not qemu_q35().phys.is_booked(start, end, piece_of_ram=True)


def test_nothing_answers_at_the_top() -> None:
    """The last page is there, a BAR is not."""
    assert [True, False] == [qemu_q35().is_top(pfn) for pfn in ((1 << 28) - 1, BAR.start >> 12)]


def test_maps_of_the_same_resources_are_equal() -> None:
    """A map is a value: the order in which it is told does not count, the boot parameter does."""
    again = PhysicalMap(tuple(reversed(PC.resources)))

    assert PC == again
    assert hash(PC) == hash(again)
    assert PC != PC.without_resource(BAR)
    assert PC != PhysicalMap(PC.resources, iomem_relaxed=True)
