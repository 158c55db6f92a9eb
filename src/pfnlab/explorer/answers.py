"""Answers for which programs have to run, or states of the checker's graph have to be computed.

A state is shown as a picture, and as a table for screen readers whose rows follow the
picture from top to bottom.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from pfnlab.base.answerer import begin_answering
from pfnlab.base.errors import Misuse
from pfnlab.base.worker import End
from pfnlab.checker.scopes.properties import verdict_words
from pfnlab.explorer import questions
from pfnlab.explorer.questions import by_question, reply
from pfnlab.explorer.stories import Story, Storyteller
from pfnlab.explorer.walk import GraphPlace, Walker
from pfnlab.export.formats import export, one_text
from pfnlab.export.subject import Subject
from pfnlab.present.picture import draw_race, draw_state
from pfnlab.present.picture.scenes import TRACKING, differing_words
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.runs.cells import NOTHING, QUIET, cell
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.named_machines import model_text
from pfnlab.programs.runs.observation import Run
from pfnlab.programs.runs.violation import Violation

#: Cached translations, which belong to a run rather than to a step that is compared.
_REMEMBERED = "tlbs"

#: The heading for each part of a state, by field, in the order of the picture.
PARTS = {
    "result": "result",
    "value": "value",
    "vmas": "VMAs",
    "prots": "mode of VMA",
    "ptes": "PTEs",
    "direct_map": "direct map",
    "book": "book",
    "tracked": "tracked",
    _REMEMBERED: "TLBs",
    "flushes": "TLB flushes",
    "log": "kernel log",
    "events": "order",
}


def rows(result: RunResult, step: int) -> list[dict[str, Any]]:
    """Return the table rows of one step (from 0), each with a part and one cell of lines per machine, empty
    if the machine did not get there. Cached translations are never marked as different, because real kernels
    do not report them."""
    differing = {difference.field for difference in result.differences if difference.step == step}
    answer = []
    for field, part in PARTS.items():
        cells, before = ([_lines(field, run, at) for run in result.runs] for at in (step, step - 1))
        if any(cells):
            changed = [
                0 < step <= len(run.steps) and earlier != lines
                for run, earlier, lines in zip(result.runs, before, cells, strict=True)
            ]
            row = {"part": part, "field": field, "cells": cells}
            answer.append({**row, "differs": field in differing, "changed": changed})
    return answer


def _lines(field: str, run: Run, at: int) -> list[str]:
    """Return a field of a step as the terminal prints it; no lines if empty, unobserved or not reached."""
    if not 0 <= at < len(run.tlbs if field == _REMEMBERED else run.steps):
        return []
    if field == _REMEMBERED:
        return list(map(str, run.tlbs[at]))
    step = run.steps[at]
    # Whether an entry is leaked depends on more than the step.
    lines = cell(step, field, kept=[entry.span for entry in step.book or ()])
    return [] if lines in (*QUIET, (NOTHING,)) else list(lines)


class KeptRun(msgspec.Struct, frozen=True, tag="keep", tag_field="ask"):
    """A real kernel's run, kept for later questions."""

    program: str
    machine: str
    run: Run


class Answers:
    """Answers to questions that take work."""

    def __init__(self, teller: Storyteller) -> None:
        self._teller, self._walker = teller, Walker()

    def story(self, question: questions.StoryQuestion) -> Any:
        """Return the steps of a program."""
        story = self._teller.story(question.program, question.machines)
        return {
            "title": story.result.program.title,
            "asks": story.result.program.asks,
            "machines": [
                {"name": run.machine, "kernel": run.kernel, "unfinished": run.unfinished}
                for run in story.result.runs
            ],
            "steps": [_step(story, at) for at in range(story.steps)],
            "agree": story.result.agree,
            "recorded": self._teller.recorded(story.result.program),
            "race": story.result.program.needs.held,
            "files": story.files,
        }

    def picture(self, question: questions.PictureQuestion) -> Any:
        """Return the picture of one step, and its content as a table."""
        story = self._teller.story(question.program, question.machines)
        if question.step >= story.steps:
            raise Misuse(f"the program has {story.steps} steps, counted from 0")
        return {
            "svg": step_picture(story, question.step, question.width),
            "rows": rows(story.result, question.step),
            "files": story.files,
        }

    def graph(self, question: questions.GraphQuestion) -> Any:
        """Return a state of the checker's graph."""
        machine = self._teller.model(question.machine)
        place = self._walker.place(machine, question.scope, question.path)
        return {
            "ops": place.way,
            "properties": [msgspec.to_builtins(item) for item in place.properties],
            "next": [msgspec.to_builtins(item) for item in place.successors],
            **self._way(question, place),
        }

    def _way(self, question: questions.GraphQuestion, place: GraphPlace) -> dict[str, Any]:
        """Return the path as a program, with a picture of where it ends, or the reason why there is none."""
        if place.program is None:
            return {"program": "", "lacking": place.lacking, "svg": "", "rows": []}
        # Show the last operation rather than the end, where all tasks are gone.
        at = len(place.program.ops) - 1
        picture = self.picture(questions.PictureQuestion(place.text, (question.machine,), at, question.width))
        return {"program": place.text, "lacking": "", **picture}

    def race(self, question: questions.RaceQuestion) -> Any:
        """Return the lanes of a program's processors."""
        story = self._teller.story(question.program, question.machines)
        return {"svg": draw_race(story.result.program, story.result.runs, width=question.width)}

    def as_c(self, question: questions.CQuestion) -> Any:
        """Return the program as C, and the module that it needs."""
        story = self._teller.story(question.program, question.machines)
        return {"text": one_text(export(Subject("program", story.result.program, story.result.runs[0]), "c"))}

    def keep(self, kept: KeptRun) -> Any:
        """Keep a real kernel's run."""
        self._teller.keep(load_text(kept.program, "program"), kept.machine, kept.run)
        return {}


def step_picture(story: Story, step: int, width: int | None = None) -> str:
    """Return the picture of one step as SVG, *width* pixels wide, for one machine or two side by side."""
    return draw_state(story.result.program, story.result.runs, step, width=width, scenes=story.scenes)


def _differing(story: Story, step: int) -> list[str]:
    """Return the parts in which the two machines differ, as highlighted, except for tracker bookkeeping."""
    if len(story.result.runs) < 2:
        return []
    return [word for word in differing_words(story.result.runs)[step] if word != TRACKING]


def _step(story: Story, at: int) -> dict[str, Any]:
    steps = [run.steps[at] if at < len(run.steps) else None for run in story.result.runs]
    return {
        "op": next(step.op for step in steps if step is not None),
        "line": story.lines[at] if at < len(story.lines) else None,
        "results": [step.result if step is not None else None for step in steps],
        "log": [list(step.log) if step is not None else [] for step in steps],
        "differs": _differing(story, at),
        "broken": [_broken(broken) for broken in story.result.violations if broken.step == at],
    }


def _broken(broken: Violation) -> dict[str, str]:
    """Describe a violation: the property and what happened, what was observed, and the reason if known."""
    return {
        "machine": broken.machine,
        "property": broken.name,
        "asks": verdict_words(broken.name, broken.says, violated=True),
        "says": broken.says,
        "known": broken.known or "",
    }


def answering(end: End, memory: int, *given: str) -> Callable[[Any], bytes]:
    """Return the function that answers questions in a process with at most *memory* bytes."""
    begin_answering(memory)
    answers = by_question(Answers(Storyteller(given, model_text)))
    return lambda question: reply(answers[type(question)], question)
