"""A bug on kernels already observed, according to the goldens of its programs.

No kernel is booted. A golden has the results of stock kernels, and two models give the sign of a bug.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from pfnlab.hunt.meeting.bug_run import held_answer, is_as_expected, program_file, shown_program
from pfnlab.kernel.bugs.known_bugs import Bug
from pfnlab.kernel.policies.releases import series_of
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.runs.golden import Golden, golden_path, golden_run, read_golden
from pfnlab.programs.runs.named_machines import name_machines, side_by_side
from pfnlab.programs.runs.observation import Run

_KERNEL = "qemu:"

#: The words for an entry, in the order of precedence.
_WORDS = ("broken", "differs", "before", "mended", "after", "holds", "neither")


class KernelWord(NamedTuple):
    """The word of one kernel for one program of an entry.

    :param program: its name
    :param version: the exact version of the kernel: ``6.1.192``
    :param word: broken or mended, before or after, neither, undecided; for a rule holds or differs
    :param expected: the word according to the entry's dates; empty if they do not cover the kernel
    """

    program: str
    version: str
    word: str
    expected: str

    @property
    def as_expected(self) -> bool:
        """False if the dates imply the opposite."""
        return is_as_expected(self.word, self.expected)


def seen_on(bug: Bug) -> tuple[KernelWord, ...]:
    """The words for all kernels in the goldens of the programs that show *bug* or hold its rule."""
    return (*_shown(bug), *_held(bug))


def shown_word(word: str) -> str:
    """The word as a reader sees it: goldens and records have an older one for fixed."""
    return word.replace("mended", "fixed")


def word_of_entry(words: Iterable[str]) -> str:
    """The word for an entry, from those of its programs: a fault in one of them counts.

    Empty if no program was run, or none was conclusive.
    """
    found = set(words)
    return next((word for word in _WORDS if word in found), "")


def _shown(bug: Bug) -> Iterator[KernelWord]:
    for row in bug.shown:
        path = program_file(row.program)
        golden = read_golden(golden_path(path))
        if golden is None:
            continue
        program = load_program(path)
        (models,) = side_by_side(name_machines((row.before, row.after)), [program], golden.look)
        # A kernel's dates are found by the name of its machine.
        kernels = [
            msgspec.structs.replace(run, machine=f"{_KERNEL}{version}") for version, run in _runs_of(golden)
        ]
        shown = shown_program(bug, row, program, [*models, *kernels])
        for machine in shown.machines[len(models) :]:
            version = machine.machine.removeprefix(_KERNEL)
            yield KernelWord(row.program, version, machine.word, machine.expected)


def _held(bug: Bug) -> Iterator[KernelWord]:
    """The results of kernels of the series on whose models a rule holds."""
    for row in bug.holds:
        golden = read_golden(golden_path(program_file(row.program)))
        for version, run in _runs_of(golden) if golden is not None else ():
            if f"model:{series_of(version)}" in row.on:
                word = "holds" if held_answer(row, run) == row.says else "differs"
                yield KernelWord(row.program, version, word, "holds")


def _runs_of(golden: Golden) -> Iterator[tuple[str, Run]]:
    for version in golden.kernels:
        run = golden_run(golden, version)
        if run is not None:
            yield version, run
