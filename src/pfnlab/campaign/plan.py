"""A plan: what a campaign runs, and its bounds. It is cut into shards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from pfnlab.campaign.catalogue_work import CatalogueWork
from pfnlab.campaign.check_work import CheckWork
from pfnlab.campaign.fuzz_work import FuzzWork
from pfnlab.campaign.meet_work import MeetWork
from pfnlab.campaign.shard import Shard
from pfnlab.campaign.work import FILES, files_of
from pfnlab.checker.kernel.scope import load_scope, scope_names
from pfnlab.fuzz.kinds import Vocabulary
from pfnlab.lab.machines import name_machine
from pfnlab.meeting.holding import PROGRAMS, SEED
from pfnlab.policies import SEAM_OF
from pfnlab.programs.lang.printer import format_program
from pfnlab.programs.library import load_found, long_name, program_paths
from pfnlab.store.rows import DISCOVERIES

#: Every verdict that a result may have.
VERDICTS = (*DISCOVERIES, "agrees", "holds", "undecided", "unstable", "complete")


class LimitsTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[limits]``: of one shard.

    :param seconds: of one attempt
    :param tries: attempts that may fail before the shard is isolated
    :param lost: attempts that may be lost before it is
    """

    seconds: float = 3600.0
    tries: int = 3
    lost: int = 20


class BudgetTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[budget]``: of the whole campaign; None for no bound.

    :param seconds: begin no shard after so many seconds of one ``run`` or ``resume``
    :param programs: leave out the shards behind the one that reaches so many programs
    """

    seconds: float | None = None
    programs: int | None = None


class CountTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[count]``: what counts as a discovery.

    :param verdicts: the verdicts that do
    """

    verdicts: tuple[str, ...] = DISCOVERIES


