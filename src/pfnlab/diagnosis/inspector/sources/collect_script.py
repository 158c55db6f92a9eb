"""The script that makes a bundle where nothing is installed, with the program that redacts and its words."""

from __future__ import annotations

import re
from importlib.resources import files

from pfnlab.diagnosis.inspector.joined_host import BOOT_FRAMEBUFFERS
from pfnlab.diagnosis.inspector.parsing.machine_facts import GUESTS
from pfnlab.diagnosis.inspector.sources.public_words import (
    CONFIGURATION,
    DRIVERS,
    FILES,
    HYPERVISORS,
    OPTIONS,
    RELEASE,
    RESOURCES,
    TELLING,
)

#: The place of the program in the script.
_PLACE = "program=''\n"

_WORD = re.compile(r"@([A-Z]+)@")
_TIMES = re.compile(r"(\[[^\]]+\]|\))\{([0-9]+)(?:,([0-9]+))?\}")


def script_text() -> str:
    """The script that writes the same bundle on a machine where nothing is installed."""
    folder = files("pfnlab.diagnosis.inspector")
    script = folder.joinpath("pfnlab-collect.sh").read_text(encoding="utf-8")
    program = folder.joinpath("pfnlab-redact.awk").read_text(encoding="utf-8")
    words = {
        "DRIVERS": " ".join(sorted(DRIVERS)),
        "CONFIGURATION": " ".join(sorted(CONFIGURATION)),
        "TELLING": "|".join((*TELLING, *BOOT_FRAMEBUFFERS)),
        "GUESTS": "|".join(word for word, _ in GUESTS),
        "HYPERVISORS": "|".join(sorted(HYPERVISORS)),
        "FILES": plain_expression(FILES),
        "RESOURCES": plain_expression(RESOURCES),
        "RELEASE": plain_expression(RELEASE),
        "OPTIONS": plain_expression(OPTIONS),
    }
    whole = _WORD.sub(lambda found: words[found[1]].replace("\\", "\\\\"), program)
    return script.replace(_PLACE, f"program='{whole}'\n")


def plain_expression(expression: str) -> str:
    """The same expression for any awk: without groups that are not kept, and without {n}.

    A group that repeats may do so more often than in *expression*.
    """

    def times(found: re.Match[str]) -> str:
        least, most = int(found[2]), int(found[3] or found[2])
        if found[1] == ")":
            return ")+" if least else ")*"
        return found[1] * least + f"{found[1]}?" * (most - least)

    return _TIMES.sub(times, expression.replace("(?:", "("))
