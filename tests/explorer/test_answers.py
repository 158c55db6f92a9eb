"""Stories, pictures and states of the graph, as the page gets them."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from pfnlab.base.errors import Misuse, Undecided
from pfnlab.explorer import questions
from pfnlab.explorer.answers import Answers, KeptRun
from pfnlab.explorer.inspections import Inspections
from pfnlab.explorer.stories import Storyteller
from pfnlab.programs.lang.library import find_program

MIDDLE = find_program("munmap-middle").read_text(encoding="utf-8")


def answers() -> Answers:
    return Answers(Storyteller())


def test_a_machine_without_a_rule_says_so() -> None:
    """Undecided, which is not lost."""
    program = find_program("driver-leaf-gigabyte").read_text(encoding="utf-8")

    story = answers().story(questions.StoryQuestion(program, ("model:7.3", "model:6.1")))

    reasons = [machine["unfinished"] for machine in story["machines"]]
    assert (True, None) == (reasons[0].startswith("undecided: the model has no rule"), reasons[1])


def test_a_picture_is_of_a_step_there_is() -> None:
    """A number behind the last step is told from a mistake in the program."""
    with pytest.raises(Misuse, match="has 4 steps"):
        answers().picture(questions.PictureQuestion(MIDDLE, ("model:6.1",), 4))


def test_a_program_is_given_as_c() -> None:
    """It expects what the first of the machines answers."""
    text = answers().as_c(questions.CQuestion(MIDDLE, ("model:6.1", "model:7.3")))["text"]

    assert 'check("left reserved", "bar[0:8] wc", left());' in text


def test_a_program_of_a_driver_comes_with_its_module() -> None:
    """As one text, each file behind its name."""
    program = find_program("driver-zap-conflict").read_text(encoding="utf-8")

    text = answers().as_c(questions.CQuestion(program, ("model:7.3",)))["text"]

    assert text.startswith("==> program.c <==\n")
    assert "\n==> program_driver.c <==\n" in text


def test_a_program_that_is_no_c_is_refused() -> None:
    """With the line that user space cannot do."""
    program = find_program("race-revoked-before-flush").read_text(encoding="utf-8")

    with pytest.raises(Undecided, match="a hold point needs a debugger"):
        answers().as_c(questions.CQuestion(program, ("model:7.3",)))


def test_every_answer_is_plain_json() -> None:
    """What the page is told can be written as JSON as it stands."""
    some = answers()

    for answer in (
        some.story(questions.StoryQuestion(MIDDLE, ("model:6.1", "model:7.3"))),
        some.picture(questions.PictureQuestion(MIDDLE, ("model:6.1",), 1)),
        some.graph(questions.GraphQuestion("model:6.1", "small", (0,))),
    ):
        assert json.loads(json.dumps(answer))


def test_a_violation_says_whose_it_is_and_what_it_means() -> None:
    """The machine, the property's sentence, and why kernels of this version are known to do so."""
    story = answers().story(questions.StoryQuestion(MIDDLE, ("model:6.1", "model:7.3")))

    leak = next(item for item in story["steps"][2]["broken"] if item["property"] == "no_leak")
    assert "model:6.1" == leak["machine"]
    assert leak["asks"]
    assert leak["known"].startswith("A06: ")


def test_a_state_of_the_graph_is_a_program_too() -> None:
    """The way can be opened in the editor, and gives the same state there."""
    some = answers()
    here = some.graph(questions.GraphQuestion("model:6.1", "small", (0, 2)))

    story = some.story(questions.StoryQuestion(here["program"], ("model:6.1",)))

    assert list(here["ops"]) == [step["op"] for step in story["steps"][:-1]]


def test_the_first_state_of_the_graph_has_a_picture() -> None:
    """Nothing is mapped yet, but the devices are there."""
    here = answers().graph(questions.GraphQuestion("model:6.1", "small", ()))

    assert "<svg" in here["svg"]
    assert () == here["ops"]


@pytest.mark.target("long")
def test_a_way_that_is_no_program_is_walked_all_the_same() -> None:
    """A program has at most 16 tasks: the state behind more of them has no picture, and the page says why."""
    some, path = answers(), ()
    for kind in ["= fork", "exit"] * 16:
        following = some.graph(questions.GraphQuestion("model:7.3", "standard", path))["next"]
        path += (next(at for at, item in enumerate(following) if kind in item["op"]),)

    here = some.graph(questions.GraphQuestion("model:7.3", "standard", path))

    assert "the path is not a program: a program has at most 16 tasks" == here["lacking"]
    assert ("", 32) == (here["svg"], len(here["ops"]))
    assert here["next"]


def test_every_question_that_takes_work_has_its_answer() -> None:
    """And the run of a kernel, which a process is told of, is kept."""
    kinds = {*questions.by_question(Answers(Storyteller())), *questions.by_question(Inspections())}

    assert {*get_args(questions.Worked), KeptRun} <= kinds
