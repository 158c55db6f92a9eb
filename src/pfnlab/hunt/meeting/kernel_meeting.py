"""Compares a kernel that the user names with its model, or with another one."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.progress import say, working
from pfnlab.hunt.meeting.holding import Programs
from pfnlab.hunt.meeting.meet import MeetingResult, Met, diff, meet, model_version
from pfnlab.kernel.policies.known_kernels import known_versions, version_of_release
from pfnlab.kernel.policies.releases import is_version, series_of, version_key
from pfnlab.lab.building.built import built, find
from pfnlab.lab.images.changelog import changelog_of
from pfnlab.lab.images.configured import configuration_of_kernel
from pfnlab.lab.images.kernel_offers import available_offers
from pfnlab.lab.images.kernels import KernelImage, from_file, kernel_for
from pfnlab.lab.running.qemu_machine import QemuMachine


class NamedKernel(msgspec.Struct, frozen=True):
    """A kernel named by the user: a version, a bzImage, or a local build.

    :param name: its name in results, without ``qemu:``
    :param version: the version of its rules
    """

    name: str
    image: KernelImage
    version: str
    words: str


def named_kernel(name: str) -> NamedKernel:
    """The kernel with that name, fetched if it is not in the cache.

    :raises Misuse: if there is no such kernel
    """
    if Path(name).is_file():
        image = from_file(Path(name))
        return NamedKernel(name, image, version_of_release(image.release), name)
    if not is_version(name) and find(name) is not None:
        own_kernel = built(name)
        return NamedKernel(name, own_kernel.image, own_kernel.version, own_kernel.origin)
    image = kernel_for(name)
    return NamedKernel(image.upstream, image, image.upstream, f"{image.package} {image.version}")


def meet_named(named: NamedKernel, programs: Programs, *, guests: int = 1, profile: str | None = None) -> Met:
    """Compare a kernel with the model of its exact version, in separate guests.

    :param profile: the version of the model, if it differs
    """
    kernel, version = named.image, named.version
    if profile and not is_version(version):
        version = profile
    model_version(profile or version)
    changelog = changelog_of(kernel, say=say)
    say(f"meeting {version}: {named.words}")
    offered = (offer.version for offer in available_offers())
    with QemuMachine(kernel, guests=guests, say=say) as machine, working(f"meeting {version}") as work:
        return meet(
            *(machine, version, programs),
            kernels=[named.words],
            profile=profile,
            configuration=configuration_of_kernel(kernel),
            changelog=changelog,
            since=kernel_before(version, [*known_versions(), *offered]),
            say=say,
            counted=work,
        )


def diff_named(first: str, second: str, programs: Programs) -> MeetingResult:
    """Compare two kernels; Misuse if they are the same."""
    kernels = named_kernel(first), named_kernel(second)
    names, versions = [one.name for one in kernels], (kernels[0].version, kernels[1].version)
    if names[0] == names[1]:
        raise Misuse(f"{first} and {second} are the same kernel: name two")
    newer = max(kernels, key=lambda kernel: version_key(kernel.version))
    changelog = changelog_of(newer.image, say=say)
    with (
        QemuMachine(kernels[0].image, guests=1, say=say) as one,
        QemuMachine(kernels[1].image, guests=1, say=say) as other,
        working(f"comparing {names[0]} and {names[1]}") as work,
    ):
        machines = {f"qemu:{names[0]}": one, f"qemu:{names[1]}": other}
        words = [kernel.words for kernel in kernels]
        met = diff(machines, versions, programs, kernels=words, changelog=changelog, say=say, counted=work)
    return met.result


def kernel_before(version: str, others: Iterable[str]) -> str | None:
    """The newest of *others* that is of the same series as *version* and older, or None."""
    at = version_key(version)
    older = [one for one in others if series_of(one) == series_of(version) and version_key(one) < at]
    return max(older, key=version_key, default=None)
