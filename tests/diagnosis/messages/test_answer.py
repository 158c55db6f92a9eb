"""The answer in one line: whether something is to do, what, and to whom; and what is still asked for."""

from __future__ import annotations

from for_each import for_each
from sampling import all_wordings, rendered

from pfnlab.diagnosis.explanation import ExplainedEvent, ExplainResult, explained
from pfnlab.diagnosis.messages.answer import still_wanted
from pfnlab.diagnosis.messages.explaining import explain_line
from pfnlab.diagnosis.messages.family_files import families
from pfnlab.present.document.explanation_part import screen
from pfnlab.present.document.terminal import text_of

FREED = "x86/PAT: viewer:{pid} freeing invalid memtype [mem 0xd1200000-0xd12fffff]"
LISTED = "PAT memtype list:\nPAT: [mem 0x00000000d1200000-0x00000000d1300000] uncached-minus"


def result(text: str) -> ExplainResult:
    """The explanation of a text."""
    return explained(explain_line(text))


def first(text: str) -> ExplainedEvent:
    """The first event of a text."""
    return result(text).boots[0].events[0]


ANSWERS = {
    "pci 0000:21:00.0: BAR 2: no space for [mem size 0x4000000 64bit pref]": (
        "1 thing: BAR 2 of 0000:21:00.0 (64 MiB) has no addresses.",
        1,
    ),
    "vfio-pci 0000:21:00.0: BAR 4: can't reserve [mem 0xb0000000-0xb000ffff]": (
        "1 thing: vfio-pci cannot claim BAR 4 of 0000:21:00.0 (64 KiB).",
        1,
    ),
    FREED.format(pid=9): (
        "1 thing, may be: viewer (pid 9) released 1 MiB at 0xd1200000 without a reservation.",
        1,
    ),
    "x86/PAT: Configuration [0-7]: WB  WC  UC- UC  WB  WP  UC- WT": ("Nothing to do.", 0),
    "x86/PAT: Configuration [0-7]: WB  WT  UC- UC  WB  WT  UC- UC": (
        "1 thing: this kernel has no write-combining.",
        1,
    ),
    "CPU MTRRs all blank - virtualized system.": ("Nothing to do.", 0),
    LISTED: ("Nothing to do.", 0),
    "x86/PAT: a message of next year": (
        "Nothing about PFN mappings, cache modes or device memory in 1 line. "
        "1 line of this subject not understood.",
        0,
    ),
    "DMAR: [DMA Write] Request device [21:00.0] fault addr 0xd1200000": (
        "Nothing to do here; another subject: a device used an address the IOMMU does not map.",
        0,
    ),
    "x86/PAT: a message of next year\ne820: reserve RAM buffer [mem 0x6a300000-0x6bffffff]": (
        "Nothing to do. 1 line of this subject not understood.",
        0,
    ),
}


@for_each("text, answer, to_review", ((text, *said) for text, said in ANSWERS.items()))
def test_the_answer_is_one_line(text: str, answer: str, to_review: int) -> None:
    """With the objects that the lines name; what tells of a state only is not to review."""
    found = result(text)

    assert (answer, to_review) == (found.answer, found.to_review)


def test_what_is_sure_comes_before_what_may_be() -> None:
    """Whatever stands first in the text."""
    found = result(f"{FREED.format(pid=9)}\n{next(iter(ANSWERS))}")

    assert "2 things; first: BAR 2 of 0000:21:00.0 (64 MiB) has no addresses." == found.answer


def test_processes_of_one_cause_are_one_thing() -> None:
    """The events stay apart in the result; another range is another thing."""
    lines = [FREED.format(pid=pid) for pid in (9, 10, 11)]

    found = result("\n".join((*lines, FREED.format(pid=12).replace("0xd12", "0xe12"))))

    assert (4, 2) == (len(found.boots[0].events), found.to_review)


def test_bars_of_one_device_are_one_event() -> None:
    """With its objects; another device is another event."""
    line = "vfio-pci 0000:{device}: BAR {bar}: can't reserve [mem 0xb0{bar}00000-0xb0{bar}0ffff]"
    lines = [
        line.format(device=device, bar=bar)
        for device, bar in (("21:00.0", 0), ("21:00.0", 2), ("22:00.0", 0))
    ]

    events = result("\n".join(lines)).boots[0].events

    assert [
        "vfio-pci cannot claim BAR 0 (also 2) of 0000:21:00.0",
        "vfio-pci cannot claim BAR 0 of 0000:22:00.0 (64 KiB)",
    ] == [event.thing for event in events]


