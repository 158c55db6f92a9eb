"""Pictures: programs and states as SVG."""

from pfnlab.present.picture.columns import draw_state, draw_story
from pfnlab.present.picture.race_chart import draw_race

__all__ = ["draw_race", "draw_state", "draw_story"]
