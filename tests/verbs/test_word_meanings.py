"""The meanings of a word, from the data of its part."""

from __future__ import annotations

from for_each import for_each

from pfnlab.verbs.word_meanings import known_words, meanings


@for_each(
    ("word", "kinds"),
    [
        ("book", ["word", "key of --json"]),
        ("leaked", ["word", "key of --json"]),
        ("A06", ["bug, partial-munmap"]),
        ("CVE-2024-35877", ["bug, cow-first-pte"]),
        ("untrack_pfn", ["kernel function, up to 6.15"]),
        ("tlb_free_vmas()", ["kernel function, since 6.16"]),
        ("memremap_pages", ["kernel function", "message", "operation of programs"]),
        ("mremap", ["operation of programs"]),
        ("mmap()", ["operation of programs"]),
        ("set_memory_uc", ["kernel function", "operation of programs"]),
        ("R11", ["defect of a posted patch, thread T2"]),
        ("t2", ["thread of the mailing list, 2025"]),
        ("walk_page_test", ["named by the rules"]),
        ("no_leak", ["property"]),
        ("entries_inside", ["property"]),
        ("S9.3", ["rule"]),
        ("s9.3.1", ["rule"]),
        ("freeing_invalid", ["message"]),
        ("x86/PAT: X:7 freeing invalid memtype [mem 0xf8004000-0xf8007fff]", ["message"]),
        ("freeing invalid memtype", ["message"]),
        ("munmap_keeps_the_middle", ["switch"]),
        ("track_ctx", ["policy, tracker"]),
        ("EINVAL", ["errno"]),
        ("munmap-middle", ["program"]),
        ("erase", ["word"]),
        ("reserve, erase", ["word"]),
    ],
)
def test_a_word_has_the_meanings_of_every_part(word: str, kinds: list[str]) -> None:
    """Whatever its case."""
    assert kinds == [one.kind for one in meanings(word)]


def test_a_word_that_is_not_known_has_none() -> None:
    """Nor has a short part of a message."""
    assert [] == [*meanings("no_leek"), *meanings("mem"), *meanings("")]
    assert [] == [*meanings("kmalloc"), *meanings("walk_page_tests"), *meanings("R00"), *meanings("T99")]


def test_every_known_word_has_a_meaning() -> None:
    """So no proposal leads nowhere."""
    assert [] == [word for word in known_words()[::29] if not meanings(word)]


def test_a_section_has_its_steps_and_a_step_its_text() -> None:
    """The title is that of the section."""
    (section,), (step,) = meanings("S9.3"), meanings("S9.3.1")

    assert "S9.3 /proc/bus/pci" == section.name
    assert section.says[0] == "S9.3.1 The file offset is the physical address."
    assert step.says[1].startswith("A mapping that does not lie within the BAR")


@for_each(
    ("word", "rule", "properties"),
    [
        ("untrack", "S3.6 untrack_pfn (docs/semantics/S3.md)", "no_leak, no_loss"),
        ("flush", "S8.3 Why the flush must come before unlinking", "no_stale, told_free"),
        ("leaf", "S6.3 Leaves", "walks_tables, leaves_fit"),
    ],
)
def test_a_word_leads_to_its_rules_and_properties(word: str, rule: str, properties: str) -> None:
    """The rules are named with their pages."""
    says = " ".join(meanings(word)[0].says).replace(", S3.7 untrack_pfn_moved", "")

    assert f"Rules: {rule}" in says
    assert f"Properties: {properties}" in says


def test_a_word_that_no_rule_has_leads_nowhere() -> None:
    """Its meaning is all there is."""
    assert 1 == len(meanings("seam")[0].says) == len(meanings("seam"))


@for_each(
    ("word", "says", "more"),
    [
        ("munmap", "munmap(2).", "pfnlab litmus list --grep munmap"),
        ("R25", "A 2 MiB leaf at an aligned address", "pfnlab discussions show R25"),
        ("T3", "untrack only where a region is unmapped.", "pfnlab discussions show T3"),
        ("move_ptes", "Rules: S8.6 Page-table locks", "pfnlab help S8.6"),
    ],
)
def test_operations_threads_and_identifiers_lead_on(word: str, says: str, more: str) -> None:
    """To the command that shows more."""
    (one,) = meanings(word)

    assert " ".join(one.says).startswith(says)
    assert more == one.more
