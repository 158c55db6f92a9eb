"""Designs by name: a policy file, a change to the base, or a model."""

import re

from pfnlab.base.errors import Misuse
from pfnlab.programs.runs.named_machines import full_name, newest_series, with_policies

#: The beginning of a change to a model.
_CHANGE = re.compile(r"[\w.]+=")


def is_file(design: str) -> bool:
    """True for a policy file on its own, whose seam is known only after running it; False for
    ``tracker=mine.py``.
    """
    return design.endswith(".py") and _CHANGE.match(design) is None


def models_reviewed(design: str, base: str | None = None) -> tuple[str, str]:
    """The names of the base and of the model with the design.

    :param base: the name of the base, or None for the newest model
    :raises Misuse: if one of the names is not a model
    """
    base, design = full_name(base or newest_series()), full_name(design)
    if not base.startswith("model:"):
        raise Misuse(f"{base} cannot be reviewed against: write a model, e.g. model:7.2")
    if design.startswith("model:"):
        return base, design
    if is_file(design):
        return base, with_policies([base], [design])[0]
    if "=" not in design:
        raise Misuse(f"{design!r} is not a design: write FILE.py, SEAM=POLICY, SWITCH=on or model:SERIES")
    return base, f"{base},{design}"
