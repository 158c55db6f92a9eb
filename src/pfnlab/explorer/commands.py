"""Searches and runs on real kernels, which the page begins and asks about until they are done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.checker.check import CheckResult
from pfnlab.explorer import questions
from pfnlab.explorer.answers import KeptRun, kept_run
from pfnlab.explorer.jobs import PROGRAM, Jobs
from pfnlab.explorer.machines import machine_name
from pfnlab.explorer.walk import walkable_scopes
from pfnlab.explorer.workers import MOST_MEMORY
from pfnlab.lab.running.inside import can_look_inside
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.runs.look import LookLevel

#: Bounds of a search that the page asks for.
_SECONDS, _STATES = 60, 200_000


class Commands:
    """Answers about what goes on in the background.

    :param keep: hears of a run of a real kernel, for the questions that are about it
    :param given: machines that the command line named, which may use files
    """

    def __init__(self, keep: Callable[[KeptRun], None], given: Sequence[str] = ()) -> None:
        self._keep, self._given, self._jobs = keep, tuple(given), Jobs()

    def by_question(self) -> dict[type[Any], Callable[[Any], Any]]:
        """The answer to each kind of question."""
        return {
            questions.SearchQuestion: self.search,
            questions.KernelRunQuestion: self.kernel,
            questions.JobQuestion: self.job,
        }

    def end(self) -> None:
        """End everything that goes on."""
        self._jobs.end()

    def search(self, question: questions.SearchQuestion) -> Any:
        """Begin a search of a whole scope for what breaks a property."""
        name = machine_name(question.machine, self._given)
        if question.scope not in walkable_scopes() or name.kind != "model":
            raise Misuse("a search is of a model in one of the scopes")
        words = ["check", "--on", str(name), "--scope", question.scope, "--json"]
        words += ["--seconds", str(_SECONDS), "--states", str(_STATES)]
        return self._jobs.begin(words, _searched, memory=MOST_MEMORY)

    def kernel(self, question: questions.KernelRunQuestion) -> Any:
        """Begin to run a program on a real kernel."""
        name = machine_name(question.machine, self._given)
        if name.kind != "qemu":
            raise Misuse("write qemu:7.2")
        load_text(question.program, "program")
        look = LookLevel.MEMORY if can_look_inside() else LookLevel.PROC
        words = ["run", PROGRAM, "--on", str(name), "--look", look.value, "--json"]

        def read(output: str) -> Any:
            kept = KeptRun(question.program, str(name), output, look)
            run = kept_run(kept)
            self._keep(kept)
            return {"machine": str(name), "kernel": run.kernel}

        return self._jobs.begin(words, read, question.program)

    def job(self, question: questions.JobQuestion) -> Any:
        """How far a command is."""
        if question.stop:
            self._jobs.stop(question.job)
            return {"stopped": True}
        return self._jobs.progress(question.job)


def _searched(output: str) -> Any:
    """The verdicts of a search, each with the way that decided it as the graph's address has it."""
    found = msgspec.json.decode(output, type=CheckResult)
    return {
        "states": found.states,
        "complete": found.complete,
        "properties": [
            {
                "name": item.name,
                "kind": item.kind,
                "asks": item.asks,
                "verdict": item.verdict,
                # The first number is that of the initial state, of which a kernel has one.
                "path": None if item.path is None else [int(part) for part in item.path.split("/")[1:]],
            }
            for item in found.answers
        ],
    }
