"""Sweeps on models: shards, interruptions, and a broken model that is found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from having import NEW, bootable, model_of

from pfnlab.base.errors import Misuse
from pfnlab.base.result import Outcome
from pfnlab.hunt.fuzz.filing import Folder
from pfnlab.hunt.fuzz.hunt_state import HuntState, read_stored, write_stored
from pfnlab.hunt.fuzz.rounds import Opened
from pfnlab.hunt.sweep.sweep_result import SweepResult
from pfnlab.hunt.sweep.sweep_state import LETTERS, SweepFile, SweepState, begun
from pfnlab.hunt.sweep.sweeping import USUAL, cells_named, compared_together, run_sweep
from pfnlab.hunt.sweep.swept_cells import cells_of
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine

#: Two models that do not agree where a VMA is sealed.
BROKEN = ("model:7.3", "model:7.3,mseal=off")


class Interrupted(Exception):
    """Raised where a user would interrupt."""


def lab_of(*names: str) -> Opened:
    """Models of those names."""
    machines: dict[str, Machine] = {name: ModelMachine(name.removeprefix("model:")) for name in names}
    return Opened(USUAL, {LookLevel.MEMORY: machines}, {})


def swept(
    names: tuple[str, ...],
    scope: str,
    first: int,
    end: int,
    folder: Folder | None = None,
    on_progress: Callable[[HuntState], None] = lambda state: None,
) -> SweepState:
    """The state of a sweep that came to its end."""
    state = begun(list(names), scope, first, end, USUAL)
    run_sweep(state, lab_of(*names), folder, on_progress=on_progress)
    return state


def test_a_broken_rule_is_found_in_the_cells() -> None:
    """A model without mseal differs from one with it, in cells that seal and in no other."""
    sealed = next(number for number, cell in enumerate(cells_of("pci")) if "mseal" in cell.kinds)

    state = swept(BROKEN, "pci", sealed - 10, sealed + 10)

    cells = cells_of("pci")[sealed - 10 : sealed + 10]
    assert [("D" if "mseal" in cell.kinds else ".") for cell in cells] == list(state.letters)
    assert Outcome.DISCOVERY is SweepResult.of(state).outcome


def test_the_shards_of_a_scope_are_the_whole() -> None:
    """Their letters one behind the other are those of one sweep."""
    first, end = cells_named("170:230", "pci")

    whole = swept(BROKEN, "pci", first, end)
    parts = [swept(BROKEN, "pci", start, start + 20) for start in range(first, end, 20)]

    assert whole.letters == "".join(part.letters for part in parts)
    assert whole.different == sum(part.different for part in parts)
    assert [cell.cell for cell in whole.shown] == [cell.cell for part in parts for cell in part.shown]


def test_a_sweep_goes_on_after_every_interruption(tmp_path: Path) -> None:
    """Stopped each time it is stored, it ends as one that nobody stopped: no cell is counted twice."""
    kept = tmp_path / "sweep"
    whole = swept(BROKEN, "pci", 180, 240, Folder(tmp_path / "whole"))
    state = begun(list(BROKEN), "pci", 180, 240, USUAL)
    stops = 0

    def stop(state: HuntState) -> None:
        write_stored(kept, SweepFile([state] if isinstance(state, SweepState) else []))
        raise Interrupted

    while state.next < state.cells:
        with pytest.raises(Interrupted):
            run_sweep(state, lab_of(*BROKEN), Folder(tmp_path / "parts"), on_progress=stop)
        stored = read_stored(kept, SweepFile, "sweep")
        assert stored is not None
        (state,) = stored.sweeps
        stops += 1

    assert msgspec.json.encode(whole) == msgspec.json.encode(state)
    assert stops > 2


def test_a_known_finding_is_counted_as_known(tmp_path: Path) -> None:
    """Its cells have the small letter, and nothing is filed."""
    filed, mine = tmp_path / "filed", tmp_path / "mine"
    swept(BROKEN, "pci", 180, 240, Folder(filed))
    folder = Folder(mine, (filed,))
    state = begun(list(BROKEN), "pci", 180, 240, USUAL, list(folder.known()))

    run_sweep(state, lab_of(*BROKEN), folder)

    assert {".", "d"} == set(state.letters)
    assert not mine.exists()
    assert {True} == {finding.known for finding in SweepResult.of(state).findings.values()}


def test_a_filed_finding_names_the_sweep(tmp_path: Path) -> None:
    """Its report says which command showed it, and in which cell."""
    swept(BROKEN, "pci", 180, 240, Folder(tmp_path))
    report = next(iter(sorted(tmp_path.glob("*/report.md")))).read_text(encoding="utf-8")

    assert "`pfnlab sweep pci`, program pci, UC-: " in report


def test_what_no_machine_can_run_is_counted_by_its_reason() -> None:
    """A series without leaves leaves such cells undecided only where it has no rule."""
    state = swept(("model:7.3", "model:7.2"), "leaves", 0, 20)
    result = SweepResult.of(state)

    assert state.next == result.compared + result.undecided + result.not_runnable
    assert sum(result.letters.values()) == state.next


def test_a_table_has_two_letters_for_each_pair() -> None:
    """At aligned and at odd places; cells that were not run are blank."""
    state = swept(("model:7.3", "model:7.2"), "pci", 2, 6)
    (table,) = SweepResult.of(state).tables

    assert ("  ", "..", "..", "  ") == table.rows["munmap"][:4]
    assert {"  "} == set(table.rows["mprotect"])


@pytest.mark.parametrize(
    ("text", "extent"), [(":", (0, 1156)), ("5:9", (5, 9)), (":9", (0, 9)), ("1150:", (1150, 1156))]
)
def test_a_range_of_cells(text: str, extent: tuple[int, int]) -> None:
    """Half-open, and without a number to the end."""
    assert extent == cells_named(text, "pci")


@pytest.mark.parametrize("text", ["", "5", "9:5", "5:5", "0:1157", "-1:5", "a:b", "٣:٩"])
def test_what_is_no_range_of_cells(text: str) -> None:
    """The whole range is named."""
    with pytest.raises(Misuse, match="write --cells 0:1156"):
        cells_named(text, "pci")


@pytest.mark.parametrize(
    ("specs", "groups"),
    [
        (["qemu:7.3"], [["model:7.3", "qemu:7.3"]]),
        (["qemu:6.1", "qemu:7.3"], [["model:6.1", "qemu:6.1"], ["model:7.3", "qemu:7.3"]]),
        (["model:7.2", "qemu:7.3", "qemu:7.2"], [["model:7.2", "qemu:7.3", "qemu:7.2"]]),
    ],
)
def test_each_kernel_has_the_model_of_its_series(specs: list[str], groups: list[list[str]]) -> None:
    """Where models are named, all machines are compared with each other."""
    assert groups == compared_together(specs)


def test_one_model_has_nothing_to_differ_from() -> None:
    """A kernel alone has its model."""
    with pytest.raises(Misuse, match="nothing to differ from"):
        compared_together(["model:7.3"])


def test_each_letter_has_a_meaning_of_its_own() -> None:
    """A table says what its letters are."""
    assert len(LETTERS) == len(set(LETTERS.values()))


@pytest.mark.lab
@pytest.mark.xdist_group(f"kernel-{NEW}")
@pytest.mark.parametrize(
    ("scope", "extent"),
    [
        pytest.param("pci", slice(0, 24), id="pci"),
        pytest.param("mem", slice(100, 112), id="mem"),
        pytest.param("driver", slice(0, 12), id="driver"),
        *(
            pytest.param(scope, slice(None), id=f"{scope} whole", marks=pytest.mark.target("long"))
            for scope in ("pci", "mem", "private", "driver")
        ),
    ],
)
@pytest.mark.timeout(1800)
def test_a_kernel_agrees_with_its_model(scope: str, extent: slice) -> None:
    """In every cell that it can run; nothing is broken for an unknown reason."""
    first, end, _ = extent.indices(len(cells_of(scope)))
    model = ModelMachine(model_of(NEW))
    with QemuMachine(bootable(NEW), guests=1, look=LookLevel.MEMORY) as kernel:
        machines: dict[str, Machine] = {f"model:{model_of(NEW)}": model, f"qemu:{NEW}": kernel}
        state = begun(list(machines), scope, first, end, USUAL)

        run_sweep(state, Opened(USUAL, {LookLevel.MEMORY: machines}, {}))

    assert {} == state.findings
    assert state.cells == state.compared


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("first", -1), ("end", -1), ("letters", "Z"), ("letters", ".\n.")),
        ("shown", [{"cell": 1_000_000, "letter": "D", "says": ["x"]}]),
    ],
)
def test_a_state_with_cells_of_another_sweep_is_refused(tmp_path: Path, key: str, value: object) -> None:
    """In one line: its letters are counted, and its cells are looked up."""
    state = begun(list(BROKEN), "pci", 0, 3, USUAL)
    content = {"format": SweepFile.FORM, "sweeps": [{**msgspec.to_builtins(state), key: value}]}
    path = tmp_path / "x.json"
    path.write_bytes(msgspec.json.encode(content))

    with pytest.raises(Misuse, match=r"x.json is no state of a sweep: .*; name another file"):
        read_stored(path, SweepFile, "sweep")
