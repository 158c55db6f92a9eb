"""S5.10.2: mprotect of PFN mappings."""

from __future__ import annotations

from for_each import for_each
from series_runs import SHARED, entries, every_series, spans
from series_runs import run_to_end as run

from pfnlab.kernel.policies.profiles import SERIES


@every_series
def test_a_part_splits(series: str) -> None:
    """Protecting the middle leaves three VMAs."""
    _, cut, _ = run(series, SHARED, "mprotect a[2:4] r")

    assert ["a[0:2]", "a[2:4]", "a[4:8]"] == spans(cut)


@every_series
def test_pieces_never_merge_again(series: str) -> None:
    """Protected back, a split PFN mapping stays split (S5.3.2)."""
    *_, back, _ = run(series, SHARED, "mprotect a[2:4] r", "mprotect a[2:4] rw")

    assert ["a[0:2]", "a[2:4]", "a[4:8]"] == spans(back)


@every_series
def test_equal_access_does_not_split(series: str) -> None:
    """Asking for what is there changes nothing."""
    mapped, same, _ = run(series, SHARED, "mprotect a[2:4] rw")

    assert ("ok", mapped.vmas, mapped.ptes) == (same.result, same.vmas, same.ptes)


@every_series
def test_no_mapping_there(series: str) -> None:
    """Where nothing is mapped the answer is ENOMEM."""
    *_, refused, _ = run(series, SHARED, "munmap a", "mprotect a[0:2] r")

    assert "ENOMEM" == refused.result


@every_series
def test_parts_before_a_hole_stay_changed(series: str) -> None:
    """At a hole the call fails, but what came before it is already changed (measured)."""
    *_, refused, _ = run(series, SHARED, "munmap a[2:4]", "mprotect a r")

    assert "ENOMEM" == refused.result
    assert [("a[0:2]", "r--s"), ("a[4:8]", "rw-s")] == [(str(v.span), v.perms) for v in refused.vmas or ()]


@every_series
@for_each("via", ["wc", "uc", "proc-wc", "proc-uc"])
def test_exec_is_beyond_what_the_file_allows(series: str, via: str) -> None:
    """Files of PCI devices may not be executed from: EACCES (S9.2.5)."""
    *_, refused, _ = run(series, f"a = mmap bar[0:8] {via} shared rw", "mprotect a rx")

    assert "EACCES" == refused.result


@every_series
def test_devmem_may_be_executed_from(series: str) -> None:
    """/dev/mem allows PROT_EXEC (S9.2.5)."""
    *_, allowed, _ = run(series, "a = mmap bar[0:8] devmem shared rw", "mprotect a rx")

    assert ("ok", ["r-xs"]) == (allowed.result, [vma.perms for vma in allowed.vmas or ()])


@every_series
def test_none_keeps_frame_mode_and_special(series: str) -> None:
    """PROT_NONE entries are not present, not for users, read-only, and otherwise as before (S1.3)."""
    *_, none, _ = run(series, SHARED, "mprotect a none")

    assert [("a[0:8]", "L1 WC !P RO SPECIAL A")] == entries(none)
    assert ["bar[0:8]"] == [str(seen.target) for seen in none.ptes or ()]


@every_series
def test_the_mode_of_entries_never_changes(series: str) -> None:
    """A UC- entry is UC- whatever its permissions become."""
    *_, back, _ = run(series, "a = mmap bar[0:8] uc shared rw", "mprotect a none", "mprotect a r")

    assert [("a[0:8]", "L1 UC- P RO US SPECIAL A")] == entries(back)


@every_series
def test_sysfs_upgrade_waits_for_the_write(series: str) -> None:
    """Clean entries of a sysfs file stay read-only when write permission comes back (measured)."""
    *_, back, written, _ = run(series, SHARED, "mprotect a r", "mprotect a rw", "write a[0] 7")

    assert [("a[0:8]", "L1 WC P RO US SPECIAL A")] == entries(back)
    assert [("a[0:1]", "L1 WC P RW US SPECIAL A D"), ("a[1:8]", "L1 WC P RO US SPECIAL A")] == entries(
        written
    )


@every_series
def test_sysfs_upgrade_of_a_dirty_entry(series: str) -> None:
    """A dirty entry of a sysfs file is writable at once (measured)."""
    *_, back, _ = run(series, SHARED, "write a[0] 7", "mprotect a none", "mprotect a rw")

    assert [("a[0:1]", "L1 WC P RW US SPECIAL A D"), ("a[1:8]", "L1 WC P RO US SPECIAL A")] == entries(back)


@every_series
@for_each("via", ["devmem", "proc-uc"])
def test_upgrade_without_page_mkwrite(series: str, via: str) -> None:
    """/dev/mem and /proc/bus/pci entries take the new permission at once (measured)."""
    *_, back, _ = run(series, f"a = mmap bar[0:8] {via} shared rw", "mprotect a r", "mprotect a rw")

    assert [("a[0:8]", "L1 UC- P RW US SPECIAL A")] == entries(back)


@for_each(("series", "dirty"), [(series, " D" if series == "6.1" else "") for series in SERIES])
def test_a_dirty_entry_made_read_only(series: str, dirty: str) -> None:
    """Losing write permission hides the dirty bit from 6.12 on (S1.3)."""
    *_, ro, _ = run(series, "a = mmap bar[0:1] wc shared rw", "write a[0] 7", "mprotect a r")

    assert [("a[0:1]", f"L1 WC P RO US SPECIAL A{dirty}")] == entries(ro)


@every_series
def test_private_special_entries_stay_read_only(series: str) -> None:
    """A private mapping made writable keeps its special entries read-only: a write copies."""
    *_, rw, _ = run(series, "a = mmap bar[0:8] wc private r", "mprotect a rw")

    assert [("a[0:8]", "L1 WC P RO US SPECIAL A")] == entries(rw)


@every_series
def test_private_copies_become_writable_at_once(series: str) -> None:
    """A copied page that one process owns is writable again without a fault."""
    *_, rw, _ = run(
        series, "a = mmap bar[0:1] wc private rw", "write a[0] 7", "mprotect a r", "mprotect a rw"
    )

    assert [("a[0:1]", "L1 WC P RW US A D")] == entries(rw)


@every_series
def test_private_writable_is_accounted_for_ever(series: str) -> None:
    """Made writable a private mapping is accounted, and stays so when it loses the permission (S10.3)."""
    ro, rw, back, _ = run(series, "a = mmap bar[0:8] wc private r", "mprotect a rw", "mprotect a r")

    assert [False, True, True] == ["ac" in (step.vmas or ())[0].flags.split() for step in (ro, rw, back)]


@for_each("series", SERIES[1:])
def test_sealed(series: str) -> None:
    """A sealed part is EPERM; parts before it stay changed (S5.10.7)."""
    *_, refused, _ = run(series, SHARED, "mseal a[4:8]", "mprotect a r")

    assert "EPERM" == refused.result
    assert ["r--s", "rw-s"] == [vma.perms for vma in refused.vmas or ()]


@every_series
def test_locked_memory_made_writable_is_filled(series: str) -> None:
    """Locked anonymous memory gets its pages as soon as it may be written."""
    *_, rw, _ = run(series, "a = mmap anon[0:2] private r locked", "mprotect a rw")

    assert 8 == (rw.vmas or ())[0].rss
