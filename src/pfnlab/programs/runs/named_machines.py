"""Machines by the names users write: ``model:7.2``, ``qemu:6.1``, ``qemu:arch/x86/boot/bzImage``."""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import msgspec

from pfnlab.base.errors import Defect, Misuse
from pfnlab.base.progress import working
from pfnlab.base.spelling import nearest
from pfnlab.base.units import number_of
from pfnlab.kernel.policies.releases import is_version, series_key
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Accel, Machine, ObservableMachine, run_telling
from pfnlab.programs.runs.observation import Run

#: The forms that a name can have, for messages.
FORMS = (
    "model:VERSION (model:7.2, model:6.1.176), model:VERSION,SEAM=POLICY, model:VERSION,SEAM.PLACE=POLICY, "
    "model:VERSION,without=COMMIT, model:VERSION,config=FILE, qemu:VERSION (qemu:6.1, qemu:6.12.107), "
    "qemu:BZIMAGE, or model:NAME and qemu:NAME of a kernel that `pfnlab kernels build` made; "
    "behind a kernel its guests' hardware: qemu:7.2,cpus=4"
)

#: The kinds of machines by name prefix, each with the module of its :class:`MachineKind`. The module is
#: imported when a machine of that kind is named: models need no lab, and the lab may import this module.
KINDS = {"model": "pfnlab.programs.model.model_machine:KIND", "qemu": "pfnlab.lab.running.named_kernel:KIND"}


class NamedMachine(msgspec.Struct, frozen=True):
    """A machine as the user named it.

    :param series: the series or exact version of its kernel, real or modelled; None if the
        kernel has no description
    :param stock: the kernel is a distribution's
    :param built: the kernel was built here, and given a name
    """

    spec: str
    series: str | None
    stock: bool
    built: bool = False

    @property
    def kind(self) -> str:
        """``model`` or ``qemu``."""
        return self.spec.partition(":")[0]

    @property
    def model(self) -> str | None:
        """The model for the machine; for a kernel built here, the model with the same configuration."""
        if self.series is None:
            return None
        return f"model:{self.kernel if self.built else self.series}"

    @property
    def rest(self) -> str:
        """The name after the kind."""
        return self.spec.partition(":")[2]

    @property
    def kernel(self) -> str:
        """The name of the kernel to boot, without the guest hardware."""
        return kernel_and_words(self.rest)[0]

    @property
    def words(self) -> list[str]:
        """The words after the kernel's name, which describe the guest hardware."""
        return kernel_and_words(self.rest)[1]

    @property
    def is_usual(self) -> bool:
        """True if it is a stock kernel in default guests, so that goldens may be made from it."""
        return self.stock and not self.words


class MachineKind(NamedTuple):
    """A kind of machine, listed in :data:`KINDS`.

    :ivar read: reads a whole name, given the series that a kernel file should behave like
    :ivar open: opens a machine; takes the same arguments as :func:`open_machine`
    :ivar fetch: fetches whatever is missing for machines with these names, and reports each new item
    :ivar modelled: for the name of a machine built here, returns its model in words that models accept; None
        if this kind has no machine with that name
    """

    read: Callable[[str, str | None], NamedMachine]
    open: Callable[[NamedMachine, Accel, LookLevel, int | None, bool], Machine]
    fetch: Callable[[Sequence[NamedMachine]], None] = lambda machines: None
    modelled: Callable[[str], str | None] = lambda name: None


def kind_of(prefix: str) -> MachineKind:
    """The kind of machine whose names start with *prefix*.

    :raises KeyError: if there is no such kind
    """
    module, _, name = KINDS[prefix].partition(":")
    kind: MachineKind = getattr(import_module(module), name)
    return kind


def name_machine(spec: str, profile: str | None = None) -> NamedMachine:
    """Read a machine name without starting anything.

    :param profile: the series that a kernel file should behave like
    :raises Misuse: if it is not a machine name; the message suggests a correction
    """
    spec = full_name(spec)
    kind, colon, rest = spec.partition(":")
    if not colon or kind not in KINDS:
        raise Misuse(f"there is no machine {spec!r}: {_guess(spec)}write {FORMS}")
    if not rest:
        raise Misuse(f"machine {spec!r} is incomplete: write {FORMS}")
    return kind_of(kind).read(spec, profile)


