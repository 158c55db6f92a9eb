"""The bugs that a program of litmus/ shows on a kernel although no property is violated."""

import re
from collections.abc import Iterator, Sequence

from pfnlab.base.errors import Misuse, PfnlabError
from pfnlab.checker.judging.reasons import model_run
from pfnlab.kernel.bugs.bug_status import BugStatusWord, bug_status
from pfnlab.kernel.bugs.known_bugs import Bug, bug, bugs_shown_by
from pfnlab.kernel.bugs.without_bug import without_bug
from pfnlab.kernel.policies.releases import is_version
from pfnlab.programs.lang.library import find_program, load_found
from pfnlab.programs.lang.load import program_hash
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.named_profile import profile_named
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run
from pfnlab.programs.runs.violation import Violation

_VERSION = re.compile(r"\d+\.\d+[\w.+~-]*")


def version_of(run: Run) -> str:
    """The version of a run's kernel, or of its model's profile; empty if there is none."""
    found = _VERSION.search(run.kernel)
    return found[0] if found is not None else ""


def shown_bugs(name: str, program: Program, run: Run, broken: Sequence[Violation]) -> Iterator[str]:
    """The bugs that a released kernel has and the program called *name* shows, according to their data.

    The model of that kernel must run the program differently without the bug. Bugs that are the reason of a
    violation are left out; of a changed kernel, its bugs are not known.

    :param broken: the violations of *run*
    """
    # A name with a change, or of a kernel built here, is no version.
    if run.unfinished is not None or not is_version(run.machine.partition(":")[2]):
        return
    told = {(one.known or "").partition(": ")[0] for one in broken}
    for one in bugs_shown_by(name):
        needed = [row.needs for row in one.shown if row.needs]
        if told & {one.number, one.same_as}:
            continue
        if all(_has(each, run) for each in (one.number, *needed)) and _needed_for(one, name, program, run):
            told.add(one.number)
            yield one.number


def _has(number: str, run: Run) -> bool:
    try:
        return bug_status(bug(number), version_of(run)).word is BugStatusWord.HAS
    except Misuse:
        # The kernel is not named by a version.
        return False


def _needed_for(one: Bug, name: str, program: Program, run: Run) -> bool:
    """True if the model of the run's kernel runs the program differently without the bug.

    False for another program that only has the name of one in litmus/.
    """
    try:
        if program_hash(load_found(find_program(name))) != program_hash(program):
            return False
        profile = profile_named(version_of(run), run.configuration)
        without = without_bug(one.dated, profile)
        if without is None:
            return False
        runs = [model_run(program, rules, LookLevel.MEMORY) for rules in (profile, without)]
    except PfnlabError:
        return False
    seen = [(run.steps, run.memory) for run in runs if run.unfinished is None]
    return len(seen) == len(runs) and seen[0] != seen[1]
