"""All findings of a machine, what is wrong first."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pfnlab.inspector.finding import mappings, platform, reservations
from pfnlab.inspector.finding.compose import Found, composed
from pfnlab.inspector.finding.form import Finding, finding_kinds
from pfnlab.inspector.machine import Machine

#: Each looks for one or two kinds.
_LOOKS: tuple[Callable[[Machine], Iterator[Found]], ...] = (
    reservations.leaked,
    mappings.without_reservation,
    mappings.aliased,
    mappings.of_removed,
    mappings.other_than_asked,
    mappings.over_two_modes,
    reservations.spanning,
    platform.claimed,
    reservations.over_tracked,
    platform.no_write_combining,
    platform.mtrrs_decide,
    platform.hidden,
)


def findings(machine: Machine) -> tuple[Finding, ...]:
    """The findings of a machine: by severity, then by kind, then by place."""
    order = list(finding_kinds())
    found = [composed(machine, one) for look in _LOOKS for one in look(machine)]
    return tuple(
        sorted(
            found,
            key=lambda one: (
                one.severity.weight,
                order.index(one.kind),
                one.places[0].bounds if one.places else (0, 0),
            ),
        )
    )