def full_name(spec: str) -> str:
    """*spec* with its kind: a version alone, also with changes, is a model: ``7.3,flush=none``."""
    return f"model:{spec}" if is_version(spec.partition(",")[0]) else spec


def files_named(specs: Iterable[str]) -> list[str]:
    """The files that machine names contain: policies, configurations, kernels.

    Other parts of names, e.g. a profile or a policy's name, are left out.
    """
    parts = (part for spec in specs for part in spec.split(","))
    values = (part.partition("=" if "=" in part else ":")[2] for part in parts)
    return [value for value in dict.fromkeys(values) if is_file(value)]


def model_text(rest: str) -> str:
    """The model name *rest* in words that `ModelMachine` accepts.

    The name of a kernel built here is replaced by its version and its configuration; any
    words after it are kept.

    :param rest: a model's name after ``model:``
    """
    name, comma, changes = rest.partition(",")
    if is_version(name):
        return rest
    for prefix in KINDS:
        modelled = kind_of(prefix).modelled(name)
        if modelled is not None:
            return f"{modelled}{comma}{changes}"
    return rest


def kernel_and_words(rest: str) -> tuple[str, list[str]]:
    """Split a name without its kind into the kernel and the other words; file names may contain commas."""
    if is_file(rest):
        return rest, []
    kernel, *words = rest.split(",")
    return kernel, words


def name_machines(specs: Iterable[str], profile: str | None = None) -> list[NamedMachine]:
    """Read the names of machines that are used together, without starting anything.

    :param profile: the series that a user's own kernel among them should behave like
    :raises Misuse: if a name is not a machine name, if no profile describes that series, or if none of the
        machines is a user's kernel
    """
    machines = [name_machine(spec, profile) for spec in specs]
    if profile is not None:
        check_series(profile)
        if not any(named.kind == "qemu" and not named.stock for named in machines):
            raise Misuse("--profile applies to a kernel file only: name one, as qemu:BZIMAGE")
    return machines


def all_series() -> list[str]:
    """The series of every profile, oldest first."""
    from pfnlab.kernel.policies.profiles import PROFILES

    return sorted(PROFILES, key=series_key)


def spread(specs: Iterable[str]) -> list[str]:
    """Expand *specs* to one name per kernel.

    ``all`` is the model of every series, ``6.1..7.3`` are the models from 6.1 to 7.3, ``qemu:6.1..6.12`` the
    real kernels of these series, and ``6.12`` is the model of one series.

    :raises Misuse: if a range starts or ends with a series that no profile describes,
        or ends before it starts
    """
    return [name for spec in specs for name in _spread(spec)]


def is_spread(spec: str) -> bool:
    """Return whether a name stands for several kernels."""
    return bool(re.fullmatch(rf"(?:(?:{'|'.join(KINDS)}):)?(?:all|[0-9.]+\.\.[0-9.]*[0-9])", spec))


def _spread(spec: str) -> list[str]:
    kind, _, rest = spec.rpartition(":")
    if not is_spread(spec):
        return [full_name(spec)]
    known = all_series()
    first, _, last = rest.partition("..") if rest != "all" else (known[0], "", known[-1])
    for series in (first, last):
        check_series(series)
    chosen = known[known.index(first) : known.index(last) + 1]
    if not chosen:
        raise Misuse(f"{rest} ends before it begins: write {last}..{first}")
    return [f"{kind or 'model'}:{series}" for series in chosen]


def newest_series() -> str:
    """The series of the newest profile."""
    return all_series()[-1]


def check_series(series: str) -> None:
    """Refuse a series that no profile describes.

    :raises Misuse: the message lists the known series
    """
    if series not in all_series():
        raise Misuse(f"there is no profile {series!r}: known are {', '.join(all_series())}")


def with_policies(specs: Sequence[str], paths: Sequence[str]) -> list[str]:
    """The machines *specs*, with every model using the policies in the files *paths* instead of its own.

    Without *specs*, it is the model of the newest kernel.

    :raises Misuse: if a file is not a policy, or there is no model to apply it to
    """
    specs = list(map(full_name, specs)) or [f"model:{newest_series()}"]
    if not paths:
        return specs
    from pfnlab.kernel.policies.own import load_policy

    if not any(spec.startswith("model:") for spec in specs):
        raise Misuse("--policy is for models: add --on model:SERIES")
    changes = "".join(f",{load_policy(path).seam}={path}" for path in paths)
    return [spec + changes if spec.startswith("model:") else spec for spec in specs]


