"""A snapshot from a path: a bundle, an sos report, or a core."""

import importlib
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.files import read_head
from pfnlab.base.inert import visible_name
from pfnlab.diagnosis.inspector.host_snapshot import Access, Snapshot
from pfnlab.diagnosis.inspector.parsing.assembly import snapshot_of
from pfnlab.diagnosis.inspector.parsing.text_files import GZIP, ORDINARY, SnapshotBounds, TextFiles
from pfnlab.diagnosis.inspector.sources.bundle import Bundle, is_bundle, unpacked_bundle
from pfnlab.diagnosis.inspector.sources.pasted import PastedFiles, loose_files
from pfnlab.diagnosis.inspector.sources.root_folder import RootFolder
from pfnlab.diagnosis.inspector.sources.sosreport import SosArchive, SosFolder, is_archive, is_report

#: The name of the machine that runs pfnlab.
HERE = "this machine"
#: The first bytes of cores: ELF, and the makedumpfile formats.
_CORES = (b"\x7fELF", b"KDUMP   ", b"makedumpfile", b"DISKDUMP")
_HEAD = 512


def live_files(bounds: SnapshotBounds = ORDINARY) -> TextFiles:
    """Return the files of the machine that runs pfnlab."""
    return RootFolder(Path("/"), HERE, bounds)


def live_snapshot(bounds: SnapshotBounds = ORDINARY) -> Snapshot:
    """Return a snapshot of the machine that runs pfnlab, as far as this user may read it; change nothing."""
    return snapshot_of(live_files(bounds))


def files_at(path: Path, bounds: SnapshotBounds = ORDINARY) -> TextFiles:
    """Return the text files in a bundle, a report or a paste; raise Misuse for anything else."""
    collected = collected_files(path, bounds)
    if collected is not None:
        return collected
    pasted = PastedFiles.at(loose_files(path) if path.is_dir() else [path], str(path), bounds)
    if not pasted.parts:
        raise Misuse(
            f"{visible_name(path)}: not a bundle, sos report or core, and without lines of "
            "/proc/iomem, lspci or the like: make a bundle with pfnlab-collect.sh"
        )
    return pasted


def collected_files(path: Path, bounds: SnapshotBounds = ORDINARY) -> TextFiles | None:
    """Return the text files in a bundle or a report; None for anything else, e.g. a paste or a log."""
    if path.is_dir():
        return SosFolder(path, bounds) if is_report(path) else None
    head = read_head(path, "bundle", _HEAD)
    if is_bundle(head):
        return Bundle.at(path, bounds)
    return SosArchive(path, bounds) if is_archive(head) else None


def received_bundle(data: bytes, origin: str) -> Bundle:
    """Return the bundle a user sent, packed or not; raise Misuse if it is missing or damaged."""
    name, head = visible_name(origin), data[:_HEAD]
    if is_bundle(head):
        return Bundle(unpacked_bundle(data, origin, ORDINARY), origin)
    if head.startswith(_CORES):
        raise Misuse(f"{name}: this is a core, and here only bundles are opened: `pfnlab inspect` reads it")
    if head.startswith(GZIP):
        raise Misuse(f"{name}: compressed, but not a bundle: `pfnlab inspect` reads sos reports")
    if is_archive(head):
        raise Misuse(f"{name}: an archive, not a bundle: `pfnlab inspect` reads sos reports")
    raise Misuse(f"{name}: not a bundle: make one with `pfnlab inspect --collect` or pfnlab-collect.sh")


def open_origin(path: Path, bounds: SnapshotBounds = ORDINARY) -> Snapshot:
    """Return the snapshot in a bundle, report or core; raise Misuse for anything else, or MissingTool.

    The type of file is detected from its content.
    """
    if not path.is_dir() and read_head(path, "bundle", _HEAD).startswith(_CORES):
        # Imported here because importing the lens takes longer than reading a bundle.
        core = importlib.import_module("pfnlab.diagnosis.inspector.sources.core")
        found: Snapshot = core.core_snapshot(path)
        return found
    return of_a_machine(snapshot_of(files_at(path, bounds)))


def of_a_machine(snapshot: Snapshot) -> Snapshot:
    """Return *snapshot*; if it has no facts about a machine, raise Misuse listing what was looked for."""
    if all(source.access is Access.ABSENT for source in snapshot.sources):
        names = ", ".join(source.name for source in snapshot.sources)
        raise Misuse(f"{visible_name(snapshot.origin)}: no file of a machine in it: looked for {names}")
    return snapshot
