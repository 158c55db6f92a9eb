"""Which process of pytest-xdist runs a test: the tests of a file share one, or those of one ``xdist_group``.

So what a file prepares is prepared once, and a kernel's guests are those of one process. With
``--dist loadgroup`` groups are parts of names, which pytest 9.2 leaves alone (pytest-xdist, issue 1386): each
test would go to whichever process is idle. Here the processes write the groups down, and the scheduler reads
them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

#: The key of what a process is given: the file for its groups.
_GIVEN = "pfnlab groups"


class Spreading(LoadScopeScheduling):
    """
    The scheduler: groups and files, those with many tests first.

    :param folder: of the files that the processes write
    """

    def __init__(self, config: pytest.Config, log: Producer, folder: Path) -> None:
        super().__init__(config, log)
        self._folder = folder
        self._groups: dict[str, str] = {}

    def schedule(self) -> None:
        """Begin: all processes have collected the same tests, and one has written their groups first."""
        if not self._groups:
            self._groups = json.loads(next(self._folder.glob("*.json")).read_text(encoding="utf-8"))
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        return self._groups.get(nodeid, nodeid.partition("::")[0])


def _folder(config: pytest.Config) -> Path:
    folder: Path = config._tmp_path_factory.getbasetemp() / "groups"  # type: ignore[attr-defined]
    folder.mkdir(exist_ok=True)
    return folder


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: WorkerController) -> None:
    """Tell a process where its groups go."""
    node.workerinput[_GIVEN] = str(_folder(node.config) / f"{node.gateway.id}.json")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Spreading:
    """Use :class:`Spreading`, whatever ``--dist`` says."""
    return Spreading(config, log, _folder(config))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Write the groups of all tests; a file appears whole."""
    given: dict[str, Any] = getattr(session.config, "workerinput", {})
    if _GIVEN not in given:
        return
    groups = {}
    for item in session.items:
        mark = item.get_closest_marker("xdist_group")
        if mark is not None:
            groups[item.nodeid] = str(mark.args[0])
    part = Path(f"{given[_GIVEN]}.part")
    part.write_text(json.dumps(groups), encoding="utf-8")
    os.replace(part, given[_GIVEN])