def test_another_driver_is_another_event() -> None:
    """Of the same device, at another BAR."""
    line = "{driver} 0000:21:00.0: BAR {bar}: can't reserve [mem 0xb0{bar}00000-0xb0{bar}0ffff]"

    found = result(
        "\n".join(line.format(driver=name, bar=bar) for bar, name in enumerate(("vfio-pci", "igb")))
    )

    assert 2 == found.to_review


WANTED = "The list of reservations, /proc/iomem, lspci -v, and what the process did before."
STILL = {
    (): WANTED,
    ("file_iomem",): "The list of reservations, lspci -v and what the process did before.",
    ("file_memtype_list", "file_iomem", "file_lspci"): "What the process did before.",
    ("file_mtrr",): WANTED,
}


@for_each("has, still", STILL.items())
def test_what_the_text_has_is_not_asked_for(has: tuple[str, ...], still: str) -> None:
    """The rest stays a sentence."""
    assert still == still_wanted(WANTED, has)


def test_nothing_is_asked_for_where_all_is_there() -> None:
    """No sentence without an object is left."""
    assert "" == still_wanted("/proc/cmdline and the kernel's exact version.", {"command line", "version"})


@for_each("family", [family for family in families() if family.send])
def test_without_other_parts_all_is_asked_for(family: object) -> None:
    """As its author wrote it."""
    send = getattr(family, "send", "")

    assert send == still_wanted(send, ())


def test_a_list_in_the_text_is_not_asked_for() -> None:
    """Beside the message; and neither is a version that a banner says."""
    text = f"Linux version 6.1.85 (b@h)\n{FREED.format(pid=9)}\n{LISTED}"

    assert "/proc/iomem, lspci -v and what the process did before." == first(text).send


def test_the_bug_that_the_version_has_is_the_likeliest() -> None:
    """6.8.5 fixed A01 but not A06; a version without any has none."""
    old, new = (explained(explain_line(FREED.format(pid=9), kernel=name)) for name in ("6.8.9", "6.17.1"))

    assert "A06" in old.boots[0].events[0].likely
    assert "A01" not in old.boots[0].events[0].likely
    assert () == new.boots[0].events[0].likely


def test_a_rule_is_not_a_bug() -> None:
    """It is in the list of all, and never named as the cause."""
    event = first("x86/PAT: a:1 conflicting memory types d0000000-d0100000 write-combining<->uncached-minus")

    assert "C01" in [bug.id for bug in event.bugs]
    assert "C01" not in event.likely


def test_what_happens_on_x86_alone_is_no_cause_on_arm() -> None:
    """A trace that names its architecture."""
    line = "WARNING: CPU: 1 PID: 7 at mm/memory.c:1 untrack_pfn+0x1/0x2 aarch64"

    assert () == first(line).likely


@for_each("family, wording", all_wordings())
def test_a_line_fits_on_a_screen(family: object, wording: object) -> None:
    """Twelve lines of eighty columns, the answer first, and the meaning never cut."""
    found = result(rendered(getattr(wording, "text", "")))

    rows = text_of(screen(found, full=False), 80).splitlines()
    assert len(rows) <= 12
    assert all(len(row) <= 80 for row in rows)
    assert found.answer.startswith(rows[0].rstrip())


def test_harmless_events_are_one_counted_line() -> None:
    """With --long they are all there."""
    lines = [f"pci 0000:0{bus}:00.0: BAR 0: assigned [mem 0xb{bus}000000-0xb{bus}00ffff]" for bus in range(4)]
    text = "\n".join(
        (
            *lines,
            "vfio-pci: add [8086:1234[ffffffff:ffffffff]] class 0x000000/00000000",
            "e820: reserve RAM buffer [mem 0x6a300000-0x6bffffff]",
        )
    )
    found = result(text)

    rows = text_of(screen(found, full=False), 80).splitlines()

    assert "Nothing to do." == rows[0]
    assert 1 == sum("harmless: " in row for row in rows)
    assert len(rows) <= 3


def test_long_has_rules_and_reproducers() -> None:
    """The short form has neither."""
    found = result(FREED.format(pid=9))

    short, long = (text_of(screen(found, full=full), 80) for full in (False, True))
    assert "pfnlab run munmap-middle" in long and "S2.4" in long
    assert "pfnlab run" not in short and "S2.4" not in short


def test_many_things_are_cut() -> None:
    """And the screen says how many more there are."""
    lines = [f"pci 0000:{bus:02x}:00.0: BAR 0: failed to assign [mem size 0x1000]" for bus in range(30)]
    found = result("\n".join(lines))

    shown = text_of(screen(found, full=False), 80)

    assert 30 == found.to_review
    assert "20 more to review: --long lists them" in shown
