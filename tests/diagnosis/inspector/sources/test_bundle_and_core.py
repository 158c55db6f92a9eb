"""One moment of a real kernel twice: its bundle and its core say the same of the machine."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import pytest

pytest.importorskip("drgn", reason="drgn is not here: pip install 'pfnlab[lens]'")

from having import ASKED, bootable, have
from litmus_files import litmus_file

from pfnlab.diagnosis.inspector.host_snapshot import Snapshot
from pfnlab.diagnosis.inspector.sources.origins import open_origin
from pfnlab.programs.lang.load import load_program
from tests.guests.known_state import KnownState, known_state
from tests.guests.shell import shell

pytestmark = [pytest.mark.lab, pytest.mark.timeout(600)]


class Twice(NamedTuple):
    """A moment, as it was taken, and as it is read from both."""

    state: KnownState
    bundle: Snapshot
    core: Snapshot


@pytest.fixture(
    scope="module",
    params=[pytest.param(series, marks=pytest.mark.xdist_group(f"kernel-{series}")) for series in ASKED],
)
def twice(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twice]:
    """The leak of the middle unmap, while its task lives; both files are told apart by their content."""
    kernel = bootable(request.param)
    have(shell)
    folder: Path = tmp_path_factory.mktemp("twice")
    program = load_program(litmus_file("munmap-middle"))
    with resources.as_file(resources.files("pfnlab.diagnosis.inspector") / "pfnlab-collect.sh") as script:
        state = known_state(program, kernel, script, folder / "core", after=2)
    (folder / "bundle").write_text(state.bundle)
    yield Twice(state, open_origin(folder / "bundle"), open_origin(folder / "core"))


def test_both_have_the_same_machine(twice: Twice) -> None:
    """
    Its kernel, book, resources, MTRRs, PAT and options.
    """
    for part in ("kernel", "host", "book", "resources", "mtrrs", "pat", "options", "virtual"):
        assert getattr(twice.bundle, part) == getattr(twice.core, part), part


def test_both_have_the_same_devices(twice: Twice) -> None:
    """
    With their drivers and BARs.
    """
    seen = [
        [(one.address, one.ids, one.kind, one.driver, one.bars) for one in snapshot.devices or ()]
        for snapshot in (twice.bundle, twice.core)
    ]

    assert seen[0] == seen[1]
    assert len(seen[0]) > 2


def test_both_have_the_same_mappings(twice: Twice) -> None:
    """
    With their flags and what their offsets say; the core knows the entries too.
    """
    seen = [
        [
            (one.pid, one.start, one.end, one.perms, one.path, one.offset, one.flags, one.physical)
            for one in snapshot.mappings or ()
        ]
        for snapshot in (twice.bundle, twice.core)
    ]

    assert seen[0] == seen[1]
    assert [twice.state.pids["main"]] * 2 == [pid for pid, *_ in seen[0] if pid != 1]
    assert all(one.entries for one in twice.core.mappings or ())


def test_the_core_has_the_log_of_the_bundle(twice: Twice) -> None:
    """
    What came after the script is behind it.
    """
    log = twice.bundle.log or ()

    assert log == (twice.core.log or ())[: len(log)]
    assert len(log) > 100
