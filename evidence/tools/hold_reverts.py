"""Build every patch in ``evidence/patches/reverts/``, test for its bugs, and compare with its model.

``hold_reverts.py [COMMIT[-SERIES]...]`` builds the kernels (all by default). It runs the programs for the
catalogue entries that the commit fixes or introduced on the kernel without it, on the stock kernel in the
series, and on the model without it. Results are recorded in ``evidence/patches/reverts/held.json``, and the
table in ``evidence/patches/reverts/README.md`` is made from that. ``--dry`` records nothing; ``--write`` only
makes the table.

Exit codes: 0 everything agrees with catalogue and model, 1 something does not, 3 a kernel could not be built
or was inconclusive.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from page_tables import put, table

from evidence.pages.bug_seen import shown_word
from evidence.pages.held_reverts import HELD, HeldProgram, HeldRevert, read_held
from pfnlab.base.errors import Undecided
from pfnlab.base.progress import say
from pfnlab.hunt.meeting.bug_run import BugRunResult, ShownProgram, program_file, show_bug
from pfnlab.hunt.meeting.sign import ended_at
from pfnlab.kernel.bugs.bug_status import BugStatusWord, bug_status
from pfnlab.kernel.bugs.known_bugs import Bug, all_bugs
from pfnlab.kernel.policies.known_kernels import newest_known
from pfnlab.kernel.policies.switches import SWITCHES
from pfnlab.lab.building.build import build
from pfnlab.lab.building.patch_file import FOLDER, Revert, known_reverts, read_patch
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.golden import golden_look
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.named_machines import name_machines, side_by_side
from pfnlab.programs.runs.observation import Run

HOME = Path(__file__).parents[2] / FOLDER
KEPT = HOME / HELD
PAGE = HOME / "README.md"
BEGIN = "<!-- reverts: `python evidence/tools/hold_reverts.py --write` -->\n"
END = "<!-- end of reverts -->\n"

_HEADINGS = ("entry", "patch", "lines", "program", "the sign", "without it", "stock", "model")


def main(arguments: Sequence[str]) -> int:
    """Compare the kernels, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="COMMIT", help="04c35ab3bdae or 04c35ab3bdae-6.1")
    parser.add_argument("--jobs", type=int, help="commands of a build at once; one a core")
    parser.add_argument("--dry", action="store_true", help="compare, and keep nothing")
    parser.add_argument("--write", action="store_true", help="only make the table again")
    asked = parser.parse_args(arguments)
    status = 0
    for revert in () if asked.write else chosen(asked.names):
        try:
            held = hold(revert, asked.jobs)
        except Undecided as reason:
            print(f"{name_of(revert)}: {reason}", file=sys.stderr)
            status = max(status, reason.exit_code)
            continue
        for wrong in faults(held):
            print(f"{name_of(revert)}: {wrong}", file=sys.stderr)
            status = max(status, 1)
        if not asked.dry:
            keep(name_of(revert), held)
    if not asked.dry:
        put(PAGE, (BEGIN, END), table_of(known_reverts(), read_held(KEPT)))
    return status


def chosen(names: Sequence[str]) -> list[Revert]:
    """Return the patches for these commits, or all if no commits are given.

    :raises SystemExit: if a name is unknown
    """
    known = known_reverts()
    for name in names:
        if not any(name in (one.commit, name_of(one)) for one in known):
            raise SystemExit(f"there is no revert {name!r}: known are {', '.join(map(name_of, known))}")
    return [one for one in known if not names or {one.commit, name_of(one)} & set(names)]


def name_of(revert: Revert) -> str:
    """``04c35ab3bdae-6.1``."""
    return f"{revert.commit}-{revert.series}"


def bugs_of(revert: Revert) -> list[Bug]:
    """Return entries with a program that a commit fixes, or that it introduced and the series still has.

    If an entry names no commit, the switch decides.
    """
    by_switch = {
        switch.catalogue
        for switch in SWITCHES
        if revert.commit in (switch.commit, switch.ended_by, switch.name)
    }
    stock = newest_known(revert.series) or revert.series
    return [
        bug
        for bug in all_bugs()
        if bug.shown
        and (
            bug_status(bug, stock).word is BugStatusWord.HAS
            if bug.introduced == revert.commit
            else bug.commit == revert.commit or bug.number in by_switch
        )
    ]


