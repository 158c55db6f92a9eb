"""One trial: a kernel held against the model that should describe it, and what the model says of the idea."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum

import msgspec

from pfnlab.errors import LostGuest, Misuse, Undecided
from pfnlab.fuzz.kinds import Vocabulary
from pfnlab.lab.building.patch_file import PatchFile
from pfnlab.meeting.explain import Explanation, explanations
from pfnlab.meeting.holding import NO_LOOKS, SEED, KernelDifference, Pair, hold_all
from pfnlab.meeting.meet import verdicts
from pfnlab.mm.configuration import Configuration
from pfnlab.policies.known import HeldCount, programs_in, steps_in
from pfnlab.policies.own import is_path
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Run
from pfnlab.progress import UNCOUNTED, PartCount

#: The number of random programs, unless the user names another.
PROGRAMS = 200

#: Random programs on two models, to say what a policy changes.
_OF_MODELS = 60

_CHANGE = re.compile(r"\w+=[^\s,=]+")

#: The program that a kernel has to survive before anything is held against it.
_ALIVE = "pfnlab program 1\ndevice bar: pci, 1 page\n\na = mmap anon[0:1] private rw\n"


class TrialOutcome(Enum):
    """The result of a trial; the value is the exit code, which fits ``git bisect run``."""

    EQUAL = 0
    DIFFERS = 1
    UNDECIDED = 125


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
    def outcome(self) -> TrialOutcome:
        """A difference that did not show again decides nothing, and neither does nothing compared."""
        if self.causes:
            return TrialOutcome.DIFFERS
        return TrialOutcome.UNDECIDED if self.unstable or not self.programs else TrialOutcome.EQUAL


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
    """Hold a kernel against the model of *like* with *policies*, which gets the kernel's configuration.

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
