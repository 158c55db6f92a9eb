"""Examples of messages on their page."""

from __future__ import annotations

from for_each import for_each

from evidence.pages.message_example import example_of
from evidence.pages.messages_page import messages_page
from pfnlab.diagnosis.messages.family_files import Family, FamilyKind, families

LOGS = [one for one in families() if one.kind is FamilyKind.LOG]


@for_each("one", LOGS, ids=lambda one: one.name)
def test_every_family_has_an_example(one: Family) -> None:
    """It is on the page, as a block of its own."""
    example = example_of(one)

    assert example
    assert f"```text\n{example}\n```" in messages_page()
