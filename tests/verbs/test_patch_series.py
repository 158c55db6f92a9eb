"""The series that a mailed patch names."""

from __future__ import annotations

from for_each import for_each

from pfnlab.lab.building.mailed_patches import MailedPatches
from pfnlab.verbs.patch_series import named_series


@for_each(
    ("subject", "base", "series", "source"),
    [
        ("[PATCH] one", "linux-source-6.12 6.12.117-1", "6.12", "base"),
        ("[PATCH 6.1.y] one", "linux-source-6.12 6.12.117-1", "6.12", "base"),
        ("[PATCH 6.12.y] one", "", "6.12", "subject"),
        ("[PATCH 6.12 1/3] one", "", "6.12", "subject"),
        ("[PATCH v2 stable-6.1.y 07/12] one", "", "6.1", "subject"),
        ("[PATCH 5.15/6.1] one", "", "6.1", "subject"),
        ("[RESEND][PATCH v6.16.3] one", "", "6.16", "subject"),
    ],
)
def test_the_series_is_that_of_the_base_or_the_subject(
    subject: str, base: str, series: str, source: str
) -> None:
    """The base counts more."""
    found = MailedPatches(subjects=[subject], bases={base: None} if base else {})

    assert (series, source) == named_series(found)


@for_each(
    ("subject", "base"),
    [
        # A version of the patch, its number, a release in the title, and series without a model.
        ("[PATCH v6 1/12] one of 6.12", ""),
        ("[PATCH 4.19.y] one", "linux-source-4.19 4.19.1"),
        ("one", "deadbeef"),
        ("", ""),
    ],
)
def test_without_a_known_series_there_is_none(subject: str, base: str) -> None:
    """It is not guessed here."""
    assert named_series(MailedPatches(subjects=[subject], bases={base: None})) is None
