"""Recorded hunts: counts of all programs, and nothing of a finding."""

from __future__ import annotations

import msgspec
import pytest

from evidence.pages.hunts_page import page
from evidence.pages.recorded_hunt import RecordedHunt, recorded, recorded_hunts
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.causes import HuntFinding
from pfnlab.hunt.fuzz.hunt_state import FuzzResult, HuntState
from pfnlab.hunt.fuzz.letters import Cells

FOUND = HuntFinding(
    folder="secret",
    met=2,
    first=1,
    operations=3,
    says="what is wrong",
    minimal=True,
    program="munmap a",
    known=False,
)

LEAVES = Vocabulary(driver=True, leaves=True)


def result_of(*machines: str, drawn: Vocabulary = LEAVES) -> FuzzResult:
    """The result of a hunt of ten programs, two of them with a finding."""
    state = HuntState(list(machines), 3, drawn, next=10, compared=8, undecided=2, judged=1, alarming=1)
    return msgspec.structs.replace(
        FuzzResult.of(state),
        differences=1,
        findings={"a": FOUND, "b": msgspec.structs.replace(FOUND, known=True)},
        kernels={machine: f"linux-{machine}" for machine in machines},
    )


def test_a_record_has_counts_and_the_exact_kernel() -> None:
    """And the options that its programs were drawn with."""
    kept = recorded(result_of("model:7.3", "qemu:7.3"))

    assert ("qemu:7.3", "linux-qemu:7.3", "--driver --leaves") == (kept.name, kept.kernel, kept.drawn)
    assert (10, 8, 2, 1, 1, 1) == (
        *(kept.programs, kept.compared, kept.undecided, kept.judged),
        *(kept.alarming, kept.differences),
    )
    assert (2, 1) == (kept.findings, kept.known)


def test_a_record_has_nothing_of_a_finding() -> None:
    """It may be private."""
    kept = msgspec.json.encode(recorded(result_of("model:7.3", "qemu:7.3"))).decode()

    assert not any(word in kept for word in ("secret", "what is wrong", "munmap"))


@pytest.mark.parametrize(
    "machines",
    [
        pytest.param(("model:7.3", "model:7.2"), id="models alone"),
        pytest.param(("qemu:7.3", "qemu:7.2"), id="two kernels"),
    ],
)
def test_a_hunt_of_one_kernel_is_recorded(machines: tuple[str, str]) -> None:
    """Others have no row on the page."""
    with pytest.raises(ValueError, match="of one kernel"):
        recorded(result_of(*machines))


def test_hunts_that_differ_are_kept_in_files_of_their_own() -> None:
    """By kernel, kind of programs and seed."""
    hunts = [
        recorded(result_of("model:7.3", "qemu:7.3")),
        recorded(result_of("model:7.3", "qemu:7.3", drawn=Vocabulary())),
        recorded(result_of("model:7.2", "qemu:7.2")),
    ]

    assert ["7.3-driver-leaves-3.json", "7.3-plain-3.json", "7.2-driver-leaves-3.json"] == [
        hunt.file.name for hunt in hunts
    ]


def test_each_program_of_a_recorded_hunt_is_counted_once() -> None:
    """So none was passed over; a record with one more does not add up."""

    def whole(hunt: RecordedHunt) -> bool:
        return hunt.programs == hunt.compared + hunt.undecided and hunt.judged <= hunt.undecided

    kept = recorded_hunts()

    assert [True for _ in kept] == [whole(hunt) for hunt in kept]
    assert not whole(msgspec.structs.replace(kept[0], programs=kept[0].programs + 1))


def test_the_page_counts_the_programs_of_all_hunts() -> None:
    """The last row of each table has them together."""
    programs = sum(hunt.programs for hunt in recorded_hunts())

    together = [line.split(" | ") for line in page().splitlines() if line.startswith("| all together")]

    assert [f"{programs:,}"] * 2 == [next(cell for cell in row[1:] if cell) for row in together]


def test_a_hunt_of_cells_is_no_hunt_of_random_programs() -> None:
    """Its page is another one; nothing of it was drawn."""
    state = HuntState(["model:7.3", "qemu:7.3"], 0, Vocabulary(), cells=Cells.named("pci", "0:2"))

    with pytest.raises(ValueError, match="of random programs"):
        recorded(FuzzResult.of(state))
