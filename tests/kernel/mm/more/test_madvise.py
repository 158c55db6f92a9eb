"""S5.9: every advice on PFN mappings."""

from __future__ import annotations

import pytest
from for_each import for_each
from series_runs import SHARED, every_series, spans
from series_runs import run_to_end as run

from pfnlab.base.errors import Undecided
from pfnlab.kernel.policies.profiles import SERIES


@every_series
@for_each("sharing", ["shared", "private"])
@for_each(
    "advice",
    [
        *("dontneed", "dontneed_locked", "free", "cold", "pageout", "populate_read", "populate_write"),
        *("dofork", "wipeonfork", "dodump", "collapse", "guard_install", "guard_remove"),
    ],
)
def test_refused(series: str, sharing: str, advice: str) -> None:
    """Advice that would touch pages is EINVAL and changes nothing."""
    mapped, refused, _ = run(series, f"a = mmap bar[0:8] wc {sharing} rw", f"madvise a[2:4] {advice}")

    assert ("EINVAL", mapped.vmas, mapped.ptes) == (refused.result, refused.vmas, refused.ptes)


@every_series
@for_each("advice", ["normal", "willneed", "keeponfork", "dontdump", "mergeable", "unmergeable"])
def test_without_effect(series: str, advice: str) -> None:
    """Advice that changes no flag is a success, and splits nothing."""
    mapped, advised, _ = run(series, SHARED, f"madvise a[2:4] {advice}")

    assert ("ok", mapped.vmas) == (advised.result, advised.vmas)


@every_series
@for_each(
    ("advice", "code"),
    [("random", "rr"), ("sequential", "sr"), ("dontfork", "dc"), ("hugepage", "hg"), ("nohugepage", "nh")],
)
def test_flag_advice_splits(series: str, advice: str, code: str) -> None:
    """Advice that changes a flag splits at the range ends and shows in VmFlags."""
    _, advised, _ = run(series, SHARED, f"madvise a[2:4] {advice}")

    assert "ok" == advised.result
    assert [("a[0:2]", False), ("a[2:4]", True), ("a[4:8]", False)] == [
        (str(vma.span), code in vma.flags.split()) for vma in advised.vmas or ()
    ]


@every_series
@for_each("first, second, code", [("random", "sequential", "sr"), ("sequential", "random", "rr")])
def test_read_hints_replace_each_other(series: str, first: str, second: str, code: str) -> None:
    """SEQUENTIAL clears RANDOM and vice versa."""
    *_, advised, _ = run(series, SHARED, f"madvise a {first}", f"madvise a {second}")

    assert [code] == [c for c in (advised.vmas or ())[0].flags.split() if c in ("rr", "sr")]


@every_series
def test_pieces_never_merge_again(series: str) -> None:
    """Taken back, the advice leaves the pieces."""
    *_, back, _ = run(series, SHARED, "madvise a[2:4] random", "madvise a normal")

    assert ["a[0:2]", "a[2:4]", "a[4:8]"] == spans(back)
    assert not any("rr" in vma.flags.split() for vma in back.vmas or ())


REMOVE = [
    *(("wc", "shared", series, "EFBIG") for series in SERIES[:5]),
    *(("uc", "shared", series, "EOPNOTSUPP") for series in SERIES[5:]),
    *(("devmem", "shared", series, "ENODEV") for series in SERIES),
    *(("proc-uc", "shared", series, "EFBIG") for series in SERIES),
    *(("wc", "private", series, "EACCES") for series in SERIES),
]


@for_each(("via", "sharing", "series", "result"), REMOVE)
def test_remove(via: str, sharing: str, series: str, result: str) -> None:
    """REMOVE is answered by the file, and refused for private mappings before it is asked (measured)."""
    _, refused, _ = run(series, f"a = mmap bar[0:8] {via} {sharing} rw", "madvise a remove")

    assert result == refused.result


@every_series
def test_remove_of_a_readable_mapping(series: str) -> None:
    """PROT_READ is enough to get as far as the file: what counts is what the mapping may become."""
    _, refused, _ = run(series, "a = mmap bar[0:8] devmem shared r", "madvise a remove")

    assert "ENODEV" == refused.result


@every_series
def test_a_hole(series: str) -> None:
    """A hole is ENOMEM after everything mapped was processed (measured)."""
    *_, advised, _ = run(series, SHARED, "munmap a[2:4]", "madvise a random")

    assert "ENOMEM" == advised.result
    assert [True, True] == ["rr" in vma.flags.split() for vma in advised.vmas or ()]


@every_series
def test_an_error_comes_before_a_hole(series: str) -> None:
    """The error of a mapped part ends the call, though a hole came first (measured)."""
    *_, refused, _ = run(series, SHARED, "munmap a[0:2]", "madvise a dontneed")

    assert "EINVAL" == refused.result


