"""Kernels by name: ``qemu:6.1``, ``qemu:arch/x86/boot/bzImage``, and kernels built here."""

from collections.abc import Sequence
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import shell_word
from pfnlab.base.progress import say, working
from pfnlab.base.spelling import guess
from pfnlab.kernel.policies.known_kernels import known_versions
from pfnlab.kernel.policies.releases import CONFIRMED, is_version, series_of, upstream
from pfnlab.lab.building.built import built, built_kernels, find
from pfnlab.lab.vm.hardware import read_hardware
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Accel, Machine
from pfnlab.programs.runs.named_machines import MachineKind, NamedMachine, is_file, kernel_and_words


def _read(spec: str, profile: str | None) -> NamedMachine:
    name, words = kernel_and_words(spec.partition(":")[2])
    read_hardware(spec, words)
    own_kernel = None if is_version(name) or is_file(name) else find(name)
    if own_kernel is not None:
        return NamedMachine(spec, profile or own_kernel.series, stock=False, built=True)
    # A package name continues after the version, but must still be a single line.
    version = name if is_version(name) else upstream(name) if name.isprintable() else None
    if version and series_of(version) in CONFIRMED and not is_file(name):
        return NamedMachine(spec, version, stock=True)
    if is_file(name):
        return NamedMachine(spec, profile, stock=False)
    if version and series_of(version) == name:
        from pfnlab.lab.images.kernel_offers import available_offers

        if any(offer.series == name for offer in available_offers()):
            return NamedMachine(spec, name, stock=True)
    names = [kernel.name for kernel in built_kernels()]
    raise Misuse(
        f"no kernel {name!r}: not a series, a file or a kernel built here: "
        f"{guess(name, [*CONFIRMED, *names], 'qemu:{}')}known series are {', '.join(CONFIRMED)}"
        + (f"; built here are {', '.join(names)}" if names else "")
    )


def _modelled(name: str) -> str | None:
    """The model for a kernel built here: the model of its version, with its configuration."""
    kernel = find(name)
    if kernel is None:
        return None
    of_source = kernel.version if kernel.version in known_versions() else kernel.series
    version = of_source if of_source.startswith(f"{kernel.series}.") else kernel.series
    return f"{version},config={kernel.config}"


def _open(named: NamedMachine, accel: Accel, look: LookLevel, guests: int | None, blocks: bool) -> Machine:
    from pfnlab.lab.running.qemu_machine import QemuMachine

    name = named.kernel
    machine: Machine = QemuMachine(
        built(name).image if named.built else name if named.stock else Path(name),
        guests=guests,
        name=named.spec,
        accel=accel,
        look=look,
        blocks=blocks,
        say=say,
        hardware=read_hardware(named.spec, named.words),
    )
    return machine


def _fetch(machines: Sequence[NamedMachine]) -> None:
    """Fetch those stock kernels that are not cached."""
    from pfnlab.lab.images.kernels import cached, fetch, kernel_for

    names = list(dict.fromkeys(named.kernel for named in machines if named.stock))
    missing_names = [name for name in names if cached(name) is None]
    if missing_names:
        say(f"fetching kernels {', '.join(missing_names)}")
        with working(f"fetching {', '.join(missing_names)}") as work:
            fetch(*missing_names, say=say, counted=work)
    for name in names:
        kernel = kernel_for(name)
        if not kernel.known:
            say(
                f"qemu:{name} is {kernel.version}, which was not compared with the model: "
                f"`pfnlab kernels meet {shell_word(kernel.upstream)}`"
            )


KIND = MachineKind(_read, _open, _fetch, _modelled)
