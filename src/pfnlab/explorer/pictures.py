"""The pictures of the page: the one place that asks for one, so the page does not know who draws."""

from __future__ import annotations

from pfnlab.explorer.plain_lanes import lanes_svg
from pfnlab.explorer.plain_state import state_svg
from pfnlab.explorer.stories import Story


def of_step(story: Story, step: int, *, narrow: bool = False) -> str:
    """The picture of one step, of one machine or of two side by side, as SVG."""
    return state_svg(story, step, narrow=narrow)


def of_race(story: Story, *, narrow: bool = False) -> str:
    """The lanes of a program's processors, as SVG."""
    return lanes_svg(story.runs[0], narrow=narrow)
