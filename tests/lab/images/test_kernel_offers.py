"""Offers: which packages are kernels, which of them a name speaks of, and which the tests run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import pytest

from pfnlab.lab.images import kernel_offers as module
from pfnlab.lab.images.archive import Package
from pfnlab.lab.images.kernel_offers import Role, by_version, chosen, matching, offers_in, roles_for

needs_dpkg = pytest.mark.skipif(not shutil.which("dpkg"), reason="orders package versions: install dpkg")

BOOKWORM = (
    ("linux-image-6.1.0-55-cloud-amd64", "6.1.191-1"),
    ("linux-image-6.1.0-56-cloud-amd64", "6.1.192-2"),
)
TRIXIE = (("linux-image-6.12.117+deb13-cloud-amd64", "6.12.117-1"),)
SID = (("linux-binary-7.2.13+deb14-cloud-amd64", "7.2.13-1"),)
BACKPORTS = (("linux-binary-unsigned-7.3.4+deb13-cloud-amd64", "7.3.4-1~bpo13+1"),)
NEWER = (
    ("linux-binary-7.4.1+deb14-cloud-amd64", "7.4.1-1"),
    ("linux-binary-7.3.9+deb14-cloud-amd64", "7.3.9-1"),
)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four kernels were met."""
    packages = ("6.1.192-2", "6.12.117-1", "7.2.13-1", "7.3.4-1~bpo13+1")
    monkeypatch.setattr(module, "known_packages", lambda: packages)
    monkeypatch.setattr(module, "known_versions", lambda: ("6.1.192", "6.12.117", "7.2.13", "7.3.4"))


def packages(*rows: tuple[str, str]) -> list[Package]:
    """Packages of no size."""
    return [Package(name, version, "suite", 0) for name, version in rows]


def names(rows: Sequence[tuple[str, str]]) -> list[str]:
    """The packages taken for kernels."""
    return [offer.package.name for offer in offers_in(packages(*rows))]


def asked(*rows: tuple[str, str], cached: Sequence[str] = ()) -> list[tuple[str, str]]:
    """What the tests run, for lists with these packages."""
    return [(one.name, one.status) for one in roles_for(offers_in(packages(*rows)), cached)]


@needs_dpkg
def test_debians_order() -> None:
    """
    Numbers count, not letters; a candidate comes before its backport, that before the release.
    """
    order = ["6.1.99-1", "6.1.192-1", "6.1.192-2", "7.3~rc7-1~exp1", "7.3.1-1~bpo13+1", "7.3.1-1"]

    assert order == by_version(reversed(order))


def test_the_image_users_boot_is_preferred_to_the_unsigned_one() -> None:
    """
    Of a signed and an unsigned image of one version the signed one is taken, in either order.
    """
    both = (
        ("linux-image-6.1.0-56-cloud-amd64", "6.1.192-2"),
        ("linux-image-6.1.0-56-cloud-amd64-unsigned", "6.1.192-2"),
    )

    assert [[both[0][0]], [both[0][0]]] == [names(both), names(both[::-1])]


def test_an_unsigned_one_alone_is_taken() -> None:
    """
    Backports may have nothing else.
    """
    assert [BACKPORTS[0][0]] == names(BACKPORTS)


def test_what_is_no_kernel() -> None:
    """
    A metapackage, the empty linux-image beside a linux-binary, and a name whose version is of another series.
    """
    rows = (
        ("linux-image-6.12-cloud-amd64", "6.12.117-1~deb12u1"),
        ("linux-image-7.2.13+deb14-cloud-amd64", "7.2.13-1"),
        ("linux-image-6.12.117+deb13-cloud-amd64", "6.13.1-1"),
        ("linux-headers-6.1.0-56-cloud-amd64", "6.1.192-2"),
    )

    assert [] == names(rows)


def test_a_candidate_is_an_offer() -> None:
    """
    Its name has no point release, and its version says which candidate it is.
    """
    (offer,) = offers_in(packages(("linux-binary-7.3-cloud-amd64", "7.3~rc7-1~exp1")))

    assert ("7.3", "7.3-rc7", False) == (offer.series, offer.version, offer.known)


def test_what_a_name_speaks_of() -> None:
    """
    A series, an exact version, a package version.
    """
    offers = offers_in(packages(*BOOKWORM, *TRIXIE))

    found = [
        [one.version for one in matching(name, offers)] for name in ("6.1", "6.1.191", "6.12.117-1", "6.16")
    ]

    assert [["6.1.191", "6.1.192"], ["6.1.191"], ["6.12.117"], []] == found


def test_a_series_is_its_newest_known_offer() -> None:
    """
    What nobody met is chosen only where nothing of the series is known.
    """
    offers = offers_in(packages(*BACKPORTS, *NEWER))

    chosen_ones = [chosen(name, offers) for name in ("7.3", "7.3.9", "7.4", "6.1")]

    assert ["7.3.4", "7.3.9", "7.4.1", None] == [one.version if one else None for one in chosen_ones]


def test_today() -> None:
    """
    The stable series, and the newest kernel that is known.
    """
    expected = [("6.1.192", "known"), ("6.12.117", "known"), ("7.3.4", "known")]

    assert expected == asked(*BOOKWORM, *TRIXIE, *SID, *BACKPORTS)


def test_a_newer_version_changes_nothing() -> None:
    """
    Beside a known kernel on offer a new one is left alone.
    """
    rows = (*BOOKWORM, *TRIXIE, *SID, *BACKPORTS)

    assert asked(*rows) == asked(*rows, *NEWER)


def test_a_series_that_is_gone() -> None:
    """
    Without 7.3 the newest known one is of 7.2.
    """
    assert ("7.2.13", "known") == asked(*BOOKWORM, *TRIXIE, *SID)[-1]


def test_no_known_one_is_offered_any_more() -> None:
    """
    The newest on offer is taken, and is new.
    """
    assert ("7.4.1", "new") == asked(*BOOKWORM, *TRIXIE, *NEWER)[-1]


def test_a_new_point_release_of_a_stable_series() -> None:
    """
    A suite that has dropped the known one offers another.
    """
    rows = (("linux-image-6.1.0-60-cloud-amd64", "6.1.200-1"), *TRIXIE, *BACKPORTS)

    assert ("6.1.200", "new") == asked(*rows)[0]


def test_only_one_suite_can_be_read() -> None:
    """
    What the others would offer is not to be had; nothing new is made of it.
    """
    assert [("6.1.192", "known"), ("6.12", "gone"), ("7.3.4", "gone")] == asked(*BOOKWORM)


def test_all_gone_but_cached() -> None:
    """
    The last cached kernels serve: known ones before newer ones.
    """
    cached = ["6.1.190-1", "6.1.192-2", "6.12.200-1", "7.2.13-1", "7.5.1-1"]

    assert [("6.1.192", "cached"), ("6.12.200", "cached"), ("7.2.13", "cached")] == asked(cached=cached)


def test_all_gone() -> None:
    """
    Nothing is left but the recorded runs.
    """
    assert [("6.1", "gone"), ("6.12", "gone"), ("7.3.4", "gone")] == asked()


def test_a_role_is_a_value() -> None:
    """
    It says which kernel, and how it is to be had.
    """
    assert Role("6.1.192", "known") == roles_for(offers_in(packages(*BOOKWORM)), [])[0]
