"""The series that mailed patches are for, as far as they name it."""

import re
from typing import Literal

from pfnlab.kernel.policies.releases import RELEASES
from pfnlab.lab.building.diffs import series_of_package
from pfnlab.lab.building.mailed_patches import MailedPatches

#: What says for which series a patch is.
SeriesSource = Literal["base", "subject", "guess"]

#: The brackets of a subject, e.g. `[PATCH 6.12.y 1/3]`, and a word in them that names a series.
_BRACKETS = re.compile(r"\[([^\[\]]{1,100})\]")
_WORD_ENDS = re.compile(r"[\s,/]+")
_SERIES_TAG = re.compile(r"(?:linux-|stable-|v)*(\d{1,2}\.\d{1,2})(?:\.y|\.\d{1,3})?", re.IGNORECASE)


def named_series(found: MailedPatches) -> tuple[str, SeriesSource] | None:
    """The series of a line `Base:`, or in a subject, e.g. ``[PATCH 6.12.y 1/3]``; None without either.

    Of several in one subject it is the newest.
    """
    for base in found.bases:
        if (series := series_of_package(base.partition(" ")[0])) in RELEASES:
            return series, "base"
    for subject in found.subjects:
        for brackets in _BRACKETS.findall(subject):
            named = [tag[1] for word in _WORD_ENDS.split(brackets) if (tag := _SERIES_TAG.fullmatch(word))]
            if known := [series for series in RELEASES if series in named]:
                return known[-1], "subject"
    return None
