"""The policy of a seam in a profile, and another one in its place."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.kernel.policies import flushes, reports, trackers, walkers
from pfnlab.kernel.policies.profiles import profile_of
from pfnlab.kernel.policies.seams import PLACES, POLICIES, policy_of, seam_and_place, with_policy

#: Policies that the memory core has as its own: their modules name a class of another name or place.
OF_THE_CORE = {"none": "NoForcedFlush"}


@for_each(
    ("package", "found"),
    [
        (trackers, trackers.TRACKERS),
        (flushes, flushes.FLUSHES),
        (walkers, walkers.WALKERS),
        (reports, reports.REPORTS),
    ],
    ids=lambda package: getattr(package, "__name__", "").rpartition(".")[2],
)
def test_a_file_in_the_folder_of_a_seam_is_a_policy(package: ModuleType, found: dict[str, type]) -> None:
    """Its class has the file's name; the folder has no list of them that could lack one."""
    folder = Path(str(package.__file__)).parent
    listed = (folder / "__init__.py").read_text(encoding="utf-8")

    classes = {name: cls.__name__.casefold() for name, cls in found.items()}

    names = sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")
    expected = {name: OF_THE_CORE.get(name, name.replace("_", "")).casefold() for name in names}
    assert expected == classes
    assert [] == [name for name in names if name in listed or found[name].__name__ in listed]


@for_each("seam", POLICIES)
def test_every_policy_takes_its_place(seam: str) -> None:
    """Whatever was there before."""
    profile = profile_of("7.2")

    found = [policy_of(with_policy(profile, seam, name), seam) for name in POLICIES[seam]]

    assert list(POLICIES[seam]) == found


@for_each(("seam", "place"), [(seam, place) for seam, places in PLACES.items() for place in places])
def test_a_policy_takes_one_place(seam: str, place: str) -> None:
    """All others keep theirs."""
    before = with_policy(profile_of("7.2"), seam, next(iter(POLICIES[seam])))

    after = with_policy(before, seam, list(POLICIES[seam])[-1], place)

    field = {"flush": "flushes", "walker": "walkers"}[seam]
    expected = getattr(before, field)._replace(**{place: list(POLICIES[seam])[-1]})
    assert expected == getattr(after, field)


@for_each(
    ("name", "found"),
    [
        ("walker", ("walker", None)),
        ("walker.get_user_pages", ("walker", "get_user_pages")),
        ("mseal", None),
        ("mseal.zap", None),
    ],
)
def test_the_seam_and_place_of_a_name(name: str, found: object) -> None:
    """Of a switch there is none."""
    assert found == seam_and_place(name)


def test_a_tracker_brings_the_book_of_its_time() -> None:
    """An entry could shrink in the time of vm_pat alone."""
    profile = profile_of("7.2")

    found = [with_policy(profile, "tracker", name).end_match for name in ("vm_pat", "vm_pat@6.9", "exact")]

    assert [True, True, False] == found


@for_each(
    ("seam", "says"),
    [
        (
            "tracker",
            "there is no tracker 'mine': there are base_pfn, .*, vm_pat@6.15, and files that end in .py",
        ),
        ("flush", "there is no flush placement 'mine': there are .*, and files that end in .py"),
        ("walker", "there is no walker 'mine': there are .*, and files that end in .py"),
    ],
)
def test_another_name_is_refused(seam: str, says: str) -> None:
    """With those that there are."""
    with pytest.raises(Misuse, match=says):
        with_policy(profile_of("7.2"), seam, "mine")