class FuzzTable(Vocabulary, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[[fuzz]]``: random programs on machines, with the keys of a vocabulary.

    :param machines: lists of machines that are held against each other
    :param seed: of the first shard; each other one has the next
    :param look: as for ``pfnlab fuzz``; empty for the usual one
    """

    machines: tuple[tuple[str, ...], ...]
    seed: int = 0
    programs: int = 500
    programs_per_shard: int = 500
    look: str = ""
    coverage: bool = False

    @property
    def vocabulary(self) -> Vocabulary:
        """The operations that programs may have."""
        return Vocabulary(*(getattr(self, field) for field in Vocabulary.__struct_fields__))

    def works(self) -> Iterator[tuple[int, FuzzWork]]:
        """The work of each shard, and how many programs it is."""
        for machines in self.machines:
            for number, first in enumerate(range(0, self.programs, self.programs_per_shard)):
                programs = min(self.programs_per_shard, self.programs - first)
                yield (
                    programs,
                    FuzzWork(
                        machines=machines,
                        seed=self.seed + number,
                        programs=programs,
                        vocabulary=self.vocabulary,
                        look=self.look,
                        coverage=self.coverage,
                    ),
                )


class CheckTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[[check]]``: scopes on models, each with each policy.

    :param policies: ``trackers``, ``flushes/tlb_end_vma`` ...; the models as they are where there is none
    """

    machines: tuple[str, ...]
    scopes: tuple[str, ...] = ("small",)
    policies: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    depth: int | None = None
    states: int | None = None

    def works(self) -> Iterator[tuple[int, CheckWork]]:
        """The work of each shard; it is no program."""
        changes = [change for policy in self.policies for change in changes_of(policy)] or [""]
        for machine in self.machines:
            for change in dict.fromkeys(changes):
                for scope in self.scopes:
                    yield (
                        0,
                        CheckWork(
                            machine=machine + change,
                            scope=scope,
                            text=_scope_text(scope),
                            properties=self.properties,
                            depth=self.depth,
                            states=self.states,
                        ),
                    )


class CatalogueTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[[catalogue]]``: programs on machines, side by side.

    :param machines: lists of machines that run side by side
    :param programs: names, folders, patterns and files, as for ``pfnlab run``
    """

    machines: tuple[tuple[str, ...], ...]
    programs: tuple[str, ...] = ("*",)
    programs_per_shard: int = 50
    look: str = ""

    def works(self) -> Iterator[tuple[int, CatalogueWork]]:
        """The work of each shard, and how many programs it is."""
        paths = program_paths(self.programs)
        texts = {long_name(path): format_program(load_found(path)) for path in paths}
        names = list(texts)
        for machines in self.machines:
            for first in range(0, len(names), self.programs_per_shard):
                chosen = names[first : first + self.programs_per_shard]
                programs = {name: texts[name] for name in chosen}
                work = CatalogueWork(machines=machines, programs=programs, look=self.look)
                yield len(chosen) * len(machines), work


class MeetTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[[meet]]``: kernels, each held against the model of its version.

    :param kernels: versions, bzImage files, or names of kernels that were built here
    :param programs: how many random programs for each
    """

    kernels: tuple[str, ...]
    profile: str = ""
    programs: int = PROGRAMS
    seed: int = SEED

    def works(self) -> Iterator[tuple[int, MeetWork]]:
        """The work of each shard, and how many random programs it is."""
        for kernel in self.kernels:
            work = MeetWork(kernel=kernel, profile=self.profile, programs=self.programs, seed=self.seed)
            yield self.programs, work


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a campaign runs: the content of its file.

    :param form: the version of the form of the file
    :param name: the campaign's, by which a store knows it
    :param says: what it is for, a sentence
    """

    form: int
    name: str
    says: str = ""
    limits: LimitsTable = LimitsTable()
    budget: BudgetTable = BudgetTable()
    count: CountTable = CountTable()
    fuzz: tuple[FuzzTable, ...] = ()
    check: tuple[CheckTable, ...] = ()
    catalogue: tuple[CatalogueTable, ...] = ()
    meet: tuple[MeetTable, ...] = ()

    def shards(self) -> list[Shard]:
        """The shards, in the order in which they begin; each once, and none behind the budget of programs.

        :raises Misuse: there is no such scope or program
        """
        found: dict[str, Shard] = {}
        programs = 0
        for task, tables in (
            ("check", self.check),
            ("fuzz", self.fuzz),
            ("catalogue", self.catalogue),
            ("meet", self.meet),
        ):
            for table in tables:
                for count, work in table.works():
                    if count and self.budget.programs is not None and programs >= self.budget.programs:
                        continue
                    programs += count
                    shard = _shard(task, work, self.limits.seconds)
                    found.setdefault(shard.key, shard)
        return list(found.values())


def changes_of(policy: str) -> list[str]:
    """What stands behind a model's name for the policies that *policy* names: ``,tracker=exact``.

    :param policy: ``all``, a folder (``trackers``), or a policy of it (``trackers/exact``)
    :raises KeyError: there is none
    """
    # It counts what policies do when it is imported.
    from pfnlab.report.policies_matrix import POLICIES

    folder, slash, name = policy.partition("/")
    if policy == "all":
        return [change for seam in SEAM_OF for change in changes_of(seam)]
    seam = SEAM_OF[folder]
    names = next(names for known, names in POLICIES.items() if known == seam)
    if slash and name not in names:
        raise KeyError(name)
    return [f",{seam}={one}" for one in ([name] if slash else names)]


def _shard(task: str, work: Any, seconds: float) -> Shard:
    content: dict[str, Any] = msgspec.to_builtins(work)
    machines = [*getattr(work, "machines", ()), *filter(None, [getattr(work, "machine", "")])]
    kernel = getattr(work, "kernel", None)
    needs_qemu = kernel is not None or any(name_machine(spec).kind == "qemu" for spec in machines)
    files = files_of([*machines, *([f"qemu:{kernel}"] if kernel else [])])
    if files:
        content[FILES] = files
    return Shard(task=task, work=content, seconds=seconds, needs_qemu=needs_qemu)


def _scope_text(name: str) -> str:
    """The content of the file of a scope; empty for one that pfnlab knows."""
    if name in scope_names():
        return ""
    from pathlib import Path

    from pfnlab.files import read_text

    load_scope(name)
    return read_text(Path(name), "scope")
