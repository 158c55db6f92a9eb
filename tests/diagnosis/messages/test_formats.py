"""Every message that the kernel's sources can print is one of a family.

``python evidence/tools/read_messages.py TREE...`` writes the formats anew.
The versions that were read stand in them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec
import pytest
from for_each import for_each
from having import lacking

from evidence.tools.read_messages import FORMATS, MessageFormat, formats_in
from pfnlab.diagnosis.messages.matching import matcher
from pfnlab.lab.images.kernels import cached, cached_versions
from pfnlab.lab.lens.vmlinux import vmlinux_of

#: Too short to be known from lines of anybody else; each stands among others of its family, and why it is
#: never alone.
SHORT = {
    "mtrr: size: 0x%lx  base: 0x%lx": "behind 'size and base must be multiples'",
    "mtrr: type: %u invalid": "the writer to /proc/mtrr gets EINVAL",
    "mtrr: timed out waiting for other CPUs": "a stop of the machine, from old kernels",
    "pdev_sort_resources(): kmalloc() failed!": "no memory is left",
    "BAR %d: %s of %s %pR": "a debug line of old kernels",
    "Disabled": "under the lines of the MTRRs",
    "  %u disabled": "under 'MTRR variable ranges'",
    "type: %u invalid": "the writer to /proc/mtrr gets EINVAL",
    "size: 0x%lx  base: 0x%lx": "behind 'size and base must be multiples'",
    "invalid resource": "behind the name of the device, whose driver gives up",
    "Error to alloc index": "a debug line",
    "range0: %016lx - %016lx": "debug lines of mtrr_cleanup",
    "range: %016lx - %016lx": "debug lines of mtrr_cleanup",
    "rangeX: %016lx - %016lx": "debug lines of mtrr_cleanup",
    "hole: %016lx - %016lx": "debug lines of mtrr_cleanup",
    "After UC checking": "debug lines of mtrr_cleanup",
    "After WB checking": "debug lines of mtrr_cleanup",
    "After sorting": "debug lines of mtrr_cleanup",
    "pmd %p != %p": "a debug line of the first moments",
    "x86/PAT: %s": "a reason, which has its own lines",
    "misaligned address: %#lx": "a warning, with its place in set_memory.c",
    "Don't call after initializing SMP": "a warning, with its place in set_memory.c",
    "Missing owner": "a warning, with its place in mm/memremap.c",
    "can't generate pretty name for resource %pR": "no memory is left",
}
#: Where a format has a cache mode.
_MODE = re.compile(
    r"%s(?=<->)|(?<=<->)%s|(?<=track )%s|(?<=req )%s|(?<=ret )%s|(?<=got )%s|(?<=old: )%s|(?<=new: )%s"
    r"|(?<=mapping type )%s|(?<=failed )%s(?= for)|(?<=000 )%s$"
)
#: What stands in the place of a conversion, by what is around it, and then by its letters.
_BY_NAME = (
    (re.compile(r"^%s(?= failed: \[mem)"), "memtype_reserve"),
    (re.compile(r"%s(?=gran_size)"), " "),
    (re.compile(r"^%s: (?=Cannot satisfy)"), "pmd_set_huge: "),
    (re.compile(r"%sabled"), "enabled"),
    (re.compile(r"(?<=ranges )%s"), "enabled"),
    (re.compile(r"(?<=reserve )%s(?= region)"), "mem"),
    (re.compile(r"(?<=attempted on )%s"), "ram"),
    (re.compile(r"(?<=default type: )%s"), "uncachable"),
    (re.compile(r"(?<=MTRRs disabled )%s"), "by BIOS"),
    (re.compile(r"(?<=write-combining)%s"), " is"),
    (re.compile(r"(?<=\[0-7\]: )%s"), "WB  WC  UC- UC  WB  WP  UC- WT  "),
    (re.compile(r"(?<=in process )%s  %s:%s"), "main  pud:fd000"),
    (re.compile(r"(?<=in process )%s  %s(?=:)"), "main  pud"),
    (re.compile(r"%s:%d"), "main:177"),
    (_MODE, "write-combining"),
    (re.compile(r"(?:(?<=requested )|(?<=track )|(?<=got )|(?<=req ))0x%l?x"), "0x2"),
    (re.compile(r"%c"), "M"),
    (re.compile(r"%0\*X%05X000"), "000FD00000"),
    (re.compile(r"%pR"), "[mem 0xfd000000-0xfd003fff 64bit pref]"),
    (re.compile(r"%pr"), "[mem 0xfd000000-0xfd003fff flags 0x40000000]"),
    (re.compile(r"%pS"), "probe+0x15e/0x890 [driver]"),
    (re.compile(r"%pe"), "-EBUSY"),
    (re.compile(r"%pa"), "0x00000000fd000000"),
    (re.compile(r"%px?"), "00000000fd000000"),
    (re.compile(r"%#[0-9]*l*L*x"), "0xfd000000"),
    (re.compile(r"%[0-9]*h*l*L*[xX]"), "fd000000"),
    (re.compile(r"%[0-9]*l*L*[du]"), "4"),
    (re.compile(r"%[0-9]*s"), "vfio_word"),
)


def filled(text: str) -> str:
    """The text with values in place of the conversions that are known."""
    for pattern, value in _BY_NAME:
        text = pattern.sub(lambda _, value=value: value, text)
    return text


def rendered(one: MessageFormat) -> str:
    """The format with values such as a kernel prints."""
    text = filled(one.text)
    assert "%" not in text, text
    return f"vfio-pci 0000:01:00.0: {text}" if one.device else text


def formats() -> list[MessageFormat]:
    """Every format that the tool found."""
    return msgspec.json.decode(FORMATS.read_bytes(), type=list[MessageFormat])


def is_short(text: str) -> bool:
    """True of formats that say too little to be recognised by themselves."""
    return text in SHORT


@for_each("one", lambda: [one for one in formats() if not is_short(one.text)], ids=lambda one: one.text)
def test_a_format_is_of_a_family(one: MessageFormat) -> None:
    """A line that is rendered from it is recognised, whole."""
    assert matcher().whole(rendered(one)) is not None


@for_each("text", sorted(SHORT))
def test_a_short_format_is_there(text: str) -> None:
    """None is left out that no source has."""
    assert text in {one.text for one in formats()}


#: A string of a kernel with its level, that begins as ours do.
_LEVELLED = re.compile(
    rb"\x01[0-7](?P<text>(?:x86/PAT|mtrr|MTRR|ioremap|iounmap|memremap|resource|vfio|CPA)\b[^\x00]{4,300})\x00"
)

#: A string with a level, of any part of the kernel.
_ANY_LEVELLED = re.compile(rb"\x01[0-7](?P<text>[^\x00]{8,300})\x00")

_CONVERSION = re.compile(r"%[-#+0-9.*]*(?:hh?|ll?|L|z)?(?:p[A-Za-z]*|[a-zA-Z])")


def images() -> Iterator[tuple[str, bytes]]:
    """The kernels in the cache, unpacked."""
    versions = cached_versions()
    if not versions:
        lacking("no kernel is in the cache: run `pfnlab kernels fetch 7.2`")
    for version in versions:
        kernel = cached(version)
        assert kernel is not None
        yield kernel.label, vmlinux_of(kernel.vmlinuz.read_bytes(), kernel.label)


def test_a_kernel_on_offer_prints_nothing_else() -> None:
    """Every levelled string of the images that are here, whose beginning is one of ours, is of a family."""
    for label, image in images():
        found = {match["text"].decode(errors="replace").strip("\n") for match in _LEVELLED.finditer(image)}
        assert found, f"{label}: not one string was found"
        lines = [rendered(MessageFormat(text, "", False, "", "")) for text in found if not is_short(text)]
        assert [] == [line for line in lines if matcher().whole(line) is None], label


def test_no_other_message_is_taken_for_one_of_ours() -> None:
    """What some other part of a kernel prints has no literal by which an abridged line is known."""
    for label, image in images():
        found = {match["text"].decode(errors="replace").strip() for match in _ANY_LEVELLED.finditer(image)}
        lines = [_CONVERSION.sub("word", filled(text)) for text in found if "\n" not in text]
        assert [] == [line for line in lines if matcher().whole(line) is None and matcher().abridged(line)], (
            label
        )


SOURCE = """\
#define pr_fmt(fmt) "x86/PAT: " fmt
#define WHO "pfn"
static int one(void)
{
    /* pr_info("a comment\\n"); */
    pr_err("two parts "
           "(%s) of one\\n", f(a, ")"));
    printk(KERN_WARNING FW_WARN "with a level\\n");
    dev_info(&pdev->dev, WHO "lab\\n");
    WARN_ONCE(a && b(c), "warned %d\\n", c);
    WARN_ON(a);
    pr_cont("%d\\n", 4);
}
"""


def test_formats_are_read_from_a_source() -> None:
    """With prefixes, macros and parts joined; comments and calls without words are none."""
    assert [
        ("x86/PAT: two parts (%s) of one", False),
        ("[Firmware Warn]: with a level", False),
        ("pfnlab", True),
        ("warned %d", False),
    ] == list(formats_in(SOURCE, "one"))


def test_a_new_message_is_noticed() -> None:
    """A line that no family knows is none of theirs by chance."""
    line = rendered(MessageFormat("x86/PAT: %s:%d quite another thing at %#010Lx", "", False, "", ""))

    assert matcher().whole(line) is None


@pytest.mark.parametrize("text", ["%q", "%y of it"])
def test_an_unknown_conversion_is_noticed(text: str) -> None:
    """No line is recognised by a percent sign."""
    with pytest.raises(AssertionError):
        rendered(MessageFormat(text, "", False, "", ""))
