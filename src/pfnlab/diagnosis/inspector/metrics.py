"""An inspection as metrics: the text format that Prometheus' node_exporter reads from files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from pfnlab.base.inert import metric_label
from pfnlab.diagnosis.inspector.finding.finding_form import finding_kinds
from pfnlab.diagnosis.inspector.host_snapshot import Access
from pfnlab.diagnosis.inspector.inspection import InspectionResult


def metrics(result: InspectionResult) -> str:
    """The metrics of an inspection; every kind of finding has its line, also where there is none of it."""
    return "".join(f"{line}\n" for line in _lines(result))


def _lines(result: InspectionResult) -> Iterator[str]:
    yield from _head("pfnlab_findings", "Findings of the last inspection, by kind and severity.")
    counts = Counter(one.finding.kind for one in result.findings)
    for name, kind in finding_kinds().items():
        yield f'pfnlab_findings{{kind="{name}",severity="{kind.severity}"}} {counts[name]}'
    yield from _head("pfnlab_leaked_bytes", "Bytes of device memory that stay reserved without an owner.")
    leaked = sum(one.finding.size for one in result.findings if one.finding.kind == "leaked_reservation")
    yield f"pfnlab_leaked_bytes {leaked}"
    for name, help_text, value in (
        ("reservations", "Entries of the memtype list.", result.counted.reservations),
        ("mappings", "Mappings of device memory.", result.counted.mappings),
        ("devices", "PCI devices.", result.counted.devices),
    ):
        if value is not None:
            yield from _head(f"pfnlab_{name}", help_text)
            yield f"pfnlab_{name} {value}"
    yield from _head("pfnlab_source_read", "1 where a source was read whole.")
    for source in result.sources:
        label = metric_label(source.name)
        yield f"pfnlab_source_read{{source={label}}} {int(source.access is Access.READ)}"


def _head(name: str, help_text: str) -> Iterator[str]:
    yield f"# HELP {name} {help_text}"
    yield f"# TYPE {name} gauge"
