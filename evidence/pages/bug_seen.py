"""A bug on kernels that were already observed, according to the goldens of its programs.

No kernel is booted. Goldens have the results of stock kernels, and comparing two models shows how the bug
reveals itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from pfnlab.hunt.meeting.bug_run import held_answer, is_as_expected, program_file, row_words
from pfnlab.kernel.bugs.known_bugs import Bug
from pfnlab.kernel.policies.releases import series_of
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.runs.golden import Golden, golden_path, golden_run, read_golden
from pfnlab.programs.runs.named_machines import name_machines, side_by_side
from pfnlab.programs.runs.observation import Run

_KERNEL = "qemu:"

#: The words for an entry, in order of precedence.
_WORDS = ("broken", "differs", "before", "mended", "after", "holds", "neither")


class KernelWord(NamedTuple):
    """The word for one kernel on one program of an entry.

    :param program: its name
    :param version: the exact version of the kernel: ``6.1.192``
    :param word: broken or mended, before or after, neither, undecided; for a rule, holds or differs
    :param expected: the word that the entry's dates imply; empty if they do not cover the kernel
    """

    program: str
    version: str
    word: str
    expected: str

    @property
    def as_expected(self) -> bool:
        """False if the dates contradict the word."""
        return is_as_expected(self.word, self.expected)


def seen_on(bug: Bug) -> tuple[KernelWord, ...]:
    """Return the words for all kernels in the goldens of the programs that show *bug* or test its rule."""
    return (*_shown(bug), *_held(bug))


def shown_word(word: str) -> str:
    """Return the word to show: goldens and records have an older word for "fixed"."""
    return word.replace("mended", "fixed")


def word_of_entry(words: Iterable[str]) -> str:
    """Return the word for an entry from those for its programs: one faulty program is enough.

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
        # The dates of a kernel are looked up by its machine name.
        kernels = [
            msgspec.structs.replace(run, machine=f"{_KERNEL}{version}") for version, run in _runs_of(golden)
        ]
        words = row_words(bug, row, [*models, *kernels])[len(models) :]
        for kernel, (word, expected) in zip(kernels, words, strict=True):
            yield KernelWord(row.program, kernel.machine.removeprefix(_KERNEL), word, expected)


def _held(bug: Bug) -> Iterator[KernelWord]:
    """Return the results of kernels in the series on whose models a rule holds."""
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
