"""The explorer's answers: the first picture of a program, and one step with many VMAs.

    python evidence/benchmarks/explorer_speed.py [--quick]

Measured at the server, which does the work: reading the program, running it, drawing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from measuring import busy, show

from pfnlab.explorer import questions
from pfnlab.explorer.answers import Answers
from pfnlab.explorer.stories import Storyteller

HEAD = """pfnlab program 1
title   Speed
device  bar: pci, {pages} pages

a = mmap bar[0:{pages}] wc shared rw
"""
MACHINES = ("model:6.1", "model:7.3")


def story(steps: int) -> str:
    """Make a program with *steps* operations, the first of which maps."""
    lines = [f"munmap a[{at}:{at + 1}]" for at in range(1, steps)]
    return HEAD.format(pages=2 * steps) + "\n".join(lines) + "\n"


def many(vmas: int) -> str:
    """Make a program that splits one mapping into *vmas* VMAs."""
    lines = [f"mprotect a[{at}:{at + 1}] r" for at in range(1, vmas, 2)]
    return HEAD.format(pages=vmas) + "\n".join(lines) + "\n"


def seconds(work: Callable[[], object]) -> float:
    """Return the seconds *work* takes, best of three."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def first(text: str, machines: tuple[str, ...]) -> None:
    """Time all requests for the first picture, to a server that has stored nothing."""
    answers = Answers(Storyteller())
    answers.story(questions.StoryQuestion(text, machines))
    answers.picture(questions.PictureQuestion(text, machines, 0))


def main() -> None:
    """Print a line per request."""
    steps, vmas = (4, 8) if "--quick" in sys.argv[1:] else (20, 200)
    text = many(vmas)
    answers = Answers(Storyteller())
    # The last step before the end, which has all VMAs.
    at = len(answers.story(questions.StoryQuestion(text, MACHINES[:1]))["steps"]) - 2
    rows = [
        ("first picture", seconds(lambda: first(story(steps), MACHINES[:1]))),
        ("first picture, two machines", seconds(lambda: first(story(steps), MACHINES))),
        ("a step", seconds(lambda: answers.picture(questions.PictureQuestion(text, MACHINES[:1], at)))),
    ]
    title = f"The explorer's answers, {steps} steps and {vmas} VMAs; {busy()}"
    show(title, ("", "ms"), [(name, f"{1000 * taken:.1f}") for name, taken in rows])


if __name__ == "__main__":
    main()