def open_machine(
    named: NamedMachine,
    accel: Accel = Accel.TCG,
    look: LookLevel = LookLevel.PROC,
    guests: int | None = None,
    *,
    blocks: bool = False,
) -> Machine:
    """Open the machine with that name; a missing kernel is fetched when it runs.

    :param look: how the kernel is observed, or is predicted to be observed
    :param guests: the largest number of guests per kernel; None for one per processor
    :param blocks: report which of the kernel's basic blocks programs reach
    :raises Misuse: if there is no such model
    :raises MissingTool: if *look* needs the lens, which is not installed
    """
    return kind_of(named.kind).open(named, accel, look, guests, blocks)


def see_memory(machines: Sequence[Machine]) -> bool:
    """True if the memory of all *machines* can be observed.

    Machines that can only be observed in one way do not count.
    """
    return all(machine.sees_memory for machine in machines if isinstance(machine, ObservableMachine))


def settle_look(machines: Sequence[Machine], requested: LookLevel | None) -> LookLevel:
    """Set how all *machines* are observed from now on: as the user requested, or else in memory.

    If the memory of any of them cannot be observed, all are observed through /proc, because results depend on
    how a machine is observed.
    """
    look = requested
    if look is None:
        look = LookLevel.MEMORY if see_memory(machines) else LookLevel.PROC
    for machine in machines:
        if isinstance(machine, ObservableMachine):
            machine.look = look
    return look


def fetch_missing(machines: Sequence[NamedMachine]) -> None:
    """Fetch the stock kernels of *machines* that are not in the cache, and report each new one."""
    for prefix in dict.fromkeys(named.kind for named in machines):
        kind_of(prefix).fetch([named for named in machines if named.kind == prefix])


def side_by_side(
    machines: Sequence[NamedMachine],
    programs: Sequence[Program],
    look: LookLevel | Sequence[LookLevel | None] | None = None,
    accel: Accel = Accel.TCG,
) -> list[tuple[Run, ...]]:
    """Open machines, fetch missing kernels, and run every program on every machine.

    No guests are left running afterwards.

    :param look: how to observe programs, either all of them or one by one; None lets `settle_look` decide
    :return: for each program, one run per machine, in the order of *machines* and under their names
    :raises Misuse: if there is no such model or kernel, or a program fits into no guest
    :raises MissingTool: if a tool or kernel is not installed
    """
    looks = [look] * len(programs) if look is None or isinstance(look, LookLevel) else list(look)
    at_first = next(filter(None, looks), LookLevel.PROC)
    opened = [open_machine(named, accel, at_first) for named in machines]
    fetch_missing(machines)
    usual = settle_look(opened, None) if None in looks else at_first
    settled = [wanted or usual for wanted in looks]
    by_machine = [
        _run_all(named, machine, programs, settled) for named, machine in zip(machines, opened, strict=True)
    ]
    return list(zip(*by_machine, strict=True))


def _run_all(
    named: NamedMachine, machine: Machine, programs: Sequence[Program], looks: Sequence[LookLevel]
) -> list[Run]:
    """One run per program, under the name that the user gave the machine; no guest is left running."""
    of = f"{number_of(len(programs), 'program')} on {named.spec}"
    with (
        machine if isinstance(machine, AbstractContextManager) else nullcontext(),
        working(of, len(programs)) as work,
    ):
        runs = run_telling(machine, programs, lambda index, run: work.advance(), looks)
    if len(runs) != len(programs):
        raise Defect(f"{named.spec} answered {len(programs)} programs with {len(runs)} runs")
    return [msgspec.structs.replace(run, machine=named.spec) for run in runs]


# The most likely meaning of "quemu:7.2".
def _guess(spec: str) -> str:
    kind, _, rest = spec.partition(":")
    meant = nearest(kind, KINDS)
    return "" if meant is None else f"did you mean {meant}:{rest or newest_series()}? "


def is_file(name: str) -> bool:
    """Return whether *name*, which may be any text, is the name of an existing file."""
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False
