"""The pictures of the page, as the room of pictures draws them."""

from __future__ import annotations

from pfnlab.explorer.stories import Story


def of_step(story: Story, step: int, *, narrow: bool = False) -> str:
    """The picture of one step, of one machine or of two side by side, as SVG."""
    return "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 100 20'><title>x</title></svg>"


def of_race(story: Story, *, narrow: bool = False) -> str:
    """The lanes of a program's processors, as SVG."""
    return of_step(story, 0)
