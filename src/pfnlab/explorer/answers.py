"""The answers to what the page asks."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import msgspec

from pfnlab import __version__
from pfnlab.errors import Misuse
from pfnlab.explorer import asked, pictures
from pfnlab.explorer.jobs import Jobs
from pfnlab.explorer.machines import SEAMS, machine_name, series_on_offer
from pfnlab.explorer.rules import find_rule
from pfnlab.explorer.spoken import rows
from pfnlab.explorer.stories import Story, Storyteller
from pfnlab.explorer.walk import Walker, walkable_scopes
from pfnlab.policies.releases import CONFIRMED
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import is_held
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.lang.tokens import token_table
from pfnlab.programs.lang.words import HEADERS, MODES, VERBS, VIAS
from pfnlab.programs.library import library_entries
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run
from pfnlab.report.check import program_text
from pfnlab.report.step_json import StepItem, step_of

#: Bounds of a search that the page asks for.
_SECONDS, _STATES = 60, 200_000


class Answers:
    """What answers the page's questions.

    :param teller: runs the programs
    """

    def __init__(self, teller: Storyteller) -> None:
        self._teller, self._walker, self._jobs = teller, Walker(), Jobs()

    def by_question(self) -> dict[type[Any], Callable[[Any], Any]]:
        """What answers each kind of question."""
        return {
            asked.AskedStart: self.start,
            asked.AskedProgram: self.program,
            asked.AskedStory: self.story,
            asked.AskedPicture: self.picture,
            asked.AskedRule: self.rule,
            asked.AskedGraph: self.graph,
            asked.AskedRace: self.race,
            asked.AskedSearch: self.search,
            asked.AskedKernelRun: self.kernel,
            asked.AskedJob: self.job,
        }

    def end(self) -> None:
        """End what goes on in the background."""
        self._jobs.end()

    def start(self, _: asked.AskedStart) -> Any:
        """What there is to choose from."""
        lab = shutil.which("qemu-system-x86_64") is not None
        return {
            "version": __version__,
            "programs": [
                {"name": entry.name, "section": entry.section, "asks": entry.question}
                for entry in library_entries()
            ],
            "series": series_on_offer(),
            "seams": SEAMS,
            "given": list(self._teller.given),
            "opened": self._teller.opened,
            "kernels": list(reversed(CONFIRMED)) if lab else [],
            "scopes": walkable_scopes(),
            "tokens": token_table(),
            "words": {"operation": VERBS, "keyword": HEADERS, "mode": MODES, "option": tuple(VIAS)},
        }

    def program(self, question: asked.AskedProgram) -> Any:
        """The text of a program of the library; its name is looked up, never made into a path."""
        for entry in library_entries():
            if question.name in (entry.name, f"{entry.folder}/{entry.name}"):
                return {"name": entry.name, "text": entry.path.read_text(encoding="utf-8")}
        raise Misuse("there is no program of that name")

    def story(self, question: asked.AskedStory) -> Any:
        """The steps of a program."""
        story = self._teller.story(question.program, question.machines)
        return {
            "title": story.program.title,
            "asks": story.program.asks,
            "machines": [{"name": run.machine, "kernel": run.kernel, "lost": run.lost} for run in story.runs],
            "steps": [_step(story, at) for at in range(story.steps)],
            "agree": story.verdict.agree,
            "recorded": self._teller.recorded(story.program),
            "race": is_held(story.program),
        }

    def picture(self, question: asked.AskedPicture) -> Any:
        """The picture of one step, and the same as a table."""
        story = self._teller.story(question.program, question.machines)
        if question.step >= story.steps:
            raise Misuse(f"the program has {story.steps} steps, counted from 0")
        return {
            "svg": pictures.of_step(story, question.step, width=question.width),
            "rows": rows(story.runs, story.verdict, question.step),
        }

    def rule(self, question: asked.AskedRule) -> Any:
        """The text of a rule."""
        return msgspec.to_builtins(find_rule(question.rule))

    def graph(self, question: asked.AskedGraph) -> Any:
        """A state of the checker's graph."""
        machine = self._teller.model(question.machine)
        place = self._walker.place(machine, question.scope, question.path)
        text = program_text(place.program) if place.program.ops else ""
        picture: dict[str, Any] = {"svg": "", "rows": []}
        if text:
            # The last operation, not the end, after which all tasks are gone.
            at = len(place.program.ops) - 1
            asked_picture = asked.AskedPicture(text, (question.machine,), at, question.width)
            picture = self.picture(asked_picture)
        return {
            "program": text,
            "ops": op_lines(place.program),
            "properties": [msgspec.to_builtins(item) for item in place.properties],
            "next": [msgspec.to_builtins(item) for item in place.successors],
            **picture,
        }

    def race(self, question: asked.AskedRace) -> Any:
        """The lanes of a program's processors."""
        story = self._teller.story(question.program, question.machines)
        return {"svg": pictures.of_race(story, width=question.width)}

    def search(self, question: asked.AskedSearch) -> Any:
        """Begin a search of a whole scope for what breaks a property."""
        name = machine_name(question.machine, self._teller.given)
        if question.scope not in walkable_scopes() or name.kind != "model":
            raise Misuse("a search is of a model in one of the scopes")
        words = ["check", "--on", str(name), "--scope", question.scope, "--json"]
        words += ["--seconds", str(_SECONDS), "--states", str(_STATES)]
        return self._jobs.begin(words, _searched)

    def kernel(self, question: asked.AskedKernelRun) -> Any:
        """Begin to run a program on a real kernel."""
        name = machine_name(question.machine, self._teller.given)
        if name.kind != "qemu":
            raise Misuse("write qemu:7.2")
        program = load_text(question.program, "program")
        look = LookLevel.MEMORY if find_spec("drgn") is not None else LookLevel.PROC
        words = ["run", "program.pfn", "--on", str(name), "--look", look.value, "--json"]

        def read(output: str) -> Any:
            run = _run_of(output, str(name), look)
            self._teller.keep(program, str(name), run)
            return {"machine": str(name), "kernel": run.kernel}

        return self._jobs.begin(words, read, question.program)

    def job(self, question: asked.AskedJob) -> Any:
        """How far what goes on in the background is."""
        if question.stop:
            self._jobs.stop(question.job)
            return {"stopped": True}
        return self._jobs.progress(question.job)