def hold(revert: Revert, jobs: int | None) -> HeldRevert:
    """Build the kernel without a commit, and run its entries on it, on the stock kernel and on the model.

    :raises Undecided: if it cannot be built, or a machine is not available
    """
    kernel = build(revert.series, reverts=(revert.commit,), jobs=jobs, say=say)
    without, stock = f"qemu:{kernel.name}", f"qemu:{revert.series}"
    model = f"model:{kernel.name},{kernel.policy}"
    held: list[HeldProgram] = []
    kernels = {without: kernel.image.version, stock: ""}
    for bug in bugs_of(revert):
        result = show_bug(bug, [without, stock])
        kernels |= {one.machine: one.kernel for one in result.programs[0].machines if one.machine in kernels}
        held += [
            HeldProgram(
                entry=bug.number,
                program=shown.program,
                op=shown.op,
                fields=tuple(one.field for one in shown.sign),
                without=word_on(shown, without),
                stock=word_on(shown, stock),
                differ=parted(shown.program, model, without),
            )
            for shown in rows_of(result, revert.series)
        ]
    return HeldRevert(
        kernel=kernels[without],
        stock=kernels[stock],
        source=kernel.source,
        build_seconds=round(kernel.seconds),
        programs=tuple(held),
    )


def rows_of(result: BugRunResult, series: str) -> list[ShownProgram]:
    """Return one row per program: the row between models of *series*, if there is one."""
    rows: dict[str, ShownProgram] = {}
    for shown in result.programs:
        of_series = shown.before.partition(",")[0] == f"model:{series}"
        if shown.program not in rows or of_series:
            rows[shown.program] = shown
    return list(rows.values())


def word_on(shown: ShownProgram, machine: str) -> str:
    """Return the word for a machine, marked if it is not the expected word."""
    one = next(one for one in shown.machines if one.machine == machine)
    return one.word if one.as_expected else f"{one.word}, expected {one.expected}"


def parted(name: str, model: str, kernel: str) -> tuple[str, ...]:
    """Return the steps and fields in which a model and a kernel differ in one program."""
    path = program_file(name)
    look = golden_look(path) or LookLevel.PROC
    ((predicted, seen),) = side_by_side(name_machines([model, kernel]), [load_program(path)], look)
    return steps_apart(predicted, seen)


def steps_apart(predicted: Run, seen: Run) -> tuple[str, ...]:
    """Return each step (from 1) and field in which two runs differ; mark a run that ended early.

    Returns nothing if both kernels end in the same step.
    """
    ends = ended_at(predicted) is not None and ended_at(predicted) == ended_at(seen)
    early = () if ends else (predicted, seen)
    short = tuple(f"{run.machine} ended early" for run in early if run.unfinished is not None)
    return (*(f"{one.step + 1} {one.field}" for one in differences([predicted, seen])), *short)


def faults(held: HeldRevert) -> list[str]:
    """Return every fault: two kernels that do not diverge, or a model that differs."""
    found = []
    for one in held.programs:
        if {one.without, one.stock} not in ({"broken", "mended"}, {"before", "after"}):
            found.append(f"{one.entry} {one.program}: without it {one.without}, stock {one.stock}")
        if one.differ:
            found.append(f"{one.entry} {one.program}: the model differs in {', '.join(one.differ)}")
    return found


def keep(name: str, held: HeldRevert) -> None:
    """Record the results on the kernel for the patch *name*; records are sorted by name."""
    kept = {**read_held(KEPT), name: held}
    text = msgspec.json.format(msgspec.json.encode(dict(sorted(kept.items()))), indent=1)
    KEPT.write_bytes(text + b"\n")


def table_of(reverts: Sequence[Revert], held: Mapping[str, HeldRevert]) -> str:
    """Make a row per program in each entry; a patch with no diverging program gets dashes."""
    rows: list[tuple[str, ...]] = []
    for revert in reverts:
        patch, kept = read_patch(revert.path), held.get(name_of(revert))
        head = f"[{name_of(revert)}]({revert.path.name})", f"+{patch.added} -{patch.removed}"
        rows += [
            (
                *(one.entry, *head, one.program, f"`{one.op}`: {', '.join(one.fields)}"),
                *(
                    shown_word(one.without),
                    shown_word(one.stock),
                    "differs: " + ", ".join(one.differ) if one.differ else "agrees",
                ),
            )
            for one in (kept.programs if kept else ())
        ]
        if not (kept and kept.programs):
            # The kernel ends where the model has no answer; the entry describes what was observed.
            mends = ", ".join(bug.number for bug in all_bugs() if bug.commit == revert.commit)
            rows.append((mends or "-", *head, *"-----"))
    return table(_HEADINGS, sorted(rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
