"""One trial: a kernel compared with the model that should describe it, and the model's answer to the idea."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pfnlab.errors import LostGuest, Misuse, Undecided
from pfnlab.fuzz.call_kinds import Vocabulary
from pfnlab.lab.building.patch_file import PatchFile
from pfnlab.meeting.explain import Explanation, explanations
from pfnlab.meeting.holding import NO_LOOKS, SEED, KernelDifference, Pair, hold_all
from pfnlab.meeting.meet import verdicts
from pfnlab.meeting.shown import ShownDifference
from pfnlab.mm.configuration import Configuration
from pfnlab.policies.known_kernels import HeldCount, programs_in, steps_in
from pfnlab.policies.own import is_path
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Run
from pfnlab.progress import UNCOUNTED, PartCount
from pfnlab.result import Made, Outcome, Result
from pfnlab.units import number_of

#: The number of random programs, unless the user names another.
PROGRAMS = 200

#: Random programs on two models, to say what a policy changes.
_OF_MODELS = 60

_CHANGE = re.compile(r"\w+=[^\s,=]+")

#: The program that a kernel has to survive before anything is compared with it.
_ALIVE = "pfnlab program 1\ndevice bar: pci, 1 page\n\na = mmap anon[0:1] private rw\n"


_Word = Literal["equal", "differs", "undecided"]

#: The words for the outcome of a trial.
_WORDS: dict[Outcome, _Word] = {
    Outcome.AS_EXPECTED: "equal",
    Outcome.DISCOVERY: "differs",
    Outcome.UNDECIDED: "undecided",
}


class TriedCause(msgspec.Struct, frozen=True):
    """Differences of one cause, that with the shortest program first.

    :param explanation: the change of the model with which it does the same, where there is one
    """

    differences: tuple[KernelDifference, ...]
    explanation: Explanation | None = None


class Trial(msgspec.Struct, frozen=True):
    """The result of a trial.

    :param like: the version whose model describes the kernel
    :param policies: changes of that model that the patch is said to make
    :param kernel: the kernel as it names itself
    :param held: the counts of each kind of programs that were compared
    :param causes: what the kernel does otherwise than the model
    :param unstable: differences that did not show again, each in words
    :param meant: what the policies change of the model
    :param verdicts: properties whose verdict the policies change, each in words
    """

    like: str
    policies: tuple[str, ...]
    kernel: str
    held: dict[str, HeldCount]
    seed: int
    causes: tuple[TriedCause, ...] = ()
    unstable: tuple[str, ...] = ()
    meant: tuple[TriedCause, ...] = ()
    verdicts: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """The name of the model that should describe the kernel."""
        return model_name(self.like, self.policies)

    @property
    def programs(self) -> int:
        """How many programs both ran."""
        return programs_in(self.held)

    @property
    def steps(self) -> int:
        """How many of their steps were compared."""
        return steps_in(self.held)

    @property
    def undecided(self) -> int:
        """How many programs one of the two has no answer for."""
        return sum(count.undecided for count in self.held.values())

    @property
    def outcome(self) -> Outcome:
        """A difference that did not show again decides nothing, and neither does nothing compared."""
        if self.causes:
            return Outcome.DISCOVERY
        return Outcome.UNDECIDED if self.unstable or not self.programs else Outcome.AS_EXPECTED


class ShownCause(msgspec.Struct, frozen=True):
    """Differences of one cause.

    :param differences: the differences of this cause, that with the shortest program first
    """

    differences: Annotated[tuple[ShownDifference, ...], Meta(min_length=1)]

    @classmethod
    def of(cls, cause: TriedCause) -> ShownCause:
        """What is shown of a cause."""
        explanations = () if cause.explanation is None else (cause.explanation,)
        return cls(tuple(ShownDifference.of(each, explanations) for each in cause.differences))


class TrialResult(Result, frozen=True, kw_only=True, tag="pfnlab-trial/1"):
    """The comparison of the kernel of a tree with a model.

    :param tree: the tree as the user named it
    :param built: what the kernel was built of, in a line
    :param kernel: the kernel as it names itself
    :param model: the model that should describe it
    :param policies: changes of the model that the patches are said to make
    :param patches: the titles of the patches
    :param seed: the seed of random programs
    :param word: ``differs``: something differs that is not meant
    :param says: the result in one sentence
    :param held: what was compared, by kind of program
    :param causes: what the kernel does otherwise than the model
    :param meant: what the policies change of the model
    :param verdicts: properties whose verdict the policies change
    :param unstable: differences that did not show again
    """

    tree: str
    built: str
    kernel: str
    model: str
    policies: tuple[str, ...]
    patches: tuple[str, ...]
    seed: int
    word: _Word = msgspec.field(name="outcome")
    says: str
    held: dict[str, HeldCount]
    causes: tuple[ShownCause, ...]
    meant: tuple[ShownCause, ...]
    verdicts: tuple[str, ...]
    unstable: tuple[str, ...]

    @classmethod
    def of(cls, trial: Trial, tree: str, built: str, patches: Sequence[PatchFile]) -> TrialResult:
        """The result of a trial."""
        return cls(
            made=Made.now(),
            tree=tree,
            built=built,
            kernel=trial.kernel,
            model=trial.model,
            policies=trial.policies,
            patches=tuple(titles_of(patches)),
            seed=trial.seed,
            word=_WORDS[trial.outcome],
            says=headline(trial),
            held=trial.held,
            causes=tuple(map(ShownCause.of, trial.causes)),
            meant=tuple(map(ShownCause.of, trial.meant)),
            verdicts=trial.verdicts,
            unstable=trial.unstable,
        )

    @property
    def outcome(self) -> Outcome:
        """The outcome of the trial."""
        return next(outcome for outcome, word in _WORDS.items() if word == self.word)


def headline(trial: Trial) -> str:
    """The result in one sentence."""
    amount = f"{number_of(trial.programs, 'program')}, {number_of(trial.steps, 'step')}"
    if trial.outcome is Outcome.DISCOVERY:
        count = sum(len(cause.differences) for cause in trial.causes)
        return f"{number_of(len(trial.causes), 'cause')} of {number_of(count, 'difference')} in {amount}."
    if trial.outcome is Outcome.AS_EXPECTED:
        return f"No difference in {amount}."
    if not trial.programs:
        return "Nothing was compared."
    return f"Undecided: {number_of(len(trial.unstable), 'difference')} in {amount} did not show again."


def titles_of(patches: Sequence[PatchFile]) -> list[str]:
    """The title of each patch, with its file."""
    return [f"{patch.title or 'no title'} ({patch.path.name})" for patch in patches]


def model_name(like: str, policies: Sequence[str]) -> str:
    """The name of a model with changes: ``model:7.2,flush=end_vma``."""
    return ",".join((f"model:{like}", *policies))


def policies_of(patches: Sequence[PatchFile], said: Sequence[str]) -> tuple[str, ...]:
    """The changes of the model, as in a machine's name (``flush=end_vma``).

    :param said: those that the user has said, which count more than those of the patches
    :raises Misuse: one is no change, or two are about one seam
    """
    sources = [(f"--policy {change}", change) for change in said]
    if not said:
        sources = [
            (f"{patch.path}, Policy: {patch.policy}", patch.policy) for patch in patches if patch.policy
        ]
    changes: dict[str, str] = {}
    for source, text in sources:
        for change in text.split(","):
            if _CHANGE.fullmatch(change) is None:
                raise Misuse(f"{source}: write SEAM=POLICY, as flush=end_vma")
            if is_path(change) and not said:
                raise Misuse(f"{source}: it would be run: read that policy, then say --policy {text}")
            seam = change.partition("=")[0]
            if changes.setdefault(seam, change) != change:
                raise Misuse(f"two policies for {seam}: say with --policy which one describes the kernel")
    return tuple(changes.values())


def try_kernel(
    machine: Machine,
    like: str,
    litmus: Mapping[str, Program],
    *,
    policies: Sequence[str] = (),
    name: str = "kernel",
    programs: int = PROGRAMS,
    seed: int = SEED,
    looks: Mapping[str, LookLevel] = NO_LOOKS,
    say: Callable[[str], None] = lambda line: None,
    counted: PartCount = UNCOUNTED,
) -> Trial:
    """Compare a kernel with the model of *like* with *policies*, which gets the kernel's configuration.

    :param name: the kernel's in the report
    :param looks: how kernels were looked at for the goldens of programs, by name
    :param counted: counts the programs
    :raises Misuse: there is no such model
    :raises LostGuest: the kernel does not boot, or does not survive a program that maps a page
    """
    spec = model_name(like, policies)
    ModelMachine(spec.removeprefix("model:"))
    alive = _alive(machine)
    model = ModelMachine(spec.removeprefix("model:"), configuration=alive.configuration)
    pair = Pair({spec: model, f"qemu:{name}": machine}, say, counted=counted)
    held = hold_all(pair, litmus, programs=programs, seed=seed, looks=looks)
    causes = tuple(
        TriedCause(differences, None if policies else _explanation(like, differences[0]))
        for differences in pair.causes()
    )
    meant: tuple[TriedCause, ...] = ()
    if policies:
        say(f"what {', '.join(policies)} changes of the model")
        meant = _meant((f"model:{like}", spec), alive.configuration, litmus, seed)
    return Trial(
        *(like, tuple(policies), alive.kernel, held, seed, causes, tuple(pair.unstable), meant),
        tuple(verdicts(like, list(policies))),
    )


def _alive(machine: Machine) -> Run:
    """A run of a program that every kernel survives: it says what the kernel is and how it is configured.

    :raises LostGuest: it does not come so far
    :raises Undecided: something is missing here to see how far it comes
    """
    (run,) = machine.run([load_text(_ALIVE)])
    if run.lost is not None:
        said = (
            f": {run.alarm.title}" if run.alarm is not None and run.alarm.title not in run.lost.says else ""
        )
        raise LostGuest(f"the kernel does not come up: {run.lost}{said}")
    if run.undecided is not None:
        raise Undecided(f"the kernel cannot be asked: {run.undecided}", run.undecided.kind)
    return run


def _explanation(like: str, difference: KernelDifference) -> Explanation | None:
    found = explanations(like, difference.program, difference.runs[1])
    return found[0] if found else None


def _meant(
    specs: tuple[str, str], configuration: Configuration, litmus: Mapping[str, Program], seed: int
) -> tuple[TriedCause, ...]:
    """What the second of two models does otherwise than the first."""
    names = [spec.removeprefix("model:") for spec in specs]
    models = [ModelMachine(name, configuration=configuration) for name in names]
    pair = Pair(dict(zip(specs, models, strict=True)))
    pair.hold(litmus)
    pair.random(_OF_MODELS, seed, Vocabulary())
    return tuple(TriedCause(differences) for differences in pair.causes())
