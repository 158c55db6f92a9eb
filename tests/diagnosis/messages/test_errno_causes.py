"""Causes of an errno for each way to map: found by words, and seen where a program shows them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.errors import Misuse
from pfnlab.diagnosis.messages.errno_causes import (
    ErrnoCause,
    ShownErrno,
    all_causes,
    causes,
    causes_of,
    known_errnos,
    way_of,
    ways_of,
)
from pfnlab.kernel.bugs.known_bugs import Bug, all_bugs
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.model.model_machine import ModelMachine

ROOT = Path(__file__).parents[3]
PROGRAMS = {path.stem: path for path in (ROOT / "litmus").rglob("*.pfn")}
RULES = set(
    re.findall(
        r"^(?:#{1,2} |- \*\*)(S[0-9]+(?:\.[0-9]+[a-z]?)*)",
        "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "docs" / "semantics").glob("S*.md")),
        re.MULTILINE,
    )
)
SHOWN = [(cause, shown) for cause in all_causes().cause for shown in cause.shown]


@for_each("cause, shown", SHOWN, ids=lambda case: getattr(case, "program", "") or case.errno)
def test_a_program_that_is_named_shows_the_errno(cause: ErrnoCause, shown: ShownErrno) -> None:
    """On the model of the release, in a step of the kind that is named."""
    steps = ModelMachine(shown.on).run_one(load_program(PROGRAMS[shown.program]), check=True).steps
    named = [step for step in steps if shown.step in step.op]

    assert named, f"no step has {shown.step!r}"
    assert cause.errno in {step.result for step in named}


@for_each("cause", all_causes().cause, ids=lambda cause: f"{cause.errno} {cause.what[:40]}")
def test_what_a_cause_refers_to_is_there(cause: ErrnoCause) -> None:
    """Rules and ways; and it says how it is checked."""
    ways = {way.name for way in all_causes().way}

    assert [] == [rule for rule in cause.rules if rule not in RULES]
    assert [] == [way for way in cause.ways if way not in ways]
    assert cause.check.endswith(".")
    assert cause.what.endswith(".")


@for_each("one", [one for one in all_bugs() if one.errnos], ids=lambda one: one.number)
def test_a_bug_that_is_a_cause_is_named_by_that_cause_alone(one: Bug) -> None:
    """The name in its data is that of one cause, which lists the bug."""
    named = [[cause.bugs for cause in all_causes().cause if cause.name == name] for name in one.errnos]

    assert [] == [found for found in named if len(found) != 1 or one.number not in found[0]]


@for_each(
    "words, way",
    [
        ("mmap resource0", "resource"),
        ("mmap resource2_wc", "resource_wc"),
        ("mmap of /sys/bus/pci/devices/0000:00:02.0/resource0", "resource"),
        ("/dev/mem", "devmem"),
        ("mmap /proc/bus/pci/00/02.0", "proc"),
        ("mmap /dev/vfio/12", "vfio"),
        ("vfio-device", "vfio"),
        ("/dev/fb0", "fb"),
        ("mmap /dev/dri/renderD128", "drm"),
        ("uio0", "uio"),
        ("io_remap_pfn_range", "remap"),
        ("vmf_insert_pfn_prot", "insert"),
        ("ioremap", "ioremap"),
        ("pci_iomap", "ioremap"),
        ("ioremap_wc", "ioremap_wc"),
        ("devm_memremap", "memremap"),
        ("devm_memremap_pages", "memremap_pages"),
    ],
)
def test_words_name_a_way(words: str, way: str) -> None:
    """As people write it, and it comes before all it is like."""
    assert way == next(iter(name for name in ways_of([words]) if name != "mmap"))


def test_every_way_is_offered_by_a_word_it_knows() -> None:
    """What a refusal tells people to write is accepted."""
    assert [way.name for way in all_causes().way] == [ways_of([way.title])[0] for way in all_causes().way]


@for_each("words", ["resource0 banana", "", "the file", "x" * 5000, "\x1b[2J"])
def test_other_words_are_refused(words: str) -> None:
    """In one printable line that says what to write."""
    with pytest.raises(Misuse, match=r"write /dev/mem, resource0, .* or mmap$") as refusal:
        ways_of([words])
    assert str(refusal.value).isprintable()


def test_an_errno_without_a_cause_is_refused() -> None:
    """With those that have one."""
    with pytest.raises(Misuse, match="no causes of 'EFOO' are known: write one of EACCES, EAGAIN, EBUSY"):
        causes("EFOO", ["mmap"])


def test_the_special_causes_come_first() -> None:
    """Of a resource file its own, then those of the remap, then those of any mmap."""
    found = causes("EINVAL", ["mmap", "resource0"])
    first = [cause.ways[0] for cause in found]

    assert ["resource", "remap", "mmap"] == list(dict.fromkeys(first))


def test_a_cause_is_said_once() -> None:
    """Though two ways are like a third."""
    found = causes("EINVAL", ["mmap", "resource0", "uio0"])

    assert len(set(found)) == len(found)


def test_a_write_combining_file_has_the_causes_of_the_other() -> None:
    """resource0_wc is refused as resource0 is."""
    assert causes("EINVAL", ["resource0"]) == causes("EINVAL", ["resource0_wc"])


@for_each("errno", ["EINVAL", "EBUSY", "EPERM", "EAGAIN", "ENXIO", "ENOMEM", "EACCES", "ENODEV"])
def test_every_errno_has_a_cause(errno: str) -> None:
    """Of at least one way."""
    assert errno in known_errnos()


def test_every_way_has_a_cause() -> None:
    """Of at least one errno."""
    ways = [way.name for way in all_causes().way]

    assert [] == [way for way in ways if not any(causes(errno, [_title(way)]) for errno in known_errnos())]


def _title(name: str) -> str:
    return next(way.title for way in all_causes().way if way.name == name)


@given(st.text(max_size=100))
def test_any_words_are_understood_or_refused(words: str) -> None:
    """Nothing else is raised."""
    try:
        causes("EINVAL", [words])
    except Misuse as refusal:
        assert str(refusal).isprintable()


@for_each(
    "name, how, word",
    [
        ("EFAULT", "ioctl VFIO_IOMMU_MAP_DMA", "BAR"),
        ("EEXIST", "ioctl VFIO_IOMMU_MAP_DMA", "IOVA"),
        ("EFAULT", "KVM_RUN", "guest"),
        ("EBUSY", "open /dev/vfio/41", "group"),
        ("ENOENT", "open /dev/mem", "/dev/mem"),
    ],
)
def test_calls_of_vfio_and_kvm_have_causes(name: str, how: str, word: str) -> None:
    """EFAULT and EEXIST among them."""
    found = causes(name, how.split())

    assert found and any(word in cause.what for cause in found)


def test_causes_of_a_call_are_not_those_of_another() -> None:
    """EEXIST of a mapping for DMA is none of an mmap."""
    assert () == causes_of("EEXIST", way_of("/dev/mem"))
