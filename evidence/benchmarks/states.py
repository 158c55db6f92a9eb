"""The checker on the modelled kernel: states per second of processor time, and where a step spends its time.

A state is a whole kernel, and a step is one operation on it. The parts are measured separately on the same
states: the operation, the kernel as a value, and restoring the kernel. For comparison, a kernel is created
from scratch, which restoring avoids; that ratio holds even on a busy machine.

    python evidence/benchmarks/states.py [--quick] [MACHINE ...]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

from measuring import busy, no_collection, rounds, show

from pfnlab.checker.check import check
from pfnlab.checker.limits import Exhaustive
from pfnlab.checker.scopes.domain import KernelModel, KernelState
from pfnlab.checker.scopes.mark import Mark
from pfnlab.checker.scopes.operations import operations
from pfnlab.checker.scopes.properties import questions
from pfnlab.checker.scopes.scope import Scope, load_scope
from pfnlab.programs.model.model_machine import ModelMachine

#: The counts of the scope within its bound; with a tracker named, only questions about trackers are asked.
STATES = {"7.2,tracker=exact": 10_543, "6.1": 12_837}

#: States a second in plain Python.
GOAL = 5_000


def searched(machine: str, scope: Scope, depth: int | None) -> tuple[int, int, float]:
    """States, steps, and seconds of processor time."""
    asked = questions(["tracker"] if "tracker=" in machine else [], scope)
    begun = time.process_time()
    found = check(ModelMachine(machine), scope, asked, Exhaustive(depth=depth))
    return found.states, found.transitions, time.process_time() - begun


def parts(machine: str, scope: Scope) -> dict[str, float]:
    """Return the microseconds per step for each part."""
    model = KernelModel(ModelMachine(machine), scope)
    near: list[KernelState] = list(model.initial())
    for _ in range(2):
        near = list(dict.fromkeys(after for state in near for _, after in model.successors(state)))
    marked = [(state, kernel, Mark(kernel)) for state in near[:60] for kernel in (model.thawed(state),)]
    steps = [(*one, op) for one in marked for op in operations(one[1], scope)]
    spent = dict.fromkeys(("operation", "value", "put back", "made anew"), 0.0)
    now = time.process_time
    with no_collection():
        for state, kernel, mark, op in steps:
            marks = [now()]
            model.perform(kernel, op)
            marks.append(now())
            model.frozen(kernel)
            marks.append(now())
            mark.restore()
            marks.append(now())
            model.thawed(state)
            marks.append(now())
            for at, name in enumerate(spent):
                spent[name] += marks[at + 1] - marks[at]
    return {name: seconds / len(steps) * 1e6 for name, seconds in spent.items()}


def main() -> int:
    """Measure and print; return 1 if a count is wrong or restoring saves nothing."""
    parser = argparse.ArgumentParser()
    parser.add_argument("machines", nargs="*", default=list(STATES))
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    scope = load_scope("standard")
    assert isinstance(scope, Scope)
    searches, shares, wrong = [], [], []
    for machine in options.machines:
        many = rounds(1 if options.quick else 5, 120)
        made = [(searched(machine, scope, 3 if options.quick else None), parts(machine, scope)) for _ in many]
        states, steps, _ = made[0][0]
        if not options.quick and states != STATES.get(machine, states):
            wrong.append(f"{machine} has {states:,} states")
        seconds = statistics.median(one[2] for one, _ in made)
        rate = states / seconds
        searches.append(
            [machine, f"{states:,}", f"{steps:,}", f"{seconds:.2f}", f"{rate:,.0f}", f"{rate / GOAL:.0%}"]
        )
        each = {name: statistics.median(spent[name] for _, spent in made) for name in made[0][1]}
        ratio = statistics.median(spent["made anew"] / spent["put back"] for _, spent in made)
        if ratio < 1:
            wrong.append(f"on {machine} a kernel is made anew faster than put back")
        shares.append([machine, *(f"{micro:.0f}" for micro in each.values()), f"{ratio:.1f}"])
    head = ["", "states", "steps", "CPU s", "states/s", "of the goal"]
    show(f"scope standard, the goal is {GOAL:,} states a second", head, searches)
    show("microseconds a step", ["", *each, "anew / put back"], shares)
    print(f"({len(made)} rounds; {busy()})")
    print("\n".join(wrong) or "Every count is right, and putting a kernel back is a gain.")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
