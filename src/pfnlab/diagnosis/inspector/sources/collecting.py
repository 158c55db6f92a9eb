"""Collect everything that a snapshot reads from a machine, and write it as a bundle.

The script makes the same bundle where nothing is installed; it includes the redaction program and its words.
"""

import re
from importlib.resources import files
from pathlib import Path

from pfnlab.base.files import cannot_write, write_whole
from pfnlab.diagnosis.inspector.host_snapshot import Access, Snapshot
from pfnlab.diagnosis.inspector.parsing import machine_facts
from pfnlab.diagnosis.inspector.parsing.assembly import snapshot_of
from pfnlab.diagnosis.inspector.parsing.pci_files import CONFIG_BYTES, trimmed_listing
from pfnlab.diagnosis.inspector.parsing.process_files import is_device_file, trimmed
from pfnlab.diagnosis.inspector.parsing.text_files import LSPCI, MOST_SMALL, FileText, TextFiles, unpacked
from pfnlab.diagnosis.inspector.sources.bundle import WORDS, Entry, packed, written
from pfnlab.diagnosis.inspector.sources.redaction import program_text, redacted

#: The place of the program in the script.
_PLACE = "program=''\n"


def script_text() -> str:
    """Return the script that writes the same bundle on a machine where nothing is installed."""
    script = files("pfnlab.diagnosis.inspector").joinpath("pfnlab-collect.sh").read_text(encoding="utf-8")
    return script.replace(_PLACE, f"program='{program_text()}'\n")


_MAPS = re.compile(r"/proc/[0-9]+/s?maps")
_DESCRIPTORS = re.compile(r"/proc/[0-9]+/fd")
_INFO = re.compile(r"/proc/[0-9]+/fdinfo/[0-9]+")
_CONFIG = re.compile(r"/boot/config-[^/]+|/proc/config\.gz")
_SPACE = re.compile(r"/sys/bus/pci/devices/[^/]+/config")
_INFO_LINE = re.compile(rb"^(?:ino|vfio-device-syspath):[^\n]*$", re.MULTILINE)


def collect(path: Path, files: TextFiles, redact: bool = False) -> Snapshot:
    """Write a bundle of *files* to *path*, gzipped for ``.gz``; return their snapshot.

    :param redact: keep only lines of known forms, and change names and addresses but keep their relations
    :raises Misuse: if the file cannot be written
    :raises Undecided: if the disk is full or fails
    """
    recorder = Recorder(files)
    found = snapshot_of(recorder)
    text = written(recorder.entries, [("root", "yes" if files.root else "no")])
    data = redacted(text) if redact else text
    try:
        write_whole(path, packed(data) if path.suffix == ".gz" else data, private=True)
    except OSError as trouble:
        raise cannot_write(path, trouble, "name another file") from trouble
    return found


class Recorder(TextFiles):
    """A machine's files, recording everything that is read except parts that no snapshot uses."""

    def __init__(self, files: TextFiles) -> None:
        self._files = files
        self._known: dict[tuple[str, str], FileText] = {}
        self.entries: list[Entry] = []
        self.origin, self.root, self.strict = files.origin, files.root, files.strict
        self.left_out = files.left_out
        self.bounds = files.bounds

    def read(self, path: str, most: int = MOST_SMALL) -> FileText:
        """Return the part of the content that is kept."""
        known = self._known.get(("file", path))
        if known is None:
            whole = self._files.read(path, most)
            data, access, why = whole.data, whole.access, whole.why
            if _CONFIG.fullmatch(path) and whole.there:
                data, damage = unpacked(data, self.bounds)
                access, why = (Access.CUT, damage) if damage else (access, why)
            known = FileText(_kept(path, data), access, why, whole.seconds, whole.line)
            self._known["file", path] = known
            self._note("hex" if _SPACE.fullmatch(path) else "file", path, known)
        return known

    def link(self, path: str) -> str | None:
        """Return the target; record it if it is relevant."""
        target = self._files.link(path)
        folder = path.rpartition("/")[0]
        if target is not None and (not _DESCRIPTORS.fullmatch(folder) or is_device_file(target)):
            self.entries.append(Entry("link", path, target.encode("utf-8", "surrogateescape")))
        return target

    def names(self, folder: str) -> FileText:
        """Return the names; record all but most descriptor names, which are irrelevant."""
        found = self._files.names(folder)
        if folder == "/proc":
            pids = [name for name in found.data.split(b"\n") if name.isdigit()]
            found = FileText(b"\n".join(pids), found.access, found.why, found.seconds)
        if not (found.there and _DESCRIPTORS.fullmatch(folder)):
            self._note("folder", folder, found)
        return found

    def _note(self, kind: str, path: str, text: FileText) -> None:
        if text.there:
            if text.data or text.access is Access.CUT or not _MAPS.fullmatch(path):
                self.entries.append(Entry(kind, path, text.data, seconds=text.seconds))
            if text.access is Access.CUT:
                self.entries.append(Entry("cut", path, why=text.why, seconds=text.seconds))
        elif text.access is Access.REFUSED or not path.startswith("/proc/") or path.count("/") < 3:
            # The process has ended: ignore it.
            word = WORDS[text.access].decode()
            self.entries.append(Entry(word, path, why=text.why, seconds=text.seconds))


def _kept(path: str, data: bytes) -> bytes:
    if _MAPS.fullmatch(path):
        return trimmed(data)
    if _SPACE.fullmatch(path):
        return data[:CONFIG_BYTES]
    if _CONFIG.fullmatch(path):
        return machine_facts.trimmed_config(data)
    if path == LSPCI:
        return trimmed_listing(data)
    if _INFO.fullmatch(path):
        return b"".join(found[0] + b"\n" for found in _INFO_LINE.finditer(data))
    return machine_facts.trimmed_processor(data) if path == machine_facts.CPUINFO else data
