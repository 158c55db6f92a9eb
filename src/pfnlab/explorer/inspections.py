"""Answers about input from outside: a bundle, a device on its machine, log lines.

The answers are those of ``pfnlab inspect`` and ``pfnlab explain``, rendered like their HTML reports: bundle
contents are escaped as text, and only our own drawings are markup. A bundle is kept only in memory, and only
until the next one is opened. The process that does this has a memory limit and a time limit per question.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pfnlab.base.answerer import begin_answering
from pfnlab.base.errors import Misuse
from pfnlab.base.files import read_bytes
from pfnlab.base.inert import visible_name
from pfnlab.base.units import size_text
from pfnlab.base.worker import End
from pfnlab.diagnosis.explanation import explained
from pfnlab.diagnosis.inspector.device import device_answer
from pfnlab.diagnosis.inspector.host_snapshot import PciFunction
from pfnlab.diagnosis.inspector.inspection import inspected
from pfnlab.diagnosis.inspector.joined_host import JoinedHost
from pfnlab.diagnosis.inspector.parsing.assembly import snapshot_of
from pfnlab.diagnosis.inspector.parsing.text_files import ORDINARY
from pfnlab.diagnosis.inspector.sources.origins import of_a_machine, received_bundle
from pfnlab.diagnosis.messages.explaining import explain
from pfnlab.explorer import questions
from pfnlab.explorer.questions import NotOpen, by_question, reply
from pfnlab.kernel.bugs.kernel_name import kernel_name
from pfnlab.kernel.hw.pci_regions import Bar
from pfnlab.present.document.blocks import Block, Cell, Paragraph, Table, cells
from pfnlab.present.document.explanation_part import part as explanation_part
from pfnlab.present.document.html import unstyled
from pfnlab.present.document.inspection_part import device_blocks
from pfnlab.present.document.inspection_part import part as inspection_part

#: The maximum size of an answer, in bytes.
MOST_ANSWER = 16 << 20
#: The BARs that a question about a device may name.
_BARS = range(6)


def read_bundle(path: Path) -> tuple[str, bytes]:
    """Return name and bytes of a bundle from the command line; raise Misuse if missing or damaged."""
    data = read_bytes(path, "bundle", ORDINARY.all_bytes)
    received_bundle(data, str(path))
    return str(path), data


class Inspections:
    """Answers about the bundle that was opened last, and about log lines."""

    def __init__(self) -> None:
        self._bundle = ""
        self._machine: JoinedHost | None = None

    def bundle(self, question: questions.BundleQuestion) -> Any:
        """Return the findings on a bundle's machine, and its devices; raise Misuse for a bad bundle."""
        # Do not keep the previous bundle in memory at the same time.
        self._bundle, self._machine = "", None
        machine = JoinedHost(of_a_machine(snapshot_of(received_bundle(question.data, question.name))))
        part = inspection_part(inspected(machine))
        devices = machine.snapshot.devices or ()
        answer = {
            "bundle": question.bundle,
            "first": visible_name(part.first),
            "says": visible_name(part.says),
            "kernel": visible_name(machine.snapshot.kernel),
            "html": unstyled(part.blocks),
            "devices": unstyled(list(_devices(devices))),
            # In the order of the table; a device that has no memory cannot be selected.
            "asked": [device.address if _in_memory(device) else None for device in devices],
        }
        self._bundle, self._machine = question.bundle, machine
        return _bounded(answer)

    def device(self, question: questions.DeviceQuestion) -> Any:
        """Return everything about a device; raise NotOpen if another bundle is open, Misuse if not found."""
        if self._machine is None or question.bundle != self._bundle:
            raise NotOpen("this bundle is no longer open: open it again")
        answer = device_answer(self._machine, question.device)
        blocks = (Paragraph(answer.says), *device_blocks(answer))
        return _bounded({"says": visible_name(answer.says), "html": unstyled(blocks)})

    def explain(self, question: questions.ExplainQuestion) -> Any:
        """Return what log lines mean; raise Misuse without lines, or if the kernel version is wrong."""
        if not question.lines.strip():
            raise Misuse("there is nothing to explain: paste a line of a log, or a whole log")
        kernel = question.kernel.strip() or None
        if kernel is not None:
            kernel_name(kernel)
        data = question.lines.encode("utf-8", "replace")
        part = explanation_part(explained(explain([data], kernel=kernel)))
        return _bounded({"says": visible_name(part.says), "html": unstyled(part.blocks)})


def _devices(devices: Sequence[PciFunction]) -> Iterator[Block]:
    if not devices:
        yield Paragraph("No PCI device is known.", "pale")
        return
    head = ("device", "vendor and device", "driver", "BARs in memory")
    yield Table("PCI devices of this machine", head, tuple(map(_row, devices)))


def _row(device: PciFunction) -> tuple[Cell, ...]:
    bars = tuple(
        f"BAR {bar.number}: {size_text(bar.end - bar.start)} at {bar.start:#x}"
        f"{', prefetchable' if bar.prefetchable else ''}"
        for bar in _in_memory(device)
    )
    return cells(device.address, device.ids, device.driver or "none", Cell(bars or ("none",)), code=False)


def _in_memory(device: PciFunction) -> list[Bar]:
    return [bar for bar in device.bars if bar.number in _BARS and bar.end > bar.start]


def _bounded(answer: dict[str, Any]) -> dict[str, Any]:
    if len(msgspec.json.encode(answer)) > MOST_ANSWER:
        raise Misuse(f"the answer is larger than {size_text(MOST_ANSWER)}: `pfnlab inspect` prints all of it")
    return answer


def answering(end: End, memory: int) -> Callable[[Any], bytes]:
    """Return the function that answers questions in a process with at most *memory* bytes."""
    begin_answering(memory)
    answers = by_question(Inspections())
    return lambda question: reply(answers[type(question)], question)
