"""S5.10.6, S9.2, S10.3: mmap, and MAP_FIXED over what is there."""

from __future__ import annotations

from for_each import for_each
from series_runs import SHARED, entries, every_series
from series_runs import run_to_end as run

from pfnlab.kernel.policies.profiles import SERIES
from pfnlab.programs.runs.observation import Step


def book(step: Step) -> list[str]:
    """The book after a step."""
    return [str(entry) for entry in step.book]


def flags(step: Step) -> list[tuple[str, str]]:
    """The VMAs after a step with their VmFlags, the tracker's own flag left out."""
    return [(str(vma.span), vma.flags.replace(" ar ", " ")) for vma in step.vmas or ()]


@every_series
def test_flags_of_a_shared_mapping(series: str) -> None:
    """A shared device mapping has the four flags of a remap, and soft-dirty (S10.3)."""
    mapped, _ = run(series, "a = mmap bar[0:8] devmem shared rw")

    assert [("a[0:8]", "rd wr sh mr mw me ms pf io de dd sd")] == flags(mapped)


@every_series
@for_each("via", ["wc", "uc", "proc-wc", "proc-uc"])
def test_flags_of_a_pci_mapping(series: str, via: str) -> None:
    """PCI files may not be executed from: ``me`` is missing (S9.2.5)."""
    mapped, _ = run(series, f"a = mmap bar[0:8] {via} shared rw")

    assert [("a[0:8]", "rd wr sh mr mw ms pf io de dd sd")] == flags(mapped)


@every_series
@for_each(("prot", "start", "account"), [("rw", "rd wr", "ac "), ("r", "rd", "")])
def test_flags_of_a_private_mapping(series: str, prot: str, start: str, account: str) -> None:
    """A private mapping has no ``sh`` and ``ms``; only a writable one is accounted (S10.3)."""
    mapped, _ = run(series, f"a = mmap bar[0:8] devmem private {prot}")

    flat = mapped.vmas[0].flags.replace(" ar", "") if mapped.vmas else ""
    assert f"{start} mr mw me pf io de {account}dd sd" == flat


@for_each(("series", "tracked"), [(s, s in SERIES[:2]) for s in SERIES])
def test_ar_is_the_old_tracker(series: str, tracked: bool) -> None:
    """VM_PAT shows as ``ar`` where there is one (S10.3)."""
    mapped, _ = run(series, SHARED)

    assert tracked == ("ar" in (mapped.vmas or ())[0].flags.split())


@every_series
@for_each(
    ("via", "entry"),
    [
        ("wc", "WC"),
        ("uc", "UC-"),
        ("proc-wc", "WC"),
        ("proc-uc", "UC-"),
        ("devmem", "UC-"),
        ("devmem-sync", "UC-"),
    ],
)
@for_each(("sharing", "access"), [("shared", "RW"), ("private", "RO")])
def test_entries(series: str, via: str, entry: str, sharing: str, access: str) -> None:
    """Every page is there at once: special, accessed, in the mode granted; private ones read-only."""
    mapped, _ = run(series, f"a = mmap bar[2:6] {via} {sharing} rw")

    assert [("a[0:4]", f"L1 {entry} P {access} US SPECIAL A")] == entries(mapped)
    assert [f"bar[2:6] {entry.lower()}"] == book(mapped)


@every_series
def test_no_access(series: str) -> None:
    """PROT_NONE is mapped, booked and not present."""
    mapped, _ = run(series, "a = mmap bar[0:8] wc shared none")

    assert [("a[0:8]", "L1 WC !P RO SPECIAL A")] == entries(mapped)


@every_series
@for_each("via", ["wc", "uc", "proc-wc", "proc-uc"])
def test_exec_of_pci_files(series: str, via: str) -> None:
    """Mapping a PCI file for execution is EPERM (S9.2.5)."""
    refused, _ = run(series, f"a = mmap bar[0:8] {via} shared rx")

    assert ("EPERM", (), ()) == (refused.result, refused.vmas, refused.book)


@every_series
@for_each(
    ("via", "result"), [("wc", "EINVAL"), ("uc", "EINVAL"), ("proc-uc", "ENODEV"), ("proc-wc", "ENODEV")]
)
@for_each("pages", ["10:17", "16:18"])
def test_past_the_bar(series: str, via: str, result: str, pages: str) -> None:
    """A mapping that does not fit the BAR is EINVAL of sysfs and ENODEV of /proc (S10.6)."""
    refused, _ = run(series, f"a = mmap bar[{pages}] {via} shared rw")

    assert (result, (), ()) == (refused.result, refused.vmas, refused.book)


