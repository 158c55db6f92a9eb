"""Sample reports, one a kind of result and one of several, for goldens and for tests in a browser.

``samples/`` holds what verbs printed; runs are made here of those that other tests use.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from hostile_results import HOSTILE, agreeing, differing, hostile, lost

from pfnlab import __version__
from pfnlab.present.document.blocks import Document
from pfnlab.present.document.compose import document_of
from pfnlab.present.document.html import html
from pfnlab.present.document.mail import mail
from pfnlab.present.document.part import Part, part_of
from pfnlab.present.document.read import result_of
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.compared import RunResult

FOLDER = Path(__file__).parent
SAMPLES, GOLDEN = FOLDER / "samples", FOLDER / "golden"

#: The version in samples and goldens.
VERSION = "0.1.0"

#: A folder of a finding, as ``pfnlab fuzz`` files it.
FINDING = {
    "format": "pfnlab-finding/1",
    "name": "munmap-log-1a2b3c",
    "program": "pfnlab program 1\ndevice bar: pci, 4 pages\n\na = mmap bar[0:4] wc shared rw\nmunmap a[0]\n",
    "report": "# munmap: a line of the log\n\nState: private\n\n## What differs\n\n- log\n",
}


def content_of(result: RunResult) -> dict[str, Any]:
    """What ``run --json`` prints of a result."""
    content = json.loads(result.as_json())
    content["made"] = {"pfnlab": VERSION, "command": "pfnlab run munmap-middle --on model:6.1 --json"}
    assert isinstance(content, dict)
    return content


def alarmed() -> RunResult:
    """A kernel that ended with an oops."""
    result = lost("oops")
    alarm = Alarm(
        "oops", "BUG: unable to handle page fault in __free_pages", log=("BUG: unable", " RIP: 0010")
    )
    (run,) = result.runs
    broken = msgspec.structs.replace(run, alarm=alarm, lost="the guest ended")
    return msgspec.structs.replace(result, runs=(broken,))


def sample_contents() -> dict[str, dict[str, Any]]:
    """A result of each kind by the name of its sample."""
    kept = {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(SAMPLES.glob("*.json"))
    }
    return {"run": content_of(differing()), "finding": FINDING, **kept}


def parts() -> dict[str, Part]:
    """The part of each sample."""
    return {name: part_of(result_of(content)) for name, content in sample_contents().items()}


def sample_documents() -> Iterator[tuple[str, Document]]:
    """The documents that goldens keep, by name."""
    of_kinds = parts()
    for name, part in of_kinds.items():
        yield name, document_of([part])
    runs = [part_of(result_of(content_of(result))) for result in (agreeing(), differing(), lost(), alarmed())]
    yield "several", document_of([*runs, of_kinds["check"]], "Two kernels")
    yield "hostile", hostile_document()


def hostile_document() -> Document:
    """A report whose every text tries to become more than text."""
    check, meeting, trial = (sample_contents()[name] for name in ("check", "meeting", "trial"))
    spoiled = [json.loads(json.dumps(content), object_hook=_spoiled) for content in (check, meeting, trial)]
    contents = [content_of(hostile()), *spoiled, {**FINDING, "name": HOSTILE, "report": f"# {HOSTILE}"}]
    return document_of([part_of(result_of(content)) for content in contents], HOSTILE)


def write_sample_reports(folder: Path) -> list[Path]:
    """Write every sample as HTML, for who opens them in a browser; the files."""
    written = []
    for name, document in sample_documents():
        written.append(folder / f"{name}.html")
        written[-1].write_text(html(document), encoding="utf-8")
    return written


def goldens() -> dict[str, str]:
    """The text of each golden by the name of its file: all as Markdown, some as HTML."""
    texts = {}
    for name, document in sample_documents():
        texts[f"{name}.md"] = mail(document)
        if name in ("run", "several"):
            # A release changes none of them.
            texts[f"{name}.html"] = html(document).replace(f"pfnlab {__version__}", f"pfnlab {VERSION}")
    return texts


def _spoiled(item: dict[str, Any]) -> dict[str, Any]:
    """Every text of an object is followed by the hostile one, but for what the form itself asks for."""
    plain = ("format", "pfnlab", "verdict", "kind", "outcome", "program")
    return {
        key: f"{value} {HOSTILE}" if isinstance(value, str) and key not in plain else value
        for key, value in item.items()
    }
