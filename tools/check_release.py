"""Reject a release that contains a private finding.

``python tools/check_release.py dist/*.whl dist/*.tar.gz docs`` reads wheels, source archives, folders and
files, and searches every file for data from private findings: names, titles, programs and goldens. Exit
code 0 if there is none, 1 if there is (with a line for each match), 2 if something cannot be judged.
"""

from __future__ import annotations

import hashlib
import sys
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pfnlab.base.errors import PfnlabError
from pfnlab.programs.lang.load import load_bytes, program_hash

ROOT = Path(__file__).parents[1]
STATES = ("private", "reported", "public")


class Unreadable(Exception):
    """Something that cannot be judged, and therefore must not be released."""


@dataclass(frozen=True)
class Finding:
    """
    A finding that must not be in a release.

    :param name: its folder
    :param words: texts found only in it: its name, the report's heading, program titles and hashes
    :param files: sha256 of its files
    :param programs: hashes of its programs, independent of title and layout
    """

    name: str
    words: frozenset[bytes]
    files: frozenset[str]
    programs: frozenset[str]


def private_findings(folder: Path) -> list[Finding]:
    """
    The private findings of an ``evidence/findings`` folder.

    :raises Unreadable: a finding does not state its status, or there is no finding at all
    """
    reports = sorted(path / "report.md" for path in folder.glob("*/"))
    if not reports:
        raise Unreadable(f"there is no finding in {folder}: run this where they are")
    return [_finding(report) for report in reports if _state(report) == "private"]


def _state(report: Path) -> str:
    lines = report.read_text(encoding="utf-8").splitlines()[1:2] if report.is_file() else []
    words = lines[0].removeprefix("State:").split() if lines and lines[0].startswith("State:") else []
    if not words or words[0] not in STATES:
        raise Unreadable(f"{report} does not say its state: write `State: private` on its second line")
    return words[0]


def _finding(report: Path) -> Finding:
    folder = report.parent
    title = report.read_text(encoding="utf-8").splitlines()[0].lstrip("# ")
    programs = {path: load_bytes(path.read_bytes(), str(path)) for path in folder.glob("*.pfn")}
    hashes = frozenset(map(program_hash, programs.values()))
    words = {folder.name, title, *hashes, *(program.title for program in programs.values() if program.title)}
    files = (path for path in folder.rglob("*") if path.is_file())
    return Finding(
        folder.name,
        frozenset(word.encode() for word in words if word),
        frozenset(hashlib.sha256(path.read_bytes()).hexdigest() for path in files),
        hashes,
    )


def members(path: Path) -> Iterator[tuple[str, bytes]]:
    """
    Every file in a wheel, a source archive or a folder, or the file itself.

    :raises Unreadable: it is missing, or not an archive although it is named like one
    """
    try:
        if path.is_dir():
            for file in sorted(one for one in path.rglob("*") if one.is_file()):
                yield str(file), file.read_bytes()
        elif path.suffix in (".whl", ".zip"):
            with zipfile.ZipFile(path) as wheel:
                for name in wheel.namelist():
                    yield f"{path}:{name}", wheel.read(name)
        elif path.name.endswith((".tar.gz", ".tgz", ".tar")):
            with tarfile.open(path) as archive:
                for member in archive:
                    file_there = archive.extractfile(member)
                    yield f"{path}:{member.name}", file_there.read() if file_there else b""
        else:
            yield str(path), path.read_bytes()
    except (OSError, zipfile.BadZipFile, tarfile.TarError) as trouble:
        raise Unreadable(f"{path} cannot be read: {trouble}") from trouble


def held(files: Iterable[tuple[str, bytes]], findings: Iterable[Finding]) -> list[str]:
    """A line for each of *files* that contains any part of *findings*."""
    findings = list(findings)
    return [
        f"{name} holds {what} of the private finding {finding.name}"
        for name, content in files
        for finding in findings
        if (what := _held(name, content, finding))
    ]


def _held(name: str, content: bytes, finding: Finding) -> str:
    if finding.name in PurePosixPath(name.replace(":", "/")).parts:
        return "the folder"
    if hashlib.sha256(content).hexdigest() in finding.files:
        return "a file"
    if any(word in content for word in finding.words):
        return "words"
    if name.endswith((".pfn", ".json")):
        try:
            if program_hash(load_bytes(content, name)) in finding.programs:
                return "a program"
        except PfnlabError:
            return ""
    return ""


def main(arguments: list[str]) -> int:
    """Judge *arguments*; see the module."""
    if not arguments:
        print("name what is to be released: dist/*.whl dist/*.tar.gz docs", file=sys.stderr)
        return 2
    try:
        findings = private_findings(ROOT / "evidence" / "findings")
        files = [file for argument in arguments for file in members(Path(argument))]
        if not files:
            raise Unreadable(f"there is no file in {' '.join(arguments)}")
    except Unreadable as why:
        print(why, file=sys.stderr)
        return 2
    found = held(files, findings)
    for line in found:
        print(line, file=sys.stderr)
    if not found:
        print(f"{len(files)} files, and nothing of {len(findings)} private findings in them")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
