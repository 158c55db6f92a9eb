"""The work of shards, by their tasks. Nothing here writes to the store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from pfnlab.base.errors import Defect, Misuse
from pfnlab.base.files import MOST_RECORDED, read_bytes
from pfnlab.campaign.catalogue_work import CatalogueWork, catalogue_shard
from pfnlab.campaign.check_work import CheckWork, check_shard
from pfnlab.campaign.fuzz_work import FuzzWork, SweepWork, fuzz_shard
from pfnlab.campaign.meet_work import MeetWork, meet_shard
from pfnlab.campaign.shard import Shard, ShardResults
from pfnlab.programs.runs.named_machines import files_named

#: For each task the form of its work, and what does it.
TASKS: dict[str, tuple[type[Any], Callable[[Any], ShardResults]]] = {
    "fuzz": (FuzzWork, fuzz_shard),
    "check": (CheckWork, check_shard),
    "catalogue": (CatalogueWork, catalogue_shard),
    "meet": (MeetWork, meet_shard),
    "sweep": (SweepWork, fuzz_shard),
}

#: The key under which the work of a shard has the digests of the files that its machines are made of.
FILES = "files"


def perform(shard: Shard) -> ShardResults:
    """Do what *shard* says, in this process.

    :raises Defect: nothing does such a task
    :raises Misuse: a file that it names is another one now
    """
    if shard.task not in TASKS:
        raise Defect(f"there is no task {shard.task!r}")
    files, work = work_of(shard.task, shard.work)
    for name, digest in files.items():
        if file_digest(Path(name)) != digest:
            raise Misuse(f"{name} is not as it was when the campaign began: begin another campaign")
    return TASKS[shard.task][1](work)


def work_of(task: str, content: Mapping[str, Any]) -> tuple[dict[str, str], Any]:
    """The work of a shard that has a task of :data:`TASKS`, and the digests of the files it is made of.

    :raises msgspec.ValidationError: *content* is no work of that task
    """
    work = dict(content)
    files = msgspec.convert(work.pop(FILES, {}), dict[str, str])
    return files, msgspec.convert(work, TASKS[task][0])


def files_of(machines: Iterable[str]) -> dict[str, str]:
    """The digest of every file that the names of *machines* name: policies, configurations, kernels."""
    return {name: file_digest(Path(name)) for name in sorted(files_named(machines))}


def file_digest(path: Path) -> str:
    """The SHA-256 of the file at *path*.

    :raises Unreadable: there is none
    """
    return hashlib.sha256(read_bytes(path, "file", MOST_RECORDED)).hexdigest()
