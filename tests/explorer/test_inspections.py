"""The answers about a bundle, about a device of its machine, and about lines of a log."""

from __future__ import annotations

import json
import re
import resource
import xml.etree.ElementTree as ElementTree
from functools import cache
from typing import Any

import html5lib
import pytest
from for_each import for_each
from hostile_bundle import LEAK, hostile

from pfnlab.base.errors import Misuse
from pfnlab.base.worker import End, forked
from pfnlab.diagnosis.inspector.sources.bundle import packed
from pfnlab.explorer import inspections as module
from pfnlab.explorer.inspections import Inspections, answering
from pfnlab.explorer.questions import BundleQuestion, DeviceQuestion, ExplainQuestion, NotOpen, answered

LINE = "x86/PAT: Xorg:1234 freeing invalid memtype [mem 0xf8004000-0xf8007fff]"

#: What an element may not have, or be.
RUNNING = re.compile(r"on[a-z]+|style|src|action|formaction")
REFUSED = {"script", "img", "iframe", "object", "embed", "form", "link", "meta", "base"}


def about(data: bytes) -> tuple[Inspections, Any]:
    """A bundle that was opened, and the answer."""
    some = Inspections()
    return some, some.bundle(BundleQuestion("1", "host.bundle", data))


@cache
def leak() -> tuple[Inspections, Any]:
    return about(LEAK.read_bytes())


def texts(html: str) -> str:
    """What a reader sees of a part of the page; strict: what is not well formed is an error."""
    return " ".join("".join(parsed(html).itertext()).split())


def parsed(html: str) -> ElementTree.Element:
    parser = html5lib.HTMLParser(strict=True, namespaceHTMLElements=False)
    root = parser.parse(f"<!doctype html><title>t</title><body>{html}</body>")
    assert isinstance(root, ElementTree.Element)
    return root


@for_each(
    "said",
    [
        "WRONG Leaked reservation: 32 KiB of BAR 2 of 0000:00:10.0",
        "The memtype list has an entry whose owner is gone",
        "has A06; fixed in 6.16 (f8e97613fed2), in no stable series",
        "pfnlab run munmap-middle",
        "Reboot: nothing else removes the entry",
        "kernel log: [ 3.426463] x86/PAT: main:78 freeing invalid memtype",
        "inspected: 7 reservations",
        "not inspected:/boot/config-6.1.0-56-cloud-amd64: absent",
        "checks skipped:Conflicting aliases",
    ],
)
def test_a_bundle_says_what_inspect_says(said: str) -> None:
    """Findings with evidence, bug, program and advice, and what was not looked at."""
    assert said in re.sub(r": (?=/boot|Conf)", ":", texts(leak()[1]["html"]))


def test_a_finding_has_its_map_of_memory() -> None:
    """One preformatted text, as `inspect` prints it, with the range of the finding marked."""
    (drawn,) = (one for one in parsed(leak()[1]["html"]).iter() if one.tag == "pre")

    assert "| reserved wc, 32 KiB   <--" in "".join(drawn.itertext())


def test_the_devices_stand_with_their_bars() -> None:
    """In the order of those that can be asked about; one without memory cannot."""
    answer = leak()[1]

    rows = [row for row in parsed(answer["devices"]).iter() if row.tag == "tr"][1:]
    names = [next(cell.text for cell in row if cell.tag == "th") for row in rows]
    assert [
        None if "BAR" not in "".join(row.itertext()) else name for row, name in zip(rows, names, strict=True)
    ] == (answer["asked"])
    assert "BAR 2: 64 MiB at 0xf8000000, prefetchable" in texts(answer["devices"])


def test_a_device_answers_as_inspect_does() -> None:
    """Holes, modes, holders, and what would make it so."""
    answer = leak()[0].device(DeviceQuestion("1", "0000:00:10.0"))

    said = texts(answer["html"])
    assert "BAR 2 of 0000:00:10.0: write-combining, all of it: no." == answer["says"]
    assert answer["says"] in said
    assert "Map /sys/bus/pci/devices/0000:00:10.0/resource2_wc, all of it." in said


