"""A trial: a kernel compared with the model that should describe it, and the effects of its policies.

The kernel is built from a tree, now or earlier.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pfnlab.base.errors import LostGuest, Misuse, Undecided
from pfnlab.base.part_times import PartTimes
from pfnlab.base.progress import UNCOUNTED, PartCount
from pfnlab.base.result import ALWAYS, Made, Outcome, Result
from pfnlab.base.units import number_of
from pfnlab.checker.review.review_result import ReviewResult
from pfnlab.discussions.changed_claims import ClaimComparison, ask_claims
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.meeting.explain import Explanation, ShownDifference, explanations
from pfnlab.hunt.meeting.holding import KernelDifference, Pair, Programs, hold_all
from pfnlab.hunt.meeting.kernel_review import ReviewedMachine, kernel_review
from pfnlab.hunt.meeting.measured_costs import MeasuredCosts
from pfnlab.hunt.meeting.meet import verdicts
from pfnlab.kernel.mm.configuration import Configuration
from pfnlab.kernel.policies.known_kernels import HeldCount, programs_in, steps_in
from pfnlab.kernel.policies.own import is_path
from pfnlab.kernel.policies.releases import series_of
from pfnlab.lab.building.build import build
from pfnlab.lab.building.patch_file import PatchFile
from pfnlab.lab.images.bzimage import release_of
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Run

#: Number of random programs on two models, to find the effects of a policy.
_OF_MODELS = 60

_CHANGE = re.compile(r"[\w.]+=[^\s,=]+")

#: A kernel has to survive this program before it is compared.
_ALIVE = "pfnlab program 1\ndevice bar: pci, 1 page\n\na = mmap anon[0:1] private rw\n"


_Word = Literal["equal", "differs", "undecided"]

#: The words for the outcome of a trial.
_WORDS: dict[Outcome, _Word] = {
    Outcome.AS_EXPECTED: "equal",
    Outcome.DISCOVERY: "differs",
    Outcome.UNDECIDED: "undecided",
}


class ShownCause(msgspec.Struct, frozen=True):
    """Differences of one cause.

    :param differences: the differences of this cause, the one with the shortest program first
    """

    differences: Annotated[tuple[ShownDifference, ...], Meta(min_length=1)]

    @classmethod
    def of(cls, differences: Iterable[KernelDifference], explained: Sequence[Explanation] = ()) -> ShownCause:
        """The cause of *differences*, with the change of the model that has the same effect, if any."""
        return cls(tuple(ShownDifference.of(each, explained) for each in differences))


class TrialResult(Result, frozen=True, kw_only=True, tag="pfnlab-trial/1"):
    """The comparison of the kernel of a tree with a model.

    :param tree: the tree as the user named it
    :param built: the sources of the kernel, one line
    :param kernel: the kernel's own version string
    :param model: the model that should describe it
    :param policies: the changes of the model that the patches are to implement
    :param patches: the titles of the patches
    :param seed: the random seed
    :param word: ``differs``: there is an unintended difference
    :param says: the result in one sentence
    :param claims: the claims of the discussions on this kernel; null if not requested
    :param review: the review of the policies against the model without them; without policies, of the
        patched kernel against the kernel without the patches; null without patches
    :param held: the programs compared with the model, by kind; none if only kernels were compared
    :param causes: the differences of the kernel from the model
    :param meant: the effects of the policies on the model
    :param verdicts: properties whose verdict the policies change
    :param unstable: differences that could not be reproduced
    :param seconds: the elapsed seconds of each part, in order: ``review`` of a policy, ``unpack`` the source
        with its patches, ``configure``, ``build``, ``boot``, ``ask``, ``measure``; with two kernels, for both
    """

    tree: str
    built: str
    kernel: str
    model: str
    policies: Annotated[tuple[str, ...], ALWAYS] = ()
    patches: tuple[str, ...]
    seed: Annotated[int, ALWAYS] = 0
    word: _Word = msgspec.field(name="outcome")
    says: str
    held: Annotated[dict[str, HeldCount], ALWAYS] = msgspec.field(default_factory=dict)
    causes: Annotated[tuple[ShownCause, ...], ALWAYS] = ()
    meant: Annotated[tuple[ShownCause, ...], ALWAYS] = ()
    verdicts: Annotated[tuple[str, ...], ALWAYS] = ()
    unstable: Annotated[tuple[str, ...], ALWAYS] = ()
    claims: Annotated[ClaimComparison | None, ALWAYS] = None
    review: Annotated[ReviewResult | None, ALWAYS] = None
    seconds: Annotated[dict[str, float], ALWAYS] = msgspec.field(default_factory=dict)

    @property
    def outcome(self) -> Outcome:
        """The outcome of the trial."""
        return next(outcome for outcome, word in _WORDS.items() if word == self.word)


def _headline(held: Mapping[str, HeldCount], causes: Sequence[ShownCause], unstable: int) -> str:
    """The result in one sentence."""
    amount = f"{number_of(programs_in(held), 'program')}, {number_of(steps_in(held), 'step')}"
    if causes:
        count = sum(len(cause.differences) for cause in causes)
        return f"{number_of(len(causes), 'cause')} of {number_of(count, 'difference')} in {amount}."
    if not programs_in(held):
        return "Nothing was compared."
    if unstable:
        return f"Undecided: {number_of(unstable, 'difference')} in {amount} could not be reproduced."
    return f"No difference in {amount}."


def policies_of(patches: Sequence[PatchFile], own_changes: Sequence[str]) -> tuple[str, ...]:
    """The changes of the model, as in a machine's name (``flush=end_vma``).

    :param own_changes: changes given by the user, which override those of the patches
    :raises Misuse: if a text is not a change, or two concern one seam
    """
    sources = [(f"--policy {change}", change) for change in own_changes]
    if not own_changes:
        sources = [
            (f"{patch.path}, Policy: {patch.policy}", patch.policy) for patch in patches if patch.policy
        ]
    changes: dict[str, str] = {}
    for source, text in sources:
        for change in text.split(","):
            if _CHANGE.fullmatch(change) is None:
                raise Misuse(f"{source}: write SEAM=POLICY, e.g. flush=end_vma")
            if is_path(change) and not own_changes:
                raise Misuse(f"{source}: it would be run: read that policy, then say --policy {text}")
            seam = change.partition("=")[0]
            if changes.setdefault(seam, change) != change:
                raise Misuse(f"two policies for {seam}: say with --policy which one describes the kernel")
    return tuple(changes.values())


def try_kernel(
    machine: Machine,
    like: str,
    programs: Programs,
    *,
    tree: str,
    built: str,
    patches: Sequence[PatchFile] = (),
    policies: Sequence[str] = (),
    name: str = "kernel",
    claims: bool = False,
    review: ReviewResult | None = None,
    say: Callable[[str], None] = lambda line: None,
    counted: PartCount = UNCOUNTED,
) -> TrialResult:
    """Compare a kernel with the model of *like* with *policies*, configured like the kernel.

    A difference that could not be reproduced decides nothing, and neither does an empty comparison.

    :param built: the sources of the kernel, one line
    :param claims: also find the claims of the discussions whose answer changes
    :param review: the review of *policies*
    :raises Misuse: if there is no such model
    :raises LostGuest: if the kernel does not boot, or does not survive a program that maps a page
    """
    model = ",".join((like, *policies))
    ModelMachine(model)
    living = alive(machine)
    modelled = ModelMachine(model, configuration=living.configuration)
    claim_answers = None
    if claims:
        say("claims of the discussions")
        stock = ModelMachine(like, configuration=living.configuration)
        claim_answers = ask_claims(Pair({f"model:{like}": stock, f"qemu:{name}": machine}).runs, like)
    pair = Pair({f"model:{model}": modelled, f"qemu:{name}": machine}, say, counted=counted)
    held = hold_all(pair, programs)
    causes = tuple(
        ShownCause.of(cause, () if policies else explanations(like, cause[0].program, cause[0].runs[1])[:1])
        for cause in pair.causes()
    )
    meant: tuple[ShownCause, ...] = ()
    if policies:
        say(f"what {', '.join(policies)} changes of the model")
        meant = _policy_effects((like, model), living.configuration, programs)
    outcome = Outcome.UNDECIDED if pair.unstable or not programs_in(held) else Outcome.AS_EXPECTED
    return TrialResult(
        made=Made.now(),
        tree=tree,
        built=built,
        kernel=living.kernel,
        model=f"model:{model}",
        policies=tuple(policies),
        patches=_names(patches),
        seed=programs.seed,
        word=_WORDS[Outcome.DISCOVERY if causes else outcome],
        says=_headline(held, causes, len(pair.unstable)),
        held=held,
        causes=causes,
        meant=meant,
        verdicts=tuple(verdicts(like, list(policies))),
        unstable=tuple(pair.unstable),
        claims=claim_answers,
        review=review,
    )


def reviewed_patch(
    base: Machine,
    patched: Machine,
    like: str,
    *,
    seconds: float,
    tree: str,
    built: str,
    patches: Sequence[PatchFile],
    done: Callable[[int], None] = lambda programs: None,
) -> TrialResult:
    """Review patches without a policy: the same questions to the kernel with and without them.

    :param like: the version whose known violations apply to both
    :param seconds: the time after which no new programs are started
    :param built: the sources of the patched kernel, one line
    :raises LostGuest: if one of the kernels does not boot, or does not survive a program that maps a page
    """
    alive(base)
    living = alive(patched)
    series = series_of(like)
    found = kernel_review(
        ReviewedMachine(f"{tree} without the patch", base, series),
        ReviewedMachine(f"{tree} with the patch", patched, series),
        seconds=seconds,
        done=done,
    )
    if found.broken:
        names = ", ".join(one.name for one in found.broken)
        says = f"Newly broken: {names}{'' if found.complete else '; the core was cut, so there may be more'}."
    elif found.complete:
        says = "Nothing is newly broken."
    else:
        says = "Undecided, because the core was cut; so far nothing is newly broken."
    return TrialResult(
        made=Made.now(),
        tree=tree,
        built=built,
        kernel=living.kernel,
        model=f"model:{like}",
        patches=_names(patches),
        word=_WORDS[found.outcome],
        says=says,
        review=found,
    )


def with_costs(trial: TrialResult, measured: MeasuredCosts) -> TrialResult:
    """A trial whose review has the measured costs too."""
    assert trial.review is not None
    costs = (*trial.review.costs, *measured.costs)
    review = msgspec.structs.replace(trial.review, costs=costs, unmeasured=measured.unmeasured)
    return msgspec.structs.replace(trial, review=review)


def _names(patches: Sequence[PatchFile]) -> tuple[str, ...]:
    return tuple(
        f"{title} ({patch.path.name})" for patch in patches for title in patch.titles or ("no title",)
    )


def alive(machine: Machine) -> Run:
    """The run of a program that every kernel survives: it reports the kernel and its configuration.

    :raises LostGuest: if the kernel does not finish it
    :raises Undecided: if this machine lacks something needed to run it
    """
    (run,) = machine.run([load_text(_ALIVE)])
    if run.lost is not None:
        said = f": {run.alarm.title}" if run.alarm is not None and run.alarm.title not in run.lost else ""
        raise LostGuest(f"the kernel does not come up: {run.lost}{said}")
    if run.undecided is not None:
        raise Undecided(f"the kernel cannot be asked: {run.undecided}", run.why)
    return run


def _policy_effects(
    models: tuple[str, str], configuration: Configuration, programs: Programs
) -> tuple[ShownCause, ...]:
    """The differences of the second of two models from the first, by cause."""
    pair = Pair({f"model:{model}": ModelMachine(model, configuration=configuration) for model in models})
    pair.hold(programs.litmus)
    pair.random(_OF_MODELS, programs.seed, Vocabulary())
    return tuple(map(ShownCause.of, pair.causes()))


class TriedKernel(msgspec.Struct, frozen=True):
    """A kernel that can be booted.

    :param kernel: an argument of :class:`~pfnlab.lab.running.machine.QemuMachine`: an image or a file
    :param says: its sources
    """

    kernel: KernelImage | Path
    says: str


def kernel_of_tree(
    tree: Path,
    patches: Sequence[Path],
    configuration: Sequence[str],
    like: str,
    say: Callable[[str], None],
    parts: PartTimes,
) -> TriedKernel:
    """The kernel of *tree* with *patches* on top, built as ``pfnlab kernels build`` does.

    The tree is not written to. A file is a kernel that is already built.

    :param configuration: packaged names or files
    :param like: the version whose model describes the kernel
    :param parts: gets the times of :func:`~pfnlab.lab.building.build.build`
    :raises Misuse: if *tree* is neither a tree nor a kernel, a patch is not one, or a file gets patches
    :raises Undecided: if it cannot be built: a patch does not apply, the compiler fails, an option is missing
    """
    if tree.is_file():
        if patches:
            raise Misuse(f"{tree} is built already: a patch needs the tree it belongs to")
        return TriedKernel(tree, f"{release_of(tree)}, {tree}")
    kernel = build(str(tree), patches, configuration, series=series_of(like), say=say, parts=parts)
    says = f"{kernel.version} of {kernel.source}, configuration {kernel.configuration}"
    return TriedKernel(kernel.image, says)
