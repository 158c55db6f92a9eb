"""The options of verbs."""

from __future__ import annotations

from typing import get_args

from for_each import for_each

from pfnlab.campaign.store.rows import TASK_NAMES, ResultKindName
from pfnlab.cli.verbs import options_of, verb_pages
from pfnlab.export.formats import FORMATS
from pfnlab.kernel.bugs.known_bugs import BugKind, BugReach
from pfnlab.present.document.compose import WRITERS
from pfnlab.present.picture.palette import Theme
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Accel


@for_each(
    ("verb", "name", "words"),
    [
        ("run", "--accel", Accel),
        ("run", "--look", LookLevel),
        ("draw", "--theme", get_args(Theme)),
        ("export", "--format", FORMATS),
        ("report", "--format", WRITERS),
        ("bugs list", "--kind", BugKind),
        ("bugs list", "--reach", BugReach),
        ("campaign results", "--kind", get_args(ResultKindName)),
        ("campaign results", "--task", TASK_NAMES),
    ],
)
def test_the_choices_of_an_option_are_those_of_its_verb(verb: str, name: str, words: list[str]) -> None:
    """The placeholder in help names them all, and no others."""
    (option,) = (one for one in options_of(verb) if name in one.names)

    assert {*option.choices} == {*words}


def test_an_option_names_fields_of_its_verb() -> None:
    """A misspelt one would have no effect."""
    for page in verb_pages():
        fields = {one.field for one in options_of(page.name)}
        for one in options_of(page.name):
            named = {*one.needs.split(), *one.excludes.split(), *(one.takes or "").split()}
            assert set() == named - fields, (page.name, one.name)
