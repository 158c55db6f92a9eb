"""The choices of the page."""

from __future__ import annotations

import json

from pfnlab.explorer import questions
from pfnlab.explorer.offers import Offers


def test_what_there_is_to_choose_from_is_plain_json() -> None:
    """It can be written as JSON as it stands."""
    start = Offers(["model:7.2,tracker=mine.py"], "text").start(questions.StartQuestion())

    assert json.loads(json.dumps(start))
    assert ["model:7.2,tracker=mine.py"] == start["given"]
    assert "text" == start["opened"]


def test_the_newest_model_is_offered_first() -> None:
    """Versions count as numbers: 7.3, and 6.9 behind 6.10."""
    series = Offers().start(questions.StartQuestion())["series"]

    numbers = [tuple(map(int, name.split("."))) for name in series]
    assert numbers == sorted(numbers, reverse=True)