def _step(story: Story, at: int) -> dict[str, Any]:
    steps = [run.steps[at] if at < len(run.steps) else None for run in story.runs]
    return {
        "op": next(step.op for step in steps if step is not None),
        "line": story.lines[at] if at < len(story.lines) else None,
        "results": [step.result if step is not None else None for step in steps],
        "log": [list(step.log) if step is not None else [] for step in steps],
        "differs": pictures.differing(story, at),
        "broken": [
            {"machine": broken.machine, "property": broken.name, "says": broken.says}
            for broken in story.verdict.violations
            if broken.step == at
        ],
    }


class _RanMachine(msgspec.Struct, frozen=True):
    """What is read of a machine of ``pfnlab run --json``."""

    kernel: str
    lost: str | None
    steps: tuple[StepItem, ...]


class _RanProgram(msgspec.Struct, frozen=True):
    machines: tuple[_RanMachine]


def _run_of(output: str, machine: str, look: LookLevel) -> Run:
    (ran,) = msgspec.json.decode(output, type=_RanProgram).machines
    return Run(machine, ran.kernel, tuple(map(step_of, ran.steps)), lost=ran.lost, look=look)


class _SearchedProperty(msgspec.Struct, frozen=True):
    """What is read of a property of ``pfnlab check --json``."""

    name: str
    kind: str
    asks: str
    verdict: str
    path: str | None


class _SearchedScope(msgspec.Struct, frozen=True):
    states: int
    complete: bool
    properties: tuple[_SearchedProperty, ...]


def _searched(output: str) -> Any:
    """The verdicts of a search, each with the way that decided it as the graph's address has it."""
    found = msgspec.json.decode(output, type=_SearchedScope)
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
            for item in found.properties
        ],
    }
