"""Sweeping: the cells of a scope on machines, by the loop that hunts with random programs run through."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import shell_line, shell_word
from pfnlab.hunt.fuzz.filing import Folder
from pfnlab.hunt.fuzz.hunt import Hunt
from pfnlab.hunt.fuzz.hunt_state import HuntState
from pfnlab.hunt.fuzz.rounds import EnumeratedPrograms, Looks, Opened
from pfnlab.hunt.sweep.sweep_state import SweepState
from pfnlab.hunt.sweep.swept_cells import cells_of
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.named_machines import name_machine
from pfnlab.programs.runs.observation import Run

#: How the cells are looked at where nobody says: in memory, which changes nothing.
USUAL = Looks((LookLevel.MEMORY,))

#: How many cells are run together: few, so that one sees how far a sweep is.
TOGETHER = 40

_RANGE = re.compile(r"(\d*):(\d*)", re.ASCII)


def cells_named(text: str, scope: str) -> tuple[int, int]:
    """The cells ``A:B`` of a scope, half-open; without a number from the first one or to the last.

    :raises Misuse: it is no such range, or there is no such scope
    """
    count = len(cells_of(scope))
    found = _RANGE.fullmatch(text)
    first, end = (int(found[1] or 0), int(found[2] or count)) if found is not None else (0, 0)
    if not 0 <= first < end <= count:
        raise Misuse(
            f"scope {scope} has the cells 0:{count}, and {text} is no range of them: write --cells 0:{count}"
        )
    return first, end


def compared_together(specs: Sequence[str], profile: str | None = None) -> list[list[str]]:
    """The machines of each sweep: all of *specs* where there are models among them, else each kernel with
    the model of its series.

    :param profile: the series that a kernel of the user's own should behave like
    :raises Misuse: there is no such machine, or one has nothing to be compared with
    """
    named = [name_machine(spec, profile) for spec in specs]
    if any(machine.kind == "model" for machine in named):
        if len(set(specs)) != len(specs) or len(specs) < 2:
            both = shell_line(("--on", specs[0], "--on", "qemu:7.2"))
            raise Misuse(f"one machine has nothing to differ from: write {both}")
        return [list(specs)]
    groups = []
    for machine in dict.fromkeys(named):
        if machine.model is None:
            raise Misuse(f"no model stands for {machine.spec}: say --profile SERIES, or name a model too")
        groups.append([machine.model, machine.spec])
    return groups


def run_sweep(
    state: SweepState,
    lab: Opened,
    folder: Folder | None = None,
    *,
    most: int | None = None,
    jobs: int = 1,
    on_progress: Callable[[HuntState], None] = lambda state: None,
    on_compared: Callable[[Sequence[Run]], None] = lambda runs: None,
) -> Hunt:
    """Run the cells that *state* has left on the machines of *lab*, which changes it; the hunt that did it.

    :param folder: for findings, None to file none
    :param most: end after so many findings
    """
    cells = cells_of(state.scope)
    hunt = Hunt(
        lab.machines,
        state,
        folder,
        watched=False,
        on_progress=on_progress,
        on_compared=on_compared,
        predicting=lab.predicting,
        # A cell is its own place: nobody asks which findings have one cause.
        grouped=False,
        jobs=jobs,
        listed=EnumeratedPrograms(
            lambda index: cells[state.first + index].program,
            TOGETHER,
            f"pfnlab sweep {shell_word(state.scope)}",
        ),
        on_settled=state.settled,
    )
    hunt.run(state.cells, most=most)
    return hunt
