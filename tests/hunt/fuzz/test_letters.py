"""The cells of a hunt: shards, interruptions, and a broken model that is found."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest
from having import NEW, bootable, model_of

from pfnlab.base.errors import Misuse
from pfnlab.base.result import Outcome
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.filing import Folder, findings_in
from pfnlab.hunt.fuzz.hunt import NO_FOLDER, Hunt
from pfnlab.hunt.fuzz.hunt_state import FuzzResult, HuntState, read_state, write_state
from pfnlab.hunt.fuzz.letters import LETTERS, Cells, PrintedCells
from pfnlab.hunt.fuzz.rounds import IN_MEMORY
from pfnlab.hunt.sweep.swept_cells import cells_of
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine

#: Two models that do not agree where a VMA is sealed.
BROKEN = ("model:7.3", "model:7.3,mseal=off")


class Interrupted(Exception):
    """Raised where a user would interrupt."""


def models(*names: str) -> dict[str, Machine]:
    """Models of those names."""
    return {name: ModelMachine(name.removeprefix("model:")) for name in names}


def began(names: tuple[str, ...], scope: str, text: str, known: Iterable[str] = ()) -> HuntState:
    """The state in which a hunt of those cells begins."""
    cells = Cells.named(scope, text)
    return HuntState(list(names), 0, Vocabulary(), looking=IN_MEMORY, known_keys=list(known), cells=cells)


def cells_in(state: HuntState) -> Cells:
    """The cells of a state that has some."""
    assert state.cells is not None
    return state.cells


def swept(names: tuple[str, ...], scope: str, text: str, folder: Folder = NO_FOLDER) -> HuntState:
    """The state of a hunt that came to its end."""
    state = began(names, scope, text)
    Hunt(models(*names), state, folder).run()
    return state


def printed(state: HuntState) -> PrintedCells:
    """The cells of its result."""
    cells = FuzzResult.of(state).cells
    assert cells is not None
    return cells


def test_a_broken_rule_is_found_in_the_cells() -> None:
    """A model without mseal differs from one with it, in cells that seal and in no other."""
    sealed = next(number for number, cell in enumerate(cells_of("pci")) if "mseal" in cell.kinds)

    state = swept(BROKEN, "pci", f"{sealed - 10}:{sealed + 10}")

    cells = cells_of("pci")[sealed - 10 : sealed + 10]
    assert [("D" if "mseal" in cell.kinds else ".") for cell in cells] == list(cells_in(state).letters)
    assert Outcome.DISCOVERY is FuzzResult.of(state).outcome


def test_the_shards_of_a_scope_are_the_whole() -> None:
    """Their letters one behind the other are those of one sweep."""
    whole = swept(BROKEN, "pci", "170:230")
    parts = [swept(BROKEN, "pci", f"{start}:{start + 20}") for start in range(170, 230, 20)]

    assert cells_in(whole).letters == "".join(cells_in(part).letters for part in parts)
    assert whole.different == sum(part.different for part in parts)
    assert cells_in(whole).shown == [cell for part in parts for cell in cells_in(part).shown]


def test_a_sweep_goes_on_after_every_interruption(tmp_path: Path) -> None:
    """Stopped each time it is stored, it ends as one that nobody stopped: no cell is counted twice."""
    kept = tmp_path / "sweep"
    whole = swept(BROKEN, "pci", "180:240", Folder(tmp_path / "whole"))
    state = began(BROKEN, "pci", "180:240")
    stops = 0

    def stop(state: HuntState) -> None:
        write_state(kept, state)
        raise Interrupted

    while state.next < cells_in(state).count:
        with pytest.raises(Interrupted):
            Hunt(models(*BROKEN), state, Folder(tmp_path / "parts"), on_progress=stop).run()
        stored = read_state(kept)
        assert stored is not None
        state = stored
        stops += 1

    assert msgspec.json.encode(whole) == msgspec.json.encode(state)
    assert stops > 2


def test_a_known_finding_is_counted_as_known(tmp_path: Path) -> None:
    """Its cells have the small letter, and nothing is filed."""
    filed, mine = tmp_path / "filed", tmp_path / "mine"
    swept(BROKEN, "pci", "180:240", Folder(filed))
    folder = Folder(mine, findings_in(filed))
    state = began(BROKEN, "pci", "180:240", folder.known())

    Hunt(models(*BROKEN), state, folder).run()

    assert {".", "d"} == set(cells_in(state).letters)
    assert not mine.exists()
    assert {True} == {finding.known for finding in state.findings.values()}


def test_a_filed_finding_names_the_command(tmp_path: Path) -> None:
    """Its report says which command showed it, and in which cell."""
    swept(BROKEN, "pci", "180:240", Folder(tmp_path))
    report = next(iter(sorted(tmp_path.glob("*/report.md")))).read_text(encoding="utf-8")

    assert "`pfnlab fuzz --enumerate pci`, program pci, UC-: " in report


def test_what_no_machine_can_run_is_counted_by_its_reason() -> None:
    """A series without leaves leaves such cells undecided only where it has no rule."""
    state = swept(("model:7.3", "model:7.2"), "leaves", "0:20")

    assert state.next == state.compared + state.undecided
    assert state.undecided == sum(state.reasons.values())
    assert state.next == sum(printed(state).letters.values())


def test_a_table_has_two_letters_for_each_pair() -> None:
    """At aligned and at odd places; cells that were not run are blank."""
    state = swept(("model:7.3", "model:7.2"), "pci", "2:6")
    (table,) = printed(state).tables

    assert ("  ", "..", "..", "  ") == table.rows["munmap"][:4]
    assert {"  "} == set(table.rows["mprotect"])


@pytest.mark.parametrize(
    ("text", "extent"), [(":", (0, 1156)), ("5:9", (5, 9)), (":9", (0, 9)), ("1150:", (1150, 1156))]
)
def test_a_range_of_cells(text: str, extent: tuple[int, int]) -> None:
    """Half-open, and without a number to the end."""
    cells = Cells.named("pci", text)

    assert extent == (cells.first, cells.end)


@pytest.mark.parametrize("text", ["", "5", "9:5", "5:5", "0:1157", "-1:5", "a:b", "٣:٩"])
def test_what_is_no_range_of_cells(text: str) -> None:
    """The whole range is named."""
    with pytest.raises(Misuse, match="write --cells 0:1156"):
        Cells.named("pci", text)


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
        state = began(tuple(machines), scope, f"{first}:{end}")

        Hunt(machines, state).run()

    assert {} == state.findings
    assert cells_in(state).count == state.compared


@pytest.mark.parametrize(
    "changed",
    [
        *({"first": -1}, {"end": -1}, {"letters": "Z"}, {"letters": ".\n."}),
        {"shown": [{"cell": 1_000_000, "letter": "D", "says": ["x"], "title": "t"}]},
        {"letters": ".."},
    ],
    ids=str,
)
def test_a_state_with_other_cells_is_refused(tmp_path: Path, changed: dict[str, object]) -> None:
    """In one line: its letters are counted, and its cells are looked up."""
    content = msgspec.to_builtins(began(BROKEN, "pci", "0:3"))
    content["cells"] |= changed
    path = tmp_path / "x.json"
    path.write_bytes(msgspec.json.encode(content))

    with pytest.raises(Misuse, match=r"x.json is not the state of a hunt: .*; name another file"):
        read_state(path)


def test_a_state_whose_cells_add_up_is_read(tmp_path: Path) -> None:
    """A letter for each cell that is done, and none for the others."""
    state = swept(BROKEN, "pci", "0:3")
    write_state(tmp_path / "x.json", state)

    read = read_state(tmp_path / "x.json")

    assert read is not None
    assert ("...", 3) == (cells_in(read).letters, read.next)


def test_causes_are_of_programs_that_are_drawn() -> None:
    """A cell is its own place: nobody weighs what cells showed, and nobody counts what they cover."""
    result = FuzzResult.of(swept(BROKEN, "pci", "242:246"))

    assert (True, (), None) == (bool(result.findings), result.causes, result.coverage)
