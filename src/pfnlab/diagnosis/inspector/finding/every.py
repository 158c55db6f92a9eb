"""All findings of a machine, what is wrong first."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pfnlab.diagnosis.inspector.finding import mappings, reservations, whole_host
from pfnlab.diagnosis.inspector.finding.finding_form import Finding, finding_kinds
from pfnlab.diagnosis.inspector.finding.gathering import gathered
from pfnlab.diagnosis.inspector.finding.lacking import not_looked_for
from pfnlab.diagnosis.inspector.finding.raw_finding import RawFinding, composed
from pfnlab.diagnosis.inspector.joined_host import JoinedHost
from pfnlab.diagnosis.inspector.uncollected import uncollected
from pfnlab.kernel.bugs.here import bugs_here

#: Each looks for some kinds in one pass.
_LOOKS: tuple[Callable[[JoinedHost], Iterator[RawFinding]], ...] = (
    reservations.loose,
    mappings.odd,
    mappings.aliased,
    mappings.of_removed,
    reservations.spanning,
    whole_host.claimed,
    whole_host.no_write_combining,
    whole_host.mtrrs_decide,
    whole_host.hidden,
)


def findings(machine: JoinedHost) -> tuple[Finding, ...]:
    """The findings of a machine: by severity, then by kind, then by place.

    Of one kind and place there is one, whatever it was put together of.
    There are none of a kind for which a source is lacking (:func:`.lacking.not_looked_for`).
    """
    lacking = {one.kind for one in not_looked_for(machine.snapshot) if not one.in_part}
    kinds = finding_kinds()
    order = list(kinds)
    with uncollected():
        raw = gathered(one for look in _LOOKS for one in look(machine) if one.kind not in lacking)
    bugs = {
        name: tuple(bugs_here(machine.snapshot.kernel, kinds[name].bugs))
        for name in {one.kind for one in raw}
    }
    found = [composed(one, bugs[one.kind]) for one in raw]
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
