"""A thread as it is shown: every version with its design and defects, within a hundred columns."""

from __future__ import annotations

import msgspec
from for_each import for_each

from pfnlab.discussions.posted_threads import (
    LaterWord,
    PostedDefect,
    PostedThread,
    PostedVersion,
    defect_numbered,
    posted_threads,
    thread_numbered,
)
from pfnlab.discussions.reading import discussions
from pfnlab.discussions.thread_result import DefectResult, DiscussionList, ThreadResult
from pfnlab.present.document import lists
from pfnlab.present.document.terminal import text_of


def threads() -> tuple[PostedThread, ...]:
    """Every thread of the package."""
    return posted_threads()


def shown(thread: PostedThread) -> str:
    """Its text, each run of blanks as one."""
    return " ".join(text_of(lists.thread(ThreadResult.of(thread))).split())


def defect(number: str, *versions: str, kernels: str = "") -> PostedDefect:
    """A defect of some versions."""
    return PostedDefect(
        number=number,
        versions=versions,
        kernels=kernels,
        scenario=f"{number} happens",
        found_by="A. Nobody",
        how="reading",
        fate="left",
        expressible="yes",
    )


def thread(*defects: PostedDefect, later: tuple[LaterWord, ...] = ()) -> PostedThread:
    """A thread of two versions, the first of which is a policy."""
    first = PostedVersion(name="v1", design="It flushes.", date="2025-01-21", base="7.2", policy="flush=none")
    second = PostedVersion(name="v2", design="It does not.", message_ids=("a+b@c",), mail=("1", "2"))
    return PostedThread(
        number="T99", title="a test", years="2025", versions=(first, second), defects=defects, later=later
    )


@for_each("thread", threads)
def test_a_thread_is_shown_whole(thread: PostedThread) -> None:
    """The design of each version, the scenario of each defect, each later word and remark."""
    text = shown(thread)

    said = [
        *(version.design for version in thread.versions),
        *(one.scenario for one in thread.defects),
        *(word.says for word in thread.later),
        *thread.remarks,
    ]

    assert [] == [words for words in said if " ".join(words.split()) not in text]


@for_each("thread", threads)
def test_a_line_of_a_thread_fits(thread: PostedThread) -> None:
    """All but an address, which stands alone."""
    lines = text_of(lists.thread(ThreadResult.of(thread)), 100).splitlines()

    assert [] == [line for line in lines if len(line) > 100 and "https://" not in line]


def test_a_version_has_date_and_machine() -> None:
    """On one line; of one that is no policy the name is all."""
    lines = text_of(lists.thread(ThreadResult.of(thread()))).splitlines()

    assert "v1, 21 January 2025  --on model:7.2,flush=none" in lines
    assert "v2" in lines


def test_a_message_is_an_address() -> None:
    """A line of its own, and the numbers of the stored archive below."""
    lines = [line.strip() for line in text_of(lists.thread(ThreadResult.of(thread()))).splitlines()]

    at = lines.index("mail           https://lore.kernel.org/all/a+b@c/")
    assert "stored as 1, 2" == lines[at + 1]


def test_a_version_may_be_known_by_the_mail_of_another() -> None:
    """Its number is not said to be that of the version."""
    version = PostedVersion(name="v1", design="It flushes.", named_in=("3",))
    found = PostedThread(number="T99", title="a test", years="2025", versions=(version,))

    assert "mail named in mail 3" in shown(found)


def test_a_defect_may_have_been_found_nobody_says_how() -> None:
    """The line ends with who found it."""
    found = msgspec.structs.replace(defect("R98", "v2"), how="")
    rows = text_of(lists.defect(DefectResult.of(thread(), found))).splitlines()

    assert "  found by       A. Nobody" in rows


def test_a_defect_stands_whole_once() -> None:
    """Below the other versions that have it its number does."""
    text = shown(thread(defect("R98", "v1", "v2")))

    assert 1 == text.count("R98 happens")
    assert "R98 as in v1" in text


def test_a_defect_of_kernels_alone_is_no_versions() -> None:
    """It stands behind them, with the kernels."""
    text = shown(thread(defect("R98", "v2"), defect("R99", kernels="to 6.15")))

    assert text.index("R98 happens") < text.index("In kernels, and in no version alone")
    assert "R99 to 6.15: R99 happens" in text


def test_what_came_later_has_its_claim() -> None:
    """With the date and who said it."""
    later = LaterWord(claim="004.21", who="A. Nobody", says="It is so.", date="2025-05-21")

    assert "004.21 21 May 2025, A. Nobody: It is so." in shown(thread(later=(later,)))


def test_a_thread_has_the_claims_about_it() -> None:
    """Those of its discussions."""
    found = ThreadResult.of(thread_numbered("T3"))

    assert {"000", "003"} == {one.number[:3] for one in found.claims}
    assert "003.1 to 003.38" in text_of(lists.thread(found))


def test_a_defect_has_the_machines_of_its_versions() -> None:
    """Each once, and none of a version that is no policy."""
    found = DefectResult.of(*defect_numbered("R11"))

    assert tuple(f"model:7.2,flush=gather_{one}" for one in ("v3", "draft", "v4", "v5")) == found.on
    assert () == DefectResult.of(thread(), defect("R98", "v2")).on


def test_a_defect_is_shown_with_its_thread() -> None:
    """Versions, scenario, and the property that it breaks."""
    text = " ".join(text_of(lists.defect(DefectResult.of(*defect_numbered("R11")))).split())

    assert text.startswith("R11 T2, mmu_gather: the flush moves to free_pgtables()")
    assert "in v3, draft, v4, v5 scenario munmap of a mixed map" in text
    assert "breaks told_free" in text


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
    lines = text_of(lists.discussions(DiscussionList.now()), 100).splitlines()

    assert [] == [line for line in lines if len(line) > 100]
