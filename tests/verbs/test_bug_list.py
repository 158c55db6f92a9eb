"""Lists of bugs: by kind, property, discussion, series, reach and CVE."""

from __future__ import annotations

from typing import Any

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.kernel.bugs.known_bugs import all_bugs, bug
from pfnlab.present.document.terminal import text_of
from pfnlab.verbs.bug_list import listed
from pfnlab.verbs.bugs import BugsRequest


def numbers(**wish: Any) -> list[str]:
    """The bugs that are left."""
    return [one.id for one in listed(BugsRequest(**wish)).bugs]


def test_all_are_listed_where_nothing_is_wished() -> None:
    """In their order."""
    assert [one.number for one in all_bugs()] == numbers()


@for_each(
    ("wish", "there", "gone"),
    [
        ({"kind": "regression"}, "A16", "A06"),
        ({"breaks": "no_leak"}, "A06", "C02"),
        ({"discussion": "004"}, "B03", "A06"),
        ({"reach": "user"}, "A01", "A06"),
        ({"cve": True}, "A04", "A06"),
        ({"series": "6.1"}, "A06", "A01"),
        ({"series": "6.12"}, "C12", "A16"),
        ({"series": "7.3"}, "D02", "A06"),
    ],
)
def test_a_wish_leaves_some(wish: dict[str, Any], there: str, gone: str) -> None:
    """Those that fit, and no other."""
    left = numbers(**wish)

    assert there in left
    assert gone not in left


def test_several_wishes_hold_together() -> None:
    """As if one list was made of the other."""
    both = numbers(breaks="no_leak", kind="regression")

    assert both
    assert both == [one for one in numbers(breaks="no_leak") if bug(one).kind == "regression"]


def test_an_empty_list_says_so() -> None:
    """Not an empty line."""
    found = listed(BugsRequest(discussion="nothing"))

    assert "No bug in the catalogue matches.\n" == text_of(found.blocks())


@for_each(
    ("wish", "says"),
    [
        ({"kind": "bugs"}, "--kind has no 'bugs': did you mean `bug`"),
        ({"breaks": "noleak"}, "no property 'noleak': did you mean `no_leak`"),
        ({"series": "6.1.20"}, "no series '6.1.20'"),
        ({"reach": "root"}, "--reach has no 'root'"),
    ],
)
def test_a_word_that_is_none_is_refused(wish: dict[str, Any], says: str) -> None:
    """With the nearest that is one."""
    with pytest.raises(Misuse, match=says):
        numbers(**wish)
