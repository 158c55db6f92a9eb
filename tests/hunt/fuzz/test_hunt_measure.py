"""A hunt that is steered by the blocks that programs reach in a kernel, of a made-up kernel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from pfnlab.hunt.fuzz import rounds
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.conditions import Bias
from pfnlab.hunt.fuzz.coverage import Coverage, ReachedKernel
from pfnlab.hunt.fuzz.grammar import draw
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import FuzzResult, HuntState, read_state, write_state
from pfnlab.present.document.campaign_part import part
from pfnlab.present.document.terminal import terminal
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Run

MODEL, KERNEL = "model:7.2", "qemu:7.2"


class Blocks(ModelMachine):
    """A kernel with a block for each kind of operation and one for each number of operations."""

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """The model's runs with the blocks that a kernel reached."""
        runs = super().run(programs)
        return [
            msgspec.structs.replace(run, blocks=blocks_of(program))
            for program, run in zip(programs, runs, strict=True)
        ]


def blocks_of(program: Program) -> tuple[str, ...]:
    """The blocks of the made-up kernel."""
    kinds = {f"do_wp_page+{type(op.call).__name__}" for op in program.ops}
    return (*sorted(kinds), f"remap_pfn_range+{len(program.ops):x}")


def machines() -> dict[str, Machine]:
    """A model, and the kernel."""
    return {MODEL: ModelMachine("7.2"), KERNEL: Blocks("7.2")}


def began(*, by_blocks: bool = True) -> HuntState:
    """The beginning of a hunt."""
    return HuntState([MODEL, KERNEL], 1, Vocabulary(), by_blocks=by_blocks)


def hunted(programs: int, *, by_blocks: bool = True) -> HuntState:
    """A hunt of so many programs."""
    state = began(by_blocks=by_blocks)
    Hunt(machines(), state).run(programs=programs)
    return state


def test_programs_with_new_blocks_are_kept() -> None:
    """Each program that is kept reached a block that none before it had reached."""
    state = hunted(40)

    known: set[str] = set()
    assert 1 < len(state.prefixes) < 40
    for program in state.prefixes:
        assert set(blocks_of(program)) - known
        known.update(blocks_of(program))
    assert known <= state.coverage.blocks


def test_blocks_keep_nothing_where_they_are_not_the_measure() -> None:
    """Without the measure the same programs are kept as on a kernel without blocks."""
    plain = HuntState([MODEL, KERNEL], 1, Vocabulary())
    Hunt({MODEL: ModelMachine("7.2"), KERNEL: ModelMachine("7.2")}, plain).run(programs=40)

    state = hunted(40, by_blocks=False)

    assert plain.prefixes == state.prefixes


def test_kept_programs_change_what_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the first round programs begin like others than those that new pairs keep."""
    monkeypatch.setattr(rounds, "ROUND", 20)

    by_kernel, by_pairs = hunted(40), hunted(40, by_blocks=False)

    assert by_pairs.bias.prefixes != by_kernel.bias.prefixes


@pytest.mark.parametrize("stops", [(5,), (10, 20), (13, 27)])
def test_resumed_equals_uninterrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops: tuple[int, ...]
) -> None:
    """Wherever it is interrupted, a hunt by blocks ends in the same state."""
    monkeypatch.setattr(rounds, "ROUND", 10)
    whole = hunted(35)
    kept = tmp_path / "state.json"
    write_state(kept, began())
    for stop in (*stops, 35):
        state = read_state(kept)
        assert state is not None
        Hunt(machines(), state).run(programs=stop)
        write_state(kept, state)

    assert whole == read_state(kept)


def test_the_result_counts_blocks_and_functions() -> None:
    """By source file, and in words; of a hunt without that measure there is neither."""
    state = hunted(20)
    result = FuzzResult.of(state)
    kernel = result.coverage.kernel

    assert kernel is not None
    assert (len(state.coverage.blocks), 2) == (kernel.blocks, kernel.functions)
    assert (2, len(state.coverage.blocks)) == kernel.files["mm/memory.c"]
    assert f"kernels: {kernel.blocks} blocks in 2 functions" in terminal(part(result))
    assert None is FuzzResult.of(hunted(4, by_blocks=False)).coverage.kernel


def test_blocks_are_counted_by_file() -> None:
    """Functions and blocks of each file, and none where nothing was reached."""
    reached = ReachedKernel.of({"do_wp_page+0", "do_wp_page+1a", "move_page_tables+0"})

    assert (3, 2) == (reached.blocks, reached.functions)
    assert (1, 2) == reached.files["mm/memory.c"]
    assert (1, 1) == reached.files["mm/mremap.c"]
    assert (0, 0) == reached.files["mm/vma.c"]


def test_blocks_are_new_once() -> None:
    """What was reached before is not new."""
    coverage = Coverage()
    (run,) = Blocks("7.2").run([draw(1, 7, Vocabulary(), Bias())])

    news = [coverage.add_blocks([run]), coverage.add_blocks([run])]

    assert [True, False] == news
