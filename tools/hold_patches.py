"""Every patch of ``patches/`` as a kernel, held against the model with its policy.

``hold_patches.py [NAME...] [--programs N] [--seed N]`` builds them (all, where none is named), runs the
programs of ``litmus/`` and N random ones of each kind on the kernel and on its model, and keeps what was
compared in ``patches/held.json``; with ``--write`` alone only the tables of ``patches/README.md`` are made.

Exit codes: 0 all are equal, 1 one differs, 3 one could not be built or compared.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pfnlab.cli.machines import say
from pfnlab.errors import Undecided
from pfnlab.lab.building.build import BuildRequest, build
from pfnlab.lab.building.patch_file import PatchFile, read_patch
from pfnlab.lab.running.machine import QemuMachine
from pfnlab.meeting.holding import litmus_looks, litmus_programs
from pfnlab.programs.lang.ops import Program, is_held
from pfnlab.programs.model.machine import ModelMachine
from pfnlab.programs.runs.compare import differences
from pfnlab.trying.page import trial_page
from pfnlab.trying.trial import Trial, TrialOutcome, try_kernel

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "patches"
HELD, PAGE = "held.json", "README.md"

#: The sections of the page by seam, each with a table between marks.
BEGIN, END = "<!-- {}: `python tools/hold_patches.py --write` -->\n", "<!-- end of {} -->\n"

_COUNTS = ("litmus", "changed", "schedules", "random", "steps", "undecided", "differences")
_HEADINGS = ("patch", "policy", "base", "lines", "build", *_COUNTS)
_HEAD = f"| {' | '.join(_HEADINGS)} |\n" + "| --- " * len(_HEADINGS) + "|\n"


def main(arguments: Sequence[str]) -> int:
    """Hold the patches, and write what was compared."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="flush-end_vma; all where none is named")
    parser.add_argument("--programs", type=int, default=200, help="random programs of each kind")
    parser.add_argument("--seed", type=int, default=7, help="which random programs")
    parser.add_argument("--write", action="store_true", help="only make the tables again")
    asked = parser.parse_args(arguments)
    status = 0
    if not asked.write:
        for patch in chosen(asked.names):
            status = max(status, hold(patch, asked.programs, asked.seed))
    write_tables(FOLDER)
    return status


def chosen(names: Sequence[str]) -> list[PatchFile]:
    """The patches of these names, all where there are none.

    :raises SystemExit: there is none of a name
    """
    patches = {path.stem: read_patch(path) for path in sorted(FOLDER.glob("*.patch"))}
    unknown = [name for name in names if name not in patches]
    if unknown:
        raise SystemExit(f"there is no patch {unknown[0]!r} in patches/: known are {', '.join(patches)}")
    return [patches[name] for name in names or patches]


def hold(patch: PatchFile, programs: int, seed: int) -> int:
    """Build one patch, hold its kernel against its model, keep the result; the exit code."""
    name, series = patch.path.stem, patch.base_package.removeprefix("linux-source-")
    litmus = ROOT / "litmus"
    try:
        kernel = build(BuildRequest(series, (patch.path,), name=name), say=say)
        with QemuMachine(kernel.image, guests=1, name=f"qemu:{name}", say=say) as machine:
            trial = try_kernel(
                machine,
                series,
                litmus_programs(litmus),
                policies=(patch.policy,),
                name=name,
                programs=programs,
                seed=seed,
                looks=litmus_looks(litmus),
                say=say,
            )
    except Undecided as reason:
        print(f"{name}: {reason}", file=sys.stderr)
        return reason.exit_code
    if trial.outcome is not TrialOutcome.EQUAL:
        print(
            trial_page(
                trial, name, f"{kernel.version} of {kernel.source}", [patch], f"tools/hold_patches.py {name}"
            )
        )
    held = read_held(FOLDER)
    programs_changed = changed(series, patch.policy, litmus_programs(litmus))
    held[name] = row(trial, kernel.source, kernel.seconds, programs_changed)
    text = json.dumps(dict(sorted(held.items())), indent=1, ensure_ascii=False)
    (FOLDER / HELD).write_text(f"{text}\n", encoding="utf-8")
    return {TrialOutcome.EQUAL: 0, TrialOutcome.DIFFERS: 1}.get(trial.outcome, 3)


def changed(series: str, policy: str, programs: Mapping[str, Program]) -> list[Program]:
    """Those of *programs* that the policy changes on the model: on its kernel they are another kernel's."""
    models = ModelMachine(series), ModelMachine(f"{series},{policy}")
    return [
        program for program in programs.values() if differences([model.run_one(program) for model in models])
    ]


def row(trial: Trial, source: str, seconds: float, programs_changed: Sequence[Program]) -> dict[str, Any]:
    """What is kept of a trial."""
    random = sum(count.programs for name, count in trial.held.items() if name.startswith("random"))
    return {
        **{"kernel": trial.kernel, "source": source, "build_seconds": round(seconds), "seed": trial.seed},
        **{"litmus": trial.programs - random, "random": random, "steps": trial.steps},
        **{"changed": len(programs_changed), "schedules": sum(map(is_held, programs_changed))},
        **{
            "undecided": trial.undecided,
            "differences": sum(len(cause.differences) for cause in trial.causes),
        },
    }


def read_held(folder: Path) -> dict[str, dict[str, Any]]:
    """What was compared, by the name of the patch."""
    path = folder / HELD
    found: dict[str, dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def table(patches: Sequence[PatchFile], held: Mapping[str, Mapping[str, Any]]) -> str:
    """A row for each patch; a dash for what was not measured."""
    rows = []
    for patch in patches:
        name, kept = patch.path.stem, held.get(patch.path.stem, {})
        cells = [
            f"[{name}]({patch.path.name})",
            f"`{patch.policy}`",
            f"{patch.base_package.removeprefix('linux-source-')}, {patch.base_version}",
            f"+{patch.added} -{patch.removed}",
            f"{kept['build_seconds']} s" if kept else "-",
            *(f"{kept[key]:,}" if kept else "-" for key in _COUNTS),
        ]
        rows.append("| " + " | ".join(cells) + " |\n")
    return _HEAD + "".join(rows)


def write_tables(folder: Path) -> None:
    """Make the tables of the page again."""
    page, held = (folder / PAGE).read_text(encoding="utf-8"), read_held(folder)
    patches = [read_patch(path) for path in sorted(folder.glob("*.patch"))]
    for seam in ("flush", "walker", "tracker"):
        before, mark, rest = page.partition(BEGIN.format(seam))
        _, end, after = rest.partition(END.format(seam))
        if not (mark and end):
            raise SystemExit(f"{PAGE} has no marks for {seam}: write {BEGIN.format(seam)!r}")
        of_seam = [patch for patch in patches if patch.policy.startswith(f"{seam}=")]
        page = before + mark + "\n" + table(of_seam, held) + "\n" + end + after
    (folder / PAGE).write_text(page, encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
