"""The pictures of the page: the one place that asks for one, so the page does not know who draws."""

from __future__ import annotations

from pfnlab.explorer.stories import Story
from pfnlab.picture import draw_compare, draw_race, draw_state
from pfnlab.picture.differing import TRACKING, differing_words


def of_step(story: Story, step: int, *, width: int | None = None) -> str:
    """The picture of one step, of one machine or of two side by side, as SVG.

    :param width: the room for it in pixels; None for the usual
    """
    if len(story.runs) > 1:
        return draw_compare(story.program, story.runs, step, width=width, scenes=story.scenes)
    return draw_state(story.program, story.runs[0], step, width=width, scenes=story.scenes)


def differing(story: Story, step: int) -> list[str]:
    """The words of what is not the same on both machines in a step, as the picture lights it.

    That a tracker keeps the same reservations in another way is no difference to highlight.
    """
    if len(story.runs) < 2:
        return []
    return [word for word in differing_words(story.runs)[step] if word != TRACKING]


def of_race(story: Story, *, width: int | None = None) -> str:
    """The lanes of a program's processors, as SVG."""
    return draw_race(story.program, story.runs, width=width)
