"""One meeting: a kernel against its model, or two kernels against each other, and what explains it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from pfnlab.checker.check import check
from pfnlab.checker.properties import questions
from pfnlab.checker.scope import load_scope
from pfnlab.errors import Misuse
from pfnlab.lab.kernels import Kernel
from pfnlab.meeting.explain import Explanation, explanations, explanations_between
from pfnlab.meeting.holding import Difference, Machine, Pair, hold_all
from pfnlab.meeting.titles import titles_between
from pfnlab.policies.changes import changes_between, source_of
from pfnlab.policies.known import Held, Known, known_versions, nearest
from pfnlab.policies.releases import RELEASES, series_of, version_key
from pfnlab.programs.model import ModelMachine
from pfnlab.programs.ops import Program


class Explained(msgspec.Struct, frozen=True):
    """A difference, and every way to explain it; none where nobody can."""

    difference: Difference
    explanations: tuple[Explanation, ...]


class Meeting(msgspec.Struct, frozen=True):
    """What came of it.

    :param machines: the two that were held against each other
    :param against: the version of the first: of the model, or of the other kernel
    :param held: by what was compared
    :param found: every difference
    :param titles: commits of stable releases between the two that touch the area
    :param verdicts: properties of ``check`` whose verdict changes with the explanations, each in words
    """

    machines: tuple[str, str]
    against: str
    version: str
    held: dict[str, Held]
    found: tuple[Explained, ...] = ()
    titles: tuple[str, ...] = ()
    verdicts: tuple[str, ...] = ()

    @property
    def unexplained(self) -> int:
        """How many differences nobody can explain."""
        return sum(not one.explanations for one in self.found)

    @property
    def programs(self) -> int:
        """How many programs both ran."""
        return sum(held.programs for held in self.held.values())

    @property
    def steps(self) -> int:
        """How many of their steps were compared; those of orders are among the others."""
        return sum(held.steps for name, held in self.held.items() if name != "orders")


def model_version(version: str) -> str:
    """The version whose model a kernel is held against: its own, where its series has a profile."""
    if series_of(version) in RELEASES:
        return version
    found = nearest(version)
    if found is None:
        raise Misuse(f"no kernel older than {version} is known: give --profile VERSION")
    return found


def meet(
    machine: Machine,
    version: str,
    litmus: Mapping[str, Program],
    *,
    profile: str | None = None,
    changelog: str | None = None,
    programs: int,
    seed: int,
    say: Callable[[str], None],
) -> Meeting:
    """Hold a kernel against the model of its exact version.

    :param version: the kernel's
    :param profile: the version of the model, where it is another
    :param changelog: of the kernel's package
    """
    model = profile or model_version(version)
    pair = Pair({f"model:{model}": ModelMachine(model), f"qemu:{version}": machine}, say)
    held = hold_all(pair, litmus, programs=programs, seed=seed)
    found = tuple(
        Explained(one, tuple(explanations(model, one.program, one.runs[1]))) for one in pair.differences
    )
    before = _known_before(version)
    titles = titles_between(changelog or "", before, version) if before else ()
    changes = _first_changes(found)
    names = tuple(pair.machines)
    return Meeting((names[0], names[1]), model, version, held, found, titles, tuple(verdicts(model, changes)))


def diff(
    machines: tuple[Machine, Machine],
    versions: tuple[str, str],
    litmus: Mapping[str, Program],
    *,
    changelog: str | None = None,
    programs: int,
    seed: int,
    say: Callable[[str], None],
) -> Meeting:
    """Hold two kernels against each other.

    :param versions: theirs; the changelog is the second one's
    """
    one, other = versions
    names = (f"qemu:{one}", f"qemu:{other}")
    pair = Pair(dict(zip(names, machines, strict=True)), say)
    held = hold_all(pair, litmus, programs=programs, seed=seed)
    models = model_version(one), model_version(other)
    found = tuple(
        Explained(each, tuple(explanations_between(*models, each.program, each.runs[1])))
        for each in pair.differences
    )
    changes = changes_between(*models)
    titles = titles_between(changelog or "", one, other)
    return Meeting(names, one, other, held, found, titles, tuple(verdicts(models[0], changes)))


def known_of(meeting: Meeting, kernel: Kernel, suite: str) -> Known:
    """The file of a kernel that was met.

    :raises Misuse: it differs from its model, so that it is not known yet
    """
    if meeting.found:
        raise Misuse(
            f"{meeting.version} differs from its model and does not become known: give a switch the point "
            "release that took the change over, until they are equal"
        )
    return Known(
        version=kernel.upstream,
        package=kernel.package,
        package_version=kernel.version,
        release=kernel.release,
        sha256=kernel.sha256,
        suite=suite,
        met=datetime.now(UTC).date().isoformat(),
        held=meeting.held,
        titles=meeting.titles,
    )


def verdicts(version: str, changes: Sequence[str]) -> list[str]:
    """The properties of scope ``small`` whose verdict changes with *changes* of a model, in words."""
    if not changes:
        return []
    scope = load_scope("small")
    asked = questions([], scope)
    before, after = (
        {answer.name: answer.verdict for answer in check(ModelMachine(spec), scope, asked).answers}
        for spec in (version, ",".join((version, *changes)))
    )
    return [
        f"{name}: {before[name]} on model:{version}, {after[name]} with {', '.join(changes)}"
        for name in before
        if before[name] != after[name]
    ]


def switches_between(one: str, other: str) -> list[str]:
    """What distinguishes two models, each with its source."""
    return [f"{change}: {source_of(change, other)}" for change in changes_between(one, other)]


def _first_changes(found: Sequence[Explained]) -> list[str]:
    firsts = (one.explanations[0].changes for one in found if one.explanations)
    return list(dict.fromkeys(change for changes in firsts for change in changes))


def _known_before(version: str) -> str | None:
    """The newest known version before *version* in its series."""
    at = version_key(version)
    same = [one for one in known_versions() if series_of(one) == series_of(version) and version_key(one) < at]
    return same[-1] if same else None
