"""``make demo``: one story on models and real kernels, side by side.

The kernels are those of the oldest stable series and of the newest known series offered
(:func:`pfnlab.lab.images.kernel_offers.roles_for`). A new kernel may tell a different story, which is news.
If a kernel is not available, its recording takes its place.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from pfnlab.base.errors import PfnlabError, Undecided
from pfnlab.kernel.policies.known_kernels import nearest
from pfnlab.kernel.policies.releases import RELEASES, series_of
from pfnlab.lab.images.archive import Unverified
from pfnlab.lab.images.kernel_offers import Role, available_offers, roles_for
from pfnlab.lab.images.kernels import cached_versions, read_lists
from pfnlab.programs.lang.library import find_program
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.golden import golden_differences, golden_path, read_golden

ROOT = Path(__file__).parents[1]
STORY = find_program("munmap-middle")
SHOWN = ROOT / ".venv" / "demo.txt"

STORY_HOLDS = "The two kernels differ as expected: the old one forgets half of the mapping."
NOT_THE_STORY = "This is not the story: each model should side with its kernel, and the two should differ."


def machines(roles: Sequence[Role]) -> list[str]:
    """Return the demo's machines: a model and its kernel, for the first and the last available role."""
    chosen = []
    for role in (roles[0], roles[-1]):
        series = series_of(role.name)
        # A series stands for its known kernel on offer and has the shorter name.
        name = series if role.status == "known" else role.name
        model = name if series in RELEASES else nearest(name)
        chosen.append(f"model:{model}")
        if role.status != "gone":
            chosen.append(f"qemu:{name}")
    return chosen


def told(shown: str, asked: Sequence[str]) -> bool:
    """True if the output shows that each model agrees with its kernel, and that the two kernels differ."""
    # Lines are as long as the terminal is wide.
    words = " ".join(shown.split())
    return f" differ: {', '.join(asked[:2])} | {', '.join(asked[2:])} step " in words


def recorded(role: Role) -> bool:
    """True if the model agrees with the newest recorded kernel of the role's series."""
    golden = read_golden(golden_path(STORY))
    versions = [one for one in golden.kernels if series_of(one) == series_of(role.name)] if golden else []
    if golden is None or not versions:
        return False
    run = ModelMachine(versions[-1], golden.look).run_one(load_program(STORY))
    print(f"{role.name} is not to be had: {versions[-1]} stands in for it, as it was recorded")
    return not golden_differences(STORY, run, versions[-1])


def main() -> int:
    """Show the story and report whether the kernels confirm it; return the exit code."""
    try:
        read_lists(say=lambda line: print(line, file=sys.stderr))
    except Unverified:
        raise
    except Undecided as trouble:
        print(f"{trouble}; continuing with the lists fetched before", file=sys.stderr)
    roles = roles_for(available_offers(), cached_versions())
    asked = machines(roles)
    command = [str(Path(sys.executable).parent / "pfnlab"), "run", STORY.stem]
    answer = subprocess.run(
        [*command, *(word for one in asked for word in ("--on", one))],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "COLUMNS": str(shutil.get_terminal_size((80, 24)).columns)},
        check=False,
        timeout=900,
    )
    print(answer.stdout)
    if answer.returncode > 1:
        return answer.returncode
    gone = [role for role in (roles[0], roles[-1]) if role.status == "gone"]
    if gone:
        held = [recorded(role) for role in gone]
        print("The models do what was recorded." if all(held) else NOT_THE_STORY)
        return 0 if all(held) else 1
    if told(answer.stdout, asked):
        print(STORY_HOLDS)
        return 0
    new = [role.name for role in (roles[0], roles[-1]) if role.status == "new"]
    if new:
        print(f"NEWS: nobody met {', '.join(new)} yet, and it tells another story.")
        print(f"What changed: pfnlab kernels meet {new[0]}")
        return 0
    print(NOT_THE_STORY)
    return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except PfnlabError as trouble:
        print(f"demo: {trouble}", file=sys.stderr)
        sys.exit(trouble.exit_code)