@every_series
def test_an_area_in_use(series: str) -> None:
    """Without MAP_FIXED nothing is replaced: EEXIST (MAP_FIXED_NOREPLACE)."""
    mapped, refused, _ = run(series, SHARED, SHARED)

    assert ("EEXIST", mapped.vmas) == (refused.result, refused.vmas)


@every_series
def test_over_the_middle(series: str) -> None:
    """MAP_FIXED replaces just its range, and equal neighbours stay separate VMAs (S5.3.2)."""
    *_, over, _ = run(series, SHARED, "mmap bar[3:5] wc shared rw over a[3:5]")

    assert ["a[0:3]", "a[3:5]", "a[5:8]"] == [span for span, _ in flags(over)]


@every_series
def test_anonymous_over_everything(series: str) -> None:
    """Anonymous memory over a whole PFN mapping leaves nothing of it."""
    *_, over, _ = run(series, SHARED, "mmap anon[0:8] private rw over a[0:8]")

    assert (["anon"], [], ()) == ([vma.file for vma in over.vmas or ()], book(over), over.log)


@every_series
def test_a_failing_replacement_leaves_a_hole(series: str) -> None:
    """When the new file refuses, the old pages are gone already (measured)."""
    *_, refused, _ = run(series, SHARED, "mmap bar[15:17] uc shared rw over a[2:4]")

    assert ("EINVAL", ["a[0:2]", "a[4:8]"]) == (refused.result, [span for span, _ in flags(refused)])


@for_each(("series", "mode"), [(s, "wc" if s in ("6.16", "6.17", "6.18") else "uc-") for s in SERIES])
def test_devmem_over_write_combining(series: str, mode: str) -> None:
    """/dev/mem adopts from what it replaces only where the old range outlives the asking (S4.8, measured)."""
    *_, over, _ = run(series, SHARED, "mmap bar[0:8] devmem shared rw over a[0:8]")

    assert [f"bar[0:8] {mode}"] == book(over)


@every_series
@for_each(
    ("first", "second", "mode"),
    [
        ("wc", "uc", "wc"),
        ("uc", "wc", "uc-"),
        ("wc", "devmem", "wc"),
        ("wc", "devmem-sync", "wc"),
        ("uc", "devmem", "uc-"),
    ],
)
def test_a_second_mapping_adopts(series: str, first: str, second: str, mode: str) -> None:
    """The second mapping of the same pages gets the mode of the first, silently (S9.2.4, S11.2, S11.3)."""
    _, adopted, _ = run(
        series, f"a = mmap bar[0:4] {first} shared rw", f"b = mmap bar[0:4] {second} shared rw"
    )

    assert ("ok", [f"bar[0:4] {mode}"] * 2, ()) == (adopted.result, book(adopted), adopted.log)


@every_series
@for_each(
    ("via", "result", "track", "req"),
    [
        ("uc", "EINVAL", "uncached-minus", "uncached-minus"),
        ("wc", "EINVAL", "write-combining", "write-combining"),
        ("proc-uc", "EINVAL", "uncached-minus", "uncached-minus"),
        ("devmem", "EAGAIN", "uncached-minus", "write-back"),
    ],
)
def test_a_mapping_across_two_modes(series: str, via: str, result: str, track: str, req: str) -> None:
    """Pages booked in two modes cannot be mapped together, and two lines say so (S11.7, S10.6)."""
    *_, before, refused, _ = run(
        series,
        *("a = mmap bar[0:4] wc shared rw", "b = mmap bar[4:8] uc shared rw"),
        f"c = mmap bar[0:8] {via} shared rw",
    )

    assert (result, before.book) == (refused.result, refused.book)
    assert (
        "x86/PAT: main conflicting memory types bar[0:8] write-combining<->uncached-minus",
        f"x86/PAT: memtype_reserve failed bar[0:8], track {track}, req {req}",
    ) == refused.log


@every_series
def test_neighbours_do_not_meet(series: str) -> None:
    """Adjacent pages may have different modes."""
    *_, both, _ = run(series, "a = mmap bar[0:4] wc shared rw", "b = mmap bar[4:8] uc shared rw")

    assert ["bar[0:4] wc", "bar[4:8] uc-"] == book(both)


@every_series
def test_ordinary_memory_merges(series: str) -> None:
    """Adjacent anonymous memory is one VMA."""
    *_, both, _ = run(
        series, "a = mmap anon[0:8] private rw", "munmap a[4:8]", "mmap anon[0:4] private rw over a[4:8]"
    )

    assert ["a[0:8]"] == [span for span, _ in flags(both)]
