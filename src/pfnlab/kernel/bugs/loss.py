"""The cost of a violated property, which its declaration states.

The declarations are in wings above; ``python tools/write_properties.py --write`` copies their losses to
``losses.toml``, so that a list of bugs needs no judge.
"""

from enum import IntEnum
from functools import cache

from pfnlab.base.toml_text import package_toml


class Loss(IntEnum):
    """The cost of a violated property, the worst first."""

    #: Somebody accesses or loses memory that belongs to others.
    MEMORY = 0
    #: The kernel warns, stops or waits forever.
    STOP = 1
    #: A reservation or a cache mode stays wrong, whoever uses the memory next.
    LASTING = 2
    #: The caller alone is affected, or the log.
    PASSING = 3


@cache
def losses() -> dict[str, Loss]:
    """The loss of each property, by name."""
    return {name: Loss[word] for name, word in package_toml(__package__, "losses.toml").items()}
