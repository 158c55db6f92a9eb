"""The programs that show what a change of the rules does, by the name of the change.

``shown_by.toml`` is made by ``python tools/find_shown.py --write``, which tries every program on the models
of all confirmed series, each with the change and without.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from pfnlab.base.toml_text import toml_content

FILE = "shown_by.toml"


def programs_of(change: str) -> tuple[str, ...]:
    """The programs that show a change, the shortest first; none where nobody knows one.

    :param change: as in a machine's name: ``mseal=off``, ``tracker=track_ctx``, ``with=c31783eeae7b``
    """
    return tuple(_shown().get(key_of(change), ()))


def key_of(change: str) -> str:
    """The name under which a change stands: of a switch it is the same for both directions."""
    name, _, value = change.partition("=")
    return name if value in ("on", "off") else value


@cache
def _shown() -> dict[str, list[str]]:
    text = files("pfnlab.kernel.policies").joinpath(FILE).read_text(encoding="utf-8")
    return toml_content(text, FILE)