@for_each("device", ["0000:00:99.0", "", "<script>", "0000:00:00.0"])
def test_another_device_is_refused(device: str) -> None:
    """One that is not there, or has no memory."""
    with pytest.raises(Misuse, match=r"there is no PCI device|has no BAR in memory"):
        leak()[0].device(DeviceQuestion("1", device))


def test_a_bundle_that_is_not_open_any_more_is_said() -> None:
    """So the page sends it again."""
    some, _ = about(LEAK.read_bytes())
    some.bundle(BundleQuestion("2", "other", packed(LEAK.read_bytes())))

    reply = answered(some.device, DeviceQuestion("1", "0000:00:10.0"))

    assert (True, "open it again") == (reply["gone"], reply["refused"][-13:])


def test_what_is_no_bundle_closes_the_one_before() -> None:
    """Nobody takes the answer about the one for that about the other."""
    some, _ = about(LEAK.read_bytes())
    with pytest.raises(Misuse):
        some.bundle(BundleQuestion("2", "other", b"hello"))

    with pytest.raises(NotOpen):
        some.device(DeviceQuestion("1", "0000:00:10.0"))


def test_a_line_is_explained() -> None:
    """For the kernel that was given, as explain does."""
    answer = Inspections().explain(ExplainQuestion(LINE, "6.1.85"))

    said = texts(answer["html"])
    assert "DEPENDS: A process released a range without a reservation." in said
    assert "6.1.85 has A06; fixed in 6.16" in said
    assert "1 thing, may be: Xorg" in answer["says"]


@for_each(("lines", "kernel"), [("", ""), (" \n", ""), (LINE, "kernel"), (LINE, "<script>")])
def test_nothing_to_explain_is_refused(lines: str, kernel: str) -> None:
    """And a kernel that is none."""
    with pytest.raises(Misuse):
        Inspections().explain(ExplainQuestion(lines, kernel))


def hostile_answers() -> list[str]:
    """Every part of the page that texts of a hostile bundle go into."""
    some, answer = about(hostile())
    devices = [name for name in answer["asked"] if name is not None]
    lines = hostile().decode()
    return [
        answer["html"],
        answer["devices"],
        *(some.device(DeviceQuestion("1", name))["html"] for name in devices),
        some.explain(ExplainQuestion(lines))["html"],
    ]


def test_texts_of_a_bundle_are_texts() -> None:
    """Scripts, quotes and escapes of a terminal in names of hosts, kernels, tasks, drivers and files."""
    shown = "".join(hostile_answers())

    assert "document.title" in shown
    assert "\x1b" not in shown and "\u202e" not in shown
    for html in hostile_answers():
        for element in parsed(html).iter():
            name = str(element.tag).rpartition("}")[2]
            assert name not in REFUSED
            assert not [word for word in element.attrib if RUNNING.fullmatch(str(word))]
            # A style is one of a drawing of ours.
            assert name != "style" or "display:none" not in (element.text or "")


def test_what_stands_beside_the_parts_is_inert() -> None:
    """The page puts it in as text; no control character comes with it."""
    _, answer = about(hostile())

    beside = answer["first"] + answer["says"] + answer["kernel"]
    assert "<script>" in beside
    assert beside.isprintable()


def test_an_answer_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is larger is for the command line."""
    monkeypatch.setattr(module, "MOST_ANSWER", 1000)

    with pytest.raises(Misuse, match="`pfnlab inspect` prints all of it"):
        about(LEAK.read_bytes())


def test_every_answer_about_a_bundle_is_plain_json() -> None:
    """It can be written as JSON as it stands."""
    assert json.loads(json.dumps(leak()[1]))


def test_the_process_has_a_bound_of_its_memory() -> None:
    """Which a hostile bundle cannot pass."""

    def limits() -> Any:
        answering(End.__new__(End), 1 << 30)
        return lambda _: resource.getrlimit(resource.RLIMIT_AS)

    worker = forked(limits)
    try:
        assert (1 << 30, 1 << 30) == worker.ask(None)
    finally:
        worker.end()


def test_too_much_memory_is_one_line() -> None:
    """No traceback, and no defect of pfnlab."""

    def work(_: None) -> None:
        raise MemoryError

    assert "this takes more memory" in answered(work, None)["refused"]
