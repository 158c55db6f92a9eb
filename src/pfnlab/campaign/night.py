"""A nightly hunt: each day is a separate campaign, e.g. ``hunt-2026-10-04``, all in one store.

A night takes one kernel of the archive and draws other programs than the nights before. Findings of earlier
nights are known, and so are those in the folders that the file names; machines may have other versions. The
programs that showed a known finding on the kernel's series when they last ran, run again.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from pfnlab.base.errors import Misuse
from pfnlab.campaign.campaigns import NightSummary
from pfnlab.campaign.fuzz_work import FuzzWork
from pfnlab.campaign.plan import MOST_SHARDS, NEXT, TONIGHT, NightlyTable, Plan
from pfnlab.campaign.plan_files import PlanFiles
from pfnlab.campaign.running import begin_campaign, nights_of, stored_plan, stored_shards
from pfnlab.campaign.store.rows import ResultFilter
from pfnlab.campaign.store.store import Store
from pfnlab.campaign.work import work_of
from pfnlab.hunt.fuzz.filing import KnownFinding, slug
from pfnlab.hunt.fuzz.signature import Signature
from pfnlab.kernel.policies.releases import series_of
from pfnlab.lab.images.kernel_offers import Offer
from pfnlab.programs.runs.named_machines import name_machine

#: A machine of the night, before any changes to it; or its kernel.
_TONIGHT = re.compile(rf"((?:model|qemu):)?{TONIGHT}(?=,|$)")

#: The names under which findings of different nights are compared.
_ANY_NIGHT = (f"model:{TONIGHT}", f"qemu:{TONIGHT}")


def begin_night(
    store: Store, plan: Plan, folder: Path, today: date, offers: Callable[[], Sequence[Offer]]
) -> str:
    """Store the campaign of *today*, unless it has begun; return its name.

    :param plan: a nightly plan, whose folders of findings start from *folder*
    :param offers: returns the kernels of the archive, oldest first
    :raises Misuse: if a folder does not exist or is malformed, or there is no such kernel
    """
    assert plan.nightly is not None
    name = f"{plan.name}-{today.isoformat()}"
    if store.campaign(name) is None:
        nights = [night_record(store, night) for night in nights_of(store, plan.name)]
        kernel = plan.nightly.kernel
        if kernel == NEXT:
            kernel = next_kernel(offers(), [night.summary.kernel for night in nights])
        filed = [finding for path in plan.nightly.known for finding in PlanFiles(folder).findings(path)]
        known = known_tonight(filed, nights, f"qemu:{kernel}")
        begin_campaign(store, replace(on_kernel(plan, kernel, today), name=name), folder, known)
    return name


def next_kernel(offers: Sequence[Offer], hunted: Sequence[str]) -> str:
    """The package version of the kernel to hunt: of the newest in each series, the one hunted longest ago.

    Those never hunted come first, the newest before the others, so a kernel is hunted when it appears.

    :param offers: the kernels of the archive, oldest first
    :param hunted: the package versions of earlier nights, oldest first
    :raises Misuse: if there are no kernels
    """
    newest = {offer.series: offer.package.version for offer in offers}
    if not newest:
        raise Misuse("the archive offers no kernel: pfnlab kernels list --refresh")
    last = {kernel: number for number, kernel in enumerate(hunted)}
    return min(reversed(newest.values()), key=lambda kernel: last.get(kernel, -1))


def on_kernel(plan: Plan, kernel: str, today: date) -> Plan:
    """*plan* with a kernel in place of the word ``tonight``, and with seeds that no other day has."""
    assert plan.nightly is not None
    nightly = NightlyTable(kernel, plan.nightly.known)
    model, qemu = nightly.machines
    names = {"model:": model, "qemu:": qemu, None: kernel}

    def named(value: Any) -> Any:
        if isinstance(value, str):
            return _TONIGHT.sub(lambda match: names[match[1]], value) if _TONIGHT.match(value) else value
        return tuple(map(named, value))

    offset = int(f"{today:%Y%m%d}") * MOST_SHARDS
    fuzz = (replace(one, machines=named(one.machines), seed=one.seed + offset) for one in plan.fuzz)
    meet = (replace(one, kernels=named(one.kernels)) for one in plan.meet)
    return replace(plan, nightly=nightly, fuzz=tuple(fuzz), meet=tuple(meet))


class NightRecord(NamedTuple):
    """The results of one night.

    :ivar summary: its lists, as printed
    :ivar new: findings that were not known before it, by a key that is the same for all nights
    """

    summary: NightSummary
    new: dict[str, KnownFinding]


class _Detail(msgspec.Struct):
    """The details of results that a night is told by."""

    known_findings: dict[str, int] = {}
    again: dict[str, bool | None] = {}
    signature: Signature | None = None
    with_it: tuple[Signature, ...] = ()


def night_record(store: Store, name: str) -> NightRecord:
    """The results so far of the night *name*.

    :raises Misuse: if the store has no such campaign, or is damaged
    """
    plan = stored_plan(store, name)
    works = (work_of(shard.task, shard.work)[1] for shard in stored_shards(store, name))
    known = {finding.name: finding for work in works if isinstance(work, FuzzWork) for finding in work.known}
    names = {key: finding.name for finding in known.values() for key in finding.keys(_ANY_NIGHT)}
    met, again, new = Counter[str](), dict[str, bool | None](), dict[str, KnownFinding]()
    digests: dict[str, str] = {}
    for seen in store.results(ResultFilter(campaign=name)):
        detail = store.detail(seen, _Detail)
        met.update(detail.known_findings)
        again |= detail.again
        if seen.verdict in plan.count.verdicts and detail.signature is not None:
            signature = detail.signature.on(_ANY_NIGHT)
            if signature.key in names:
                met[names[signature.key]] += 1
            elif signature.key not in new:
                digests[signature.key] = seen.digest
                new[signature.key] = KnownFinding(
                    name=slug(signature),
                    signatures=(signature,),
                    machines=seen.machines,
                    program=seen.program,
                    with_it=detail.with_it,
                )
    met.update(finding for finding, shown in again.items() if shown)
    gone = sorted(finding for finding, shown in again.items() if shown is False and not met[finding])
    kernel = "" if plan.nightly is None else plan.nightly.kernel
    counts = {finding: count for finding, count in sorted(met.items()) if count > 0}
    summary = NightSummary(kernel=kernel, new=tuple(digests.values()), gone=tuple(gone), known=counts)
    return NightRecord(summary, new)


def known_tonight(
    filed: Sequence[KnownFinding], nights: Sequence[NightRecord], kernel: str
) -> list[KnownFinding]:
    """The findings known before a night.

    A finding that was gone on the last night of the series is left out, so it is new if it returns.

    :param filed: findings in folders
    :param nights: earlier nights, oldest first
    :param kernel: the machine to be hunted
    """
    found = {finding.name: finding for finding in filed}
    names = {key: finding.name for finding in filed for key in finding.keys(_ANY_NIGHT)}
    series, last = _series(kernel), dict[str, bool]()
    for night in nights:
        for key, finding in night.new.items():
            if key not in names:
                names[key] = finding.name
                found[finding.name] = finding
        if _series(f"qemu:{night.summary.kernel}") == series:
            last |= {names[key]: True for key in night.new} | dict.fromkeys(night.summary.known, True)
            last |= dict.fromkeys(night.summary.gone, False)
    return [
        replace(finding, again=last.get(name, series in map(_series, finding.machines)))
        for name, finding in found.items()
        if last.get(name) is not False
    ]


def _series(machine: str) -> str | None:
    """The series of a kernel; None for a model, and for a kernel that was built elsewhere."""
    if not machine.startswith("qemu:"):
        return None
    try:
        series = name_machine(machine).series
    except Misuse:
        return None
    return None if series is None else series_of(series)
