"""The list of threads and discussions counts what their files have."""

from __future__ import annotations

from for_each import for_each

from pfnlab.discussions.posted import posted_threads
from pfnlab.discussions.reading import discussions
from pfnlab.discussions.thread_list import DiscussionList


def test_a_thread_is_counted() -> None:
    """Its versions and its defects."""
    listed = DiscussionList.now().threads

    assert [(one.number, len(one.versions), len(one.defects)) for one in posted_threads()] == [
        (one.number, one.versions, one.defects) for one in listed
    ]


def test_a_discussion_is_counted() -> None:
    """Its claims by status are all of them."""
    listed = DiscussionList.now().discussions

    assert [(one.number, len([*one.numbered()])) for one in discussions()] == [
        (one.number, sum(one.statuses.values())) for one in listed
    ]


@for_each(("discussion", "threads"), [("004", ("T1", "T2")), ("000", ("T3",)), ("003", ("T3",))])
def test_a_discussion_names_its_threads(discussion: str, threads: tuple[str, ...]) -> None:
    """Several, or one that another has too."""
    found = {one.number: one.threads for one in DiscussionList.now().discussions}

    assert threads == found[discussion]


def test_a_line_fits_a_hundred_columns() -> None:
    """With the title, which stands last."""
    assert [] == [line for line in str(DiscussionList.now()).splitlines() if len(line) > 100]
