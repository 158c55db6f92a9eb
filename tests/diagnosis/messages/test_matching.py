"""Which family a text is of, and how much that costs."""

from __future__ import annotations

from collections import Counter

import pytest
from call_counts import counting
from for_each import for_each
from sampling import all_wordings, rendered

from pfnlab.diagnosis.messages.matching import Match, matcher
from pfnlab.diagnosis.messages.template import LineTemplate

FREED = "x86/PAT: Xorg:{pid} freeing invalid memtype [mem {start:#x}-{end:#x}]"


def longest(text: str) -> tuple[str, dict[str, str]] | None:
    """The wording of a text and its values, of all templates that there are."""
    best: tuple[tuple[int, int], str, dict[str, str]] | None = None
    for _, wording in all_wordings():
        if wording.seeds and not any(seed in text for seed in wording.seeds):
            continue
        template = LineTemplate(wording.text)
        found = template.match(text)
        if found is None:
            continue
        rank = (found.span[1] - found.span[0], len(found.values) - len(found.missing))
        if best is None or rank > best[0]:
            best = rank, wording.text, {**wording.implies, **found.values}
    return best and best[1:]


def said(match: Match | None) -> tuple[str, dict[str, str]] | None:
    """The same of a match."""
    return match and (match.wording.text, match.values)


def test_a_text_is_of_the_template_that_says_most() -> None:
    """What was asked before changes nothing: not the words, and not the template of the text before it."""
    known = matcher()
    samples = [
        rendered(wording.text, {"pid": "7"}, choice) + rest
        for _, wording in [*all_wordings()][::5]
        for choice, rest in ((0, ""), (1, " and more"), (0, ", got write-back"))
    ]
    expected = [longest(text) for text in samples]

    found = [[said(known.whole(text)) for text in order] for order in (samples, samples[::-1])]

    assert [expected, expected[::-1]] == found


@for_each("step, pids", [(0, 1), (0x4000, 0)])
def test_a_line_with_other_numbers_costs_one_template(step: int, pids: int) -> None:
    """The template of the line before is the only one that is tried."""
    known, counted = matcher(), Counter[str]()
    lines = [
        FREED.format(pid=100 + at * pids, start=0xF8004000 + at * step, end=0xF8007FFF + at * step)
        for at in range(100)
    ]
    known.whole(lines[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LineTemplate, "match", counting(counted, "match", LineTemplate.match))

        for line in lines[1:]:
            known.whole(line)

    assert 99 == counted["match"]
