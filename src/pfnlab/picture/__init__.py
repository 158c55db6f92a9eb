"""The picture: programs, states and counts as SVG."""

from pfnlab.picture.compare import draw_compare
from pfnlab.picture.race import draw_race
from pfnlab.picture.state import draw_state
from pfnlab.picture.story import draw_story

__all__ = ["draw_compare", "draw_race", "draw_state", "draw_story"]
