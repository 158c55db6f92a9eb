"""A plan: the work of a campaign and its bounds, to be split into shards.

The content of programs and scopes next to the plan's file becomes part of the work, so workers elsewhere need
no file, and a changed file means different work.
"""

from collections.abc import Iterator, Sequence
from functools import cache
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pfnlab.base.errors import Misuse
from pfnlab.campaign.fuzz_work import FuzzWork, SweepWork
from pfnlab.campaign.plan_files import PlanFiles
from pfnlab.campaign.review_work import ReviewWork
from pfnlab.campaign.store.rows import DISCOVERIES, Seconds, Shard
from pfnlab.campaign.work import FILES, CatalogueWork, CheckWork, MeetWork, files_of
from pfnlab.checker.review.designs import models_reviewed
from pfnlab.checker.review.kept_answers import plan_digest
from pfnlab.checker.review.review import plan as review_plan
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.filing import KnownFinding
from pfnlab.hunt.fuzz.rounds import compared_together
from pfnlab.hunt.meeting.holding import PROGRAMS, SEED
from pfnlab.hunt.meeting.meet import model_version
from pfnlab.hunt.sweep.swept_cells import ALL, cells_digest, cells_of
from pfnlab.kernel.policies import SEAM_OF
from pfnlab.kernel.policies.seams import policy_names
from pfnlab.programs.runs.named_machines import name_machine

#: The maximum number of shards in a campaign: each is a row in the store, and a line in the status.
MOST_SHARDS = 100_000

#: A number of attempts, programs or states.
Tries = Annotated[int, Meta(ge=1, le=1_000_000)]
Count = Annotated[int, Meta(ge=1, le=1_000_000_000_000)]

#: A seed as other tools read it from a JSON number; each shard uses the next one.
Seed = Annotated[int, Meta(ge=-(1 << 53), le=1 << 53)]

#: The number of operations in a row; 0 for any number.
Depth = Annotated[int, Meta(ge=0, le=1_000_000)]

_HERE = Path()


class LimitsTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[limits]`` for one shard.

    :param seconds: time limit for one attempt
    :param tries: how many attempts may fail before the shard is isolated
    :param lost: how many attempts may be lost before the shard is isolated
    """

    seconds: Seconds = 3600.0
    tries: Tries = 3
    lost: Tries = 20


class BudgetTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[budget]`` for the whole campaign; None for no bound.

    :param seconds: start no shard after this time in one ``run`` or ``resume``
    :param programs: leave out all shards after the one that reaches this number of programs
    """

    seconds: Seconds | None = None
    programs: Count | None = None


class CountTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[count]``: the verdicts that count as a discovery.

    :param verdicts: these verdicts
    """

    verdicts: tuple[str, ...] = DISCOVERIES


class FuzzTable(Vocabulary, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[[fuzz]]``: random programs on machines; its keys include those of a vocabulary.

    :param machines: lists of machines to compare
    :param seed: the seed for the first shard; each later shard has the next one
    :param look: as for ``pfnlab fuzz``; empty for the default
    """

    machines: tuple[tuple[str, ...], ...]
    seed: Seed = 0
    programs: Count = 500
    programs_per_shard: Count = 500
    look: str = ""

    @property
    def vocabulary(self) -> Vocabulary:
        """The operations that programs may contain."""
        return Vocabulary(*(getattr(self, field) for field in Vocabulary.__struct_fields__))

    def works(self, files: PlanFiles) -> Iterator[tuple[int, FuzzWork]]:
        """The work of each shard, with its number of programs."""
        how: dict[str, Any] = {"vocabulary": self.vocabulary, "look": self.look}
        for machines in self.machines:
            for number, first in enumerate(range(0, self.programs, self.programs_per_shard)):
                programs = min(self.programs_per_shard, self.programs - first)
                yield programs, FuzzWork(machines=machines, seed=self.seed + number, programs=programs, **how)


class CheckTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[[check]]``: scopes on models, each with every policy.

    :param policies: e.g. ``trackers`` or ``flushes/tlb_end_vma``; empty for the unchanged models
    """

    machines: tuple[str, ...]
    scopes: tuple[str, ...] = ("small",)
    policies: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    depth: Depth | None = None
    states: Count | None = None

    def works(self, files: PlanFiles) -> Iterator[tuple[int, CheckWork]]:
        """The work of each shard; there are no programs in it."""
        changes = [change for policy in self.policies for change in changes_of(policy)] or [""]
        texts = {scope: files.scope_text(scope) for scope in self.scopes}
        how: dict[str, Any] = {"properties": self.properties, "depth": self.depth, "states": self.states}
        for machine, change in product(self.machines, dict.fromkeys(changes)):
            for scope, text in texts.items():
                yield 0, CheckWork(machine=machine + change, scope=scope, text=text, **how)


class CatalogueTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[[catalogue]]``: programs on machines, side by side.

    :param machines: lists of machines that run side by side
    :param programs: names, folders, patterns and files, as for ``pfnlab run``; empty for all programs
        that come with pfnlab
    """

    machines: tuple[tuple[str, ...], ...]
    programs: tuple[str, ...] = ()
    programs_per_shard: Count = 50
    look: str = ""

    def works(self, files: PlanFiles) -> Iterator[tuple[int, CatalogueWork]]:
        """The work of each shard, with its number of programs."""
        texts = files.programs(self.programs)
        names = list(texts)
        for machines in self.machines:
            for first in range(0, len(names), self.programs_per_shard):
                chosen = names[first : first + self.programs_per_shard]
                programs = {name: texts[name] for name in chosen}
                work = CatalogueWork(machines=machines, programs=programs, look=self.look)
                yield len(chosen) * len(machines), work


class MeetTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[[meet]]``: kernels, each compared with the model of its version.

    :param kernels: versions, bzImage files, or names of locally built kernels
    :param programs: how many random programs to run for each
    """

    kernels: tuple[str, ...]
    profile: str = ""
    programs: Count = PROGRAMS
    seed: Seed = SEED

    def works(self, files: PlanFiles) -> Iterator[tuple[int, MeetWork]]:
        """The work of each shard, with its number of random programs."""
        for kernel in self.kernels:
            work = MeetWork(kernel=kernel, profile=self.profile, programs=self.programs, seed=self.seed)
            yield self.programs, work


class SweepTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[[sweep]]``: the cells of scopes on machines.

    :param machines: lists of machines to compare; a kernel on its own is compared with
        the model of its series
    :param look: as for ``pfnlab fuzz --enumerate``; empty for the default
    """

    machines: tuple[tuple[str, ...], ...]
    scopes: tuple[str, ...] = (ALL,)
    cells_per_shard: Count = 500
    look: str = ""

    def works(self, files: PlanFiles) -> Iterator[tuple[int, SweepWork]]:
        """The work of each shard, with its number of programs."""
        for machines in (group for named in self.machines for group in compared_together(named)):
            for scope in self.scopes:
                count = len(cells_of(scope))
                for first in range(0, count, self.cells_per_shard):
                    end = min(first + self.cells_per_shard, count)
                    cells: dict[str, Any] = {"cells": cells_digest(scope), "first": first, "end": end}
                    work = SweepWork(machines=tuple(machines), scope=scope, look=self.look, **cells)
                    yield end - first, work


class ReviewTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[[review]]``: reviews of designs, each against every base.

    :param designs: as for ``pfnlab review``
    :param bases: models
    :param core: whether to ask only the core questions
    """

    designs: tuple[str, ...]
    bases: tuple[str, ...]
    core: bool = False
    pieces_per_shard: Count = 100

    def works(self, files: PlanFiles) -> Iterator[tuple[int, ReviewWork]]:
        """The work of each shard; there are no programs in it."""
        pieces = review_plan()
        digest = plan_digest(pieces)
        count = sum(piece.core for piece in pieces) if self.core else len(pieces)
        for base, design in product(self.bases, self.designs):
            machines = models_reviewed(design, base)
            for first in range(0, count, self.pieces_per_shard):
                end = min(first + self.pieces_per_shard, count)
                yield 0, ReviewWork(machines=machines, plan=digest, first=first, end=end)


#: As ``[nightly]`` ``kernel``, the next kernel of the archive; in the name of a machine, that night's kernel.
NEXT, TONIGHT = "next", "tonight"

#: The maximum number of known programs that a shard runs again.
_AGAIN = 10


class NightlyTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``[nightly]``: every day is a separate campaign (:mod:`pfnlab.campaign.night`).

    :param kernel: the kernel of the night; in the plan of one night it has been chosen
    :param known: folders of findings that are known before the first night
    """

    kernel: str = NEXT
    known: tuple[str, ...] = ()

    @property
    def machines(self) -> tuple[str, str]:
        """The kernel of one night, after its model."""
        series = name_machine(f"qemu:{self.kernel}").series
        return f"model:{model_version(series or self.kernel)}", f"qemu:{self.kernel}"


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The content of a campaign's file: the campaign's work and its bounds.

    :param form: the file's format version
    :param name: the campaign's name in a store
    :param says: its purpose, in one sentence
    :param nightly: None if every run of the campaign is the same work
    """

    form: int
    name: str
    says: str = ""
    limits: LimitsTable = LimitsTable()
    budget: BudgetTable = BudgetTable()
    count: CountTable = CountTable()
    nightly: NightlyTable | None = None
    fuzz: tuple[FuzzTable, ...] = ()
    check: tuple[CheckTable, ...] = ()
    catalogue: tuple[CatalogueTable, ...] = ()
    meet: tuple[MeetTable, ...] = ()
    sweep: tuple[SweepTable, ...] = ()
    review: tuple[ReviewTable, ...] = ()

    def shards(self, folder: Path = _HERE, known: Sequence[KnownFinding] = ()) -> list[Shard]:
        """The shards in the order in which they start, each once, up to the budget of programs.

        :param known: for one night, the findings known before it
        :raises Misuse: if there is no such scope or program, or there are more than :data:`MOST_SHARDS`
        """
        plan_files = PlanFiles(folder)
        # Checked before the shards are made, which takes longer than counting them.
        self.check_number(plan_files)
        found: dict[str, Shard] = {}
        of_machines = cache(_of_machines)
        for task, work in self._works(plan_files, known):
            needs_qemu, files = of_machines(_machines(work))
            content: dict[str, Any] = msgspec.to_builtins(work)
            if files:
                content[FILES] = files
            how: dict[str, Any] = {"seconds": self.limits.seconds, "needs_qemu": needs_qemu}
            shard = Shard(number=len(found), task=task, work=content, **how)
            found.setdefault(shard.digest, shard)
        return list(found.values())

    def check_number(self, files: PlanFiles) -> None:
        """Check the number of shards.

        :raises Misuse: if there are more than :data:`MOST_SHARDS`
        """
        if any(number == MOST_SHARDS for number, _ in enumerate(self._works(files))):
            raise Misuse(f"these are more than {MOST_SHARDS:,} shards: raise programs_per_shard")

    def _works(self, files: PlanFiles, known: Sequence[KnownFinding] = ()) -> Iterator[tuple[str, Any]]:
        """The work of each shard within the budget of programs, with its task."""
        programs = 0
        if self.nightly is not None:
            # A kernel is compared with its model before it is hunted.
            yield from (("meet", work) for table in self.meet for _, work in table.works(files))
            again = [finding for finding in known if finding.again]
            for first in range(0, len(again), _AGAIN):
                some = tuple(again[first : first + _AGAIN])
                machines = self.nightly.machines
                yield "fuzz", FuzzWork(machines=machines, seed=0, programs=0, known=some, again=True)
        for task in ("check", "fuzz", "catalogue", "meet", "sweep", "review"):
            for table in getattr(self, task):
                for count, work in table.works(files):
                    if count and self.budget.programs is not None and programs >= self.budget.programs:
                        # All later work in this table consists of programs too.
                        break
                    programs += count
                    if known and isinstance(work, FuzzWork):
                        work = msgspec.structs.replace(work, known=tuple(known))
                    yield task, work


def changes_of(policy: str) -> list[str]:
    """The changes to a model's name for the policies that *policy* selects, e.g. ``,tracker=exact``.

    :param policy: ``all``, a folder (``trackers``), or a policy in it (``trackers/exact``)
    :raises Misuse: if there is no such policy
    """
    folder, slash, name = policy.partition("/")
    if policy == "all":
        return [change for seam in SEAM_OF for change in changes_of(seam)]
    names = policy_names(seam) if (seam := SEAM_OF.get(folder)) else ()
    if seam is None or (slash and name not in names):
        folders = ", ".join(f'"{known}"' for known in SEAM_OF)
        raise Misuse(f'there is no policy {name or folder!r}: write {folders}, "trackers/exact" or "all"')
    return [f",{seam}={one}" for one in ([name] if slash else names)]


def _machines(
    work: CheckWork | FuzzWork | CatalogueWork | MeetWork | SweepWork | ReviewWork,
) -> tuple[str, ...]:
    if isinstance(work, CheckWork):
        return (work.machine,)
    return (f"qemu:{work.kernel}",) if isinstance(work, MeetWork) else work.machines


def _of_machines(machines: tuple[str, ...]) -> tuple[bool, dict[str, str]]:
    """True if any of *machines* is booted; also the digests of the files of all machines."""
    return any(spec.startswith("qemu:") for spec in machines), files_of(machines)
