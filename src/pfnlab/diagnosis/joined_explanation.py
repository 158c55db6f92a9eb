"""The explanation of a paste that contains machine files: lines are explained and files joined."""

import msgspec

from pfnlab.base.units import number_of
from pfnlab.diagnosis.explanation import ExplainedBoot, ExplainResult, things_of
from pfnlab.diagnosis.inspector.finding.every import untold
from pfnlab.diagnosis.inspector.finding.finding_form import serious
from pfnlab.diagnosis.inspector.inspection import inspected
from pfnlab.diagnosis.inspector.joined_host import JoinedHost
from pfnlab.diagnosis.messages.answer import answer_of
from pfnlab.diagnosis.messages.family_files import FamilyVerdict

#: The source whose lines the log's events explain.
_LOG = "kernel log"


def joined_explanation(lines: ExplainResult, machine: JoinedHost) -> ExplainResult:
    """Return the explanation of *lines*, with the findings from the files in the paste."""
    inspection = inspected(machine)
    # Facts that come from the log alone belong to its event.
    found = tuple(
        one for one in inspection.findings if {line.source for line in one.finding.evidence} != {_LOG}
    )
    wrong = [one.finding for one in serious(found)]
    claimed = {one.device for one in wrong if one.kind == "claimed_by_another"}
    places = {place.start for one in wrong for place in one.places}
    boots = tuple(_without_told(boot, claimed, places) for boot in lines.boots)
    things = [_sentence(one.says) for one in wrong]
    things += [group[0].thing for _, group in things_of(boots)]
    perhaps = [_sentence(one.finding.says) for one in found if one.finding.kind == "perhaps_leaked"]
    snapshot = machine.snapshot
    # If there is only one file, its event lists what else to send.
    parts = (snapshot.book, snapshot.resources, snapshot.devices, snapshot.mappings, snapshot.mtrrs)
    nothing = "Nothing to do."
    if perhaps:
        more = f", and {len(perhaps) - 1} more" if len(perhaps) > 1 else ""
        nothing = f"Not decided: {perhaps[0]}{more}."
    others = [event.title for boot in boots for event in boot.events if event.verdict is FamilyVerdict.OTHER]
    return msgspec.structs.replace(
        lines,
        boots=boots,
        says=f"{lines.says.rstrip('.')}; {number_of(len(found), 'finding')} in files that were joined.",
        answer=answer_of(things, others, lines.not_understood, nothing),
        to_review=len(things),
        findings=found,
        untold=untold(snapshot) if sum(part is not None for part in parts) > 1 else "",
    )


def _without_told(boot: ExplainedBoot, claimed: set[str | None], places: set[str]) -> ExplainedBoot:
    """Return *boot* without the claims and notes that a finding already covers.

    :param claimed: devices with a finding about a claim
    :param places: the start addresses of findings
    """
    events = tuple(
        msgspec.structs.replace(
            event,
            review=event.review and not (event.family == "file_iomem" and event.device in claimed),
            notes=tuple(note for note in event.notes if places.isdisjoint(note.split())),
        )
        for event in boot.events
    )
    return msgspec.structs.replace(boot, events=events)


def _sentence(says: str) -> str:
    """Return the first sentence, without its full stop; PCI addresses contain dots too."""
    return says.partition(". ")[0].rstrip(".")
