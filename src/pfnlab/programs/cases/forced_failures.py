"""Forced failures: the calls that reviews, sweeps and random programs make fail."""

import msgspec

from pfnlab.base.toml_text import package_tables
from pfnlab.kernel.mm.failures import ONLY_INSIDE


class _FailureTables(msgspec.Struct, forbid_unknown_fields=True):
    """The tables of ``failures.toml``; each is described there."""

    called_by: dict[str, frozenset[str]]
    calls: dict[str, dict[str, int]]


_TABLES = package_tables(__package__, "failures.toml", _FailureTables)

#: For each function that random programs make fail, the kinds of operation that may call it.
CALLED_BY = _TABLES.called_by


def _forced(function: str, nth: int) -> str:
    inside = ONLY_INSIDE.get(function)
    return f"{function} {nth} in {inside}" if inside else f"{function} {nth}"


#: Sets of calls that fail, each call as written after ``fail``.
FORCED = {
    name: tuple(_forced(function, nth) for function, most in calls.items() for nth in range(1, most + 1))
    for name, calls in _TABLES.calls.items()
}