@for_each(("series", "result"), [("6.1", "EINVAL"), ("6.12", "EINVAL"), ("6.16", "ENOMEM")])
def test_unknown_advice_on_a_hole(series: str, result: str) -> None:
    """A kernel that does not know the advice says so before it looks at the range (measured)."""
    *_, refused, _ = run(series, SHARED, "munmap a", "madvise a guard_install")

    assert result == refused.result


@every_series
def test_dontfork(series: str) -> None:
    """A child gets no VMA of what must not be forked."""
    *_, forked, _ = run(series, SHARED, "madvise a[0:4] dontfork", "c = fork")

    assert ["a[4:8]"] == [str(vma.span) for vma in forked.vmas or () if vma.task == "c"]


@for_each("series", SERIES[1:])
def test_sealed(series: str) -> None:
    """Advice on flags ignores the seal (S5.10.7)."""
    *_, advised, _ = run(series, SHARED, "mseal a", "madvise a random")

    assert "ok" == advised.result


@every_series
@for_each("advice", ["dontneed", "dontneed_locked"])
def test_ordinary_memory_is_dropped(series: str, advice: str) -> None:
    """Anonymous memory reads zero after it was dropped."""
    *_, value, _ = run(
        series, "a = mmap anon[0:2] private rw", "write a[0] 7", f"madvise a {advice}", "read a[0]"
    )

    assert 0 == value.value


@every_series
@for_each("advice", ["dontneed", "remove"])
def test_locked_ordinary_memory(series: str, advice: str) -> None:
    """Locked anonymous memory is neither dropped nor removed."""
    *_, refused, _ = run(series, "a = mmap anon[0:2] private rw locked", f"madvise a {advice}")

    assert "EINVAL" == refused.result


@every_series
@for_each("advice", ["populate_read", "populate_write"])
def test_ordinary_memory_is_filled(series: str, advice: str) -> None:
    """Anonymous memory can be filled."""
    *_, filled, _ = run(series, "a = mmap anon[0:2] private rw", f"madvise a {advice}")

    assert "ok" == filled.result
    assert "none@L1" not in [seen.entry for seen in filled.ptes or ()]


@every_series
@for_each(
    ("advice", "result", "flag"),
    [
        ("willneed", "ok", ""),
        ("collapse", "EINVAL", ""),
        ("hugepage", "ok", "hg"),
        ("nohugepage", "ok", "nh"),
    ],
)
def test_memory_without_room_for_a_leaf(series: str, advice: str, result: str, flag: str) -> None:
    """It cannot become one."""
    *_, advised, _ = run(series, "a = mmap anon[0:2] private rw", f"madvise a {advice}")

    (vma,) = advised.vmas or ()
    assert (result, [flag] * bool(flag)) == (
        advised.result,
        [flag for flag in vma.flags.split() if flag in ("hg", "nh")],
    )


@for_each("advice", ["hugepage", "collapse"])
def test_memory_that_may_become_a_leaf_is_undecided(advice: str) -> None:
    """The kernel makes one when it likes."""
    with pytest.raises(Undecided, match=advice):
        run("7.3", "a = mmap anon[0:1024] private rw", f"madvise a {advice}")


@every_series
def test_no_rule_is_undecided(series: str) -> None:
    """Where the model has no rule for ordinary memory, it says so instead of guessing."""
    with pytest.raises(Undecided):
        run(series, "a = mmap anon[0:2] private rw", "madvise a free")


@every_series
@for_each("advice", ["cold", "pageout"])
@for_each("mapping", ["a = mmap anon[0:2] private rw", "a = mmap bar[0:2] driver mixed private rw"])
def test_advice_ages_pages(series: str, advice: str, mapping: str) -> None:
    """Ordinary pages seem unused; MADV_PAGEOUT leaves those alone that cannot go, from 6.12 on."""
    *_, aged, _ = run(series, mapping, "write a[0] 3", f"madvise a {advice}")
    young = advice == "pageout" and series != "6.1"
    (entry,) = [seen.entry.split() for seen in aged.ptes or () if seen.target]

    assert young == ("A" in entry)
    assert int(not young) == aged.flushes


@every_series
def test_a_shared_page_does_not_age(series: str) -> None:
    """Others may be using it."""
    *_, advised, _ = run(
        series, "a = mmap anon[0:2] private rw", "write a[0] 3", "c = fork", "madvise a cold"
    )

    assert 0 == advised.flushes


@every_series
def test_locked_memory_does_not_age(series: str) -> None:
    """EINVAL, as for advice that takes pages away."""
    *_, advised, _ = run(series, "a = mmap anon[0:2] private rw", "mlock a", "madvise a cold")

    assert "EINVAL" == advised.result
