"""Real kernels that can be booted."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.kernels_compared import perform_diff as perform_diff
from pfnlab.verbs.kernels_compared import perform_meet as perform_meet
from pfnlab.verbs.option import JOBS, AsJson, Option, RefreshOf, Request, Say, refuse_beside

if TYPE_CHECKING:
    from pfnlab.lab.sizes.kernel_sizes import ListedSizes


VERBS = ("list", "fetch", "tested", "rm", "build", "sizes", "meet", "diff")


class MirrorRequest(Request, frozen=True, kw_only=True):
    """The request of every verb about kernels: the mirror that they are fetched from."""

    mirror: Annotated[
        str | None,
        Option(
            "A mirror of Debian's archive for pfnlab alone, not that of PFNLAB_MIRROR or the machine.", "URI"
        ),
    ] = None


def prepare(request: MirrorRequest) -> None:
    """Have the mirror in the environment: every helper that is begun from here has it too."""
    if request.mirror is not None:
        from pfnlab.lab.images.sources import MIRROR

        os.environ[MIRROR] = request.mirror


class KernelsRequest(Request, frozen=True, kw_only=True):
    """Every kernel that is known, cached or on offer.

    A kernel is known (it was compared with the model), new (it was not) or gone (no longer offered).
    """

    refresh: RefreshOf = False


def perform_list(request: KernelsRequest, say: Say) -> Iterator[PlainText]:
    """One line a kernel: what it is, cached or not, and the offer of the archive; then those built here."""
    from pfnlab.lab.building.built import built_kernels
    from pfnlab.lab.images.kernels import inventory, read_lists

    if request.refresh:
        read_lists(refresh=True, say=say)
    rows = [("version", "is", "cached", "package")]
    for kernel in inventory():
        in_cache = "damaged: fetch it again" if kernel.damaged else "yes" if kernel.cached else "-"
        package = kernel.offer.package if kernel.offer else None
        origin = f"{package.name} from {package.suite}" if package else "not offered"
        if package is None and not kernel.confirmed:
            origin = "lists not all read: --refresh"
        rows.append((kernel.version, kernel.standing, in_cache, f"{kernel.package_version} {origin}"))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield PlainText.line("   ".join([*cells, row[3]]).rstrip())
    if own_kernels := built_kernels():
        yield PlainText.line("\nbuilt here:")
        yield from (PlainText.line(f"  qemu:{kernel.name}   {kernel.origin}") for kernel in own_kernels)


#: The fallback of each role of the tests, in words.
_STANDINGS = {
    "new": "which is new: where it differs from the model, that is news",
    "cached": "from the cache, for it is no longer offered",
    "gone": "not to be had: recorded runs stand in for it",
}


class FetchRequest(Request, frozen=True, kw_only=True):
    """Fetch kernels from the distribution's archive, 13 to 50 MiB each; at first its lists, 40 MiB."""

    names: Annotated[
        tuple[str, ...],
        Option(
            "6.12 (its newest known version on offer), 6.12.107, all (each series), every (each version "
            "on offer), or tested (what the demo and the tests run).",
            "K",
            positional=True,
        ),
    ]
    refresh: RefreshOf = False
    missing: Annotated[bool, Option("Only those not in the cache.")] = False


def perform_fetch(request: FetchRequest, say: Say) -> Iterator[PlainText]:
    """Fetch every named kernel, and say where it lies; Misuse if there is none, or a word for many beside."""
    from pfnlab.base.progress import working
    from pfnlab.base.units import number_of
    from pfnlab.kernel.policies.releases import CONFIRMED
    from pfnlab.lab.images.kernels import cached, fetch, read_lists

    refresh, names = request.refresh, request.names
    for word in ("tested", "every", "all"):
        if word in names and len(names) > 1:
            raise Misuse(
                f"`{word}` stands for many kernels: give it alone, or the others in a call of their own"
            )
    if "tested" in names:
        yield from _fetch_tested(request, say)
        return
    if "every" in names:
        chosen: Sequence[str] = [offer.package.version for offer in read_lists(refresh=refresh, say=say)]
        refresh = False
    else:
        chosen = CONFIRMED if "all" in names else tuple(dict.fromkeys(names))
    if request.missing:
        chosen = tuple(name for name in chosen if cached(name) is None)
    with working(f"fetching {number_of(len(chosen), 'kernel')}") as work:
        kernels = fetch(*chosen, refresh=refresh, say=say, counted=work)
    for kernel in kernels:
        yield PlainText.line(f"{kernel.upstream}: {kernel.package} {kernel.version} in {kernel.vmlinuz}")


def _fetch_tested(request: FetchRequest, say: Say) -> Iterator[PlainText]:
    from pfnlab.base.errors import Undecided
    from pfnlab.base.progress import working
    from pfnlab.lab.images.archive import Unverified
    from pfnlab.lab.images.kernel_offers import offered, roles_for
    from pfnlab.lab.images.kernels import cached, cached_versions, fetch, read_lists

    try:
        read_lists(refresh=request.refresh, say=say)
    except Unverified:
        raise
    except Undecided as trouble:
        say(f"{trouble}; going on with what is here")
    roles = roles_for(offered(), cached_versions())
    with working("fetching the kernels of demo and tests", len(roles)) as work:
        for role in roles:
            if role.standing in ("known", "new") and not (request.missing and cached(role.name)):
                fetch(role.name, say=say)
            work.advance()
    for role in roles:
        yield PlainText.line(f"{role.name}: {_STANDINGS.get(role.standing, 'known and on offer')}")


class TestedRequest(Request, frozen=True, kw_only=True):
    """The kernels that the demo and the tests run, by the lists fetched so far."""

    newest: Annotated[bool, Option("Only the newest that can be had.")] = False


def perform_tested(request: TestedRequest, say: Say) -> Iterator[PlainText]:
    """A version and its standing a line; nothing where the newest is wanted and none can be had."""
    from pfnlab.lab.images.kernel_offers import offered, roles_for
    from pfnlab.lab.images.kernels import cached_versions

    roles = roles_for(offered(), cached_versions())
    if request.newest:
        roles = [role for role in roles if role.standing != "gone"][-1:]
    yield from (PlainText.line(f"{role.name} {role.standing}") for role in roles)


class RemoveRequest(Request, frozen=True, kw_only=True):
    """Remove kernels from the cache."""

    names: Annotated[tuple[str, ...], Option("6.12, or 6.12.107.", "K", positional=True)]


def perform_rm(request: RemoveRequest, say: Say) -> Iterator[PlainText]:
    """Remove them, with a line for each."""
    from pfnlab.lab.building.built import find, remove_built
    from pfnlab.lab.images.kernels import remove

    for name in request.names:
        if find(name) is not None:
            remove_built(name)
            yield PlainText.line(f"removed {name}")
            continue
        yield from (PlainText.line(f"removed {version}") for version in remove(name, say=say))


class BuildRequest(Request, frozen=True, kw_only=True):
    """Build a kernel from source, boot it once, and keep it under a name.

    The first build of a tree takes some ten minutes and 5 GiB; one more patch about a minute. What was built
    before is not built again, and a build that was interrupted goes on.

    Exit codes: 0 built, 2 no such tree or the patch does not apply, 3 it does not build or come up.
    """

    source: Annotated[
        str,
        Option(
            "A kernel tree, which is only read, or 7.2: its source package.", "TREE|SERIES", positional=True
        ),
    ]
    patches: Annotated[
        tuple[Path, ...], Option("A patch; several are applied in their order.", "FILE", ("--patch",))
    ] = ()
    reverts: Annotated[
        tuple[str, ...],
        Option(
            "A repair to take out: a commit that pfnlab has a patch for, or a patch, put on in reverse.",
            "COMMIT|FILE",
            ("--revert",),
        ),
    ] = ()
    configuration: Annotated[
        tuple[str, ...],
        Option("lab, minimal, debug, or a file of options on top of lab.", "FRAGMENT", ("--config",)),
    ] = ()
    name: Annotated[str | None, Option("What it is called: qemu:NAME.", "NAME")] = None
    jobs: Annotated[
        int | None, JOBS._replace(names=("-j", "--jobs"), help="Commands at once; one a core.")
    ] = None
    series: Annotated[
        str | None, Option("Whose model stands for it, not its own.", "SERIES", ("--like",))
    ] = None


def perform_build(request: BuildRequest, say: Say) -> Iterator[PlainText]:
    """Build the kernel, and say its name and how to run it; Misuse if an input is wrong, else Undecided."""
    from pfnlab.base.inert import shell_line
    from pfnlab.base.progress import working
    from pfnlab.lab.building.build import build
    from pfnlab.programs.runs.named_machines import check_series

    if request.series is not None:
        check_series(request.series)
    with working(f"building a kernel of {request.source}"):
        kernel = build(**msgspec.structs.asdict(request), say=say)
    built = f"{kernel.origin}, {kernel.release}, built in {kernel.seconds:g} s"
    yield PlainText.line(f"qemu:{kernel.name}: {built}")
    model = f"model:{kernel.name}" + (f",{kernel.policy}" if kernel.policy else "")
    machines = shell_line(("--on", model, "--on", f"qemu:{kernel.name}"))
    yield PlainText.line(f"compare it: pfnlab run PROGRAM {machines}")


class SizesRequest(Request, frozen=True, kw_only=True):
    """The sizes of structures in kernels, with holes and padding, read from their images.

    Nothing is booted, but to write what is kept of a series: that needs its slab caches.
    """

    names: Annotated[
        tuple[str, ...], Option("6.12, or 6.12.107; what is kept when none.", "K", positional=True)
    ] = ()
    as_json: AsJson = False
    write: Annotated[
        Path | None, Option("Boot them too, and write what docs/sizes.md is made of there.", "DIR")
    ] = None


def perform_sizes(request: SizesRequest, say: Say) -> Iterator[ListedSizes]:
    """The structures of the kernels; or what is kept of each series, written. Misuse if no such kernel."""
    from pfnlab.base.inert import shell_word
    from pfnlab.base.progress import working
    from pfnlab.kernel.policies.releases import CONFIRMED
    from pfnlab.lab.images.kernel_offers import by_version
    from pfnlab.lab.images.kernels import kernel_for, whole
    from pfnlab.lab.sizes.kernel_sizes import (
        ListedSizes,
        known_sizes,
        series_sizes,
        structures_of,
        types_of,
        write_sizes,
    )

    if request.write is not None:
        refuse_beside(request, "--write", "prints no sizes", but="as_json")
    if request.write is None:
        found = []
        with working("reading sizes of structures", len(request.names)) as work:
            for kernel in map(kernel_for, request.names):
                found.append((kernel.label, structures_of(types_of(kernel))))
                work.advance()
        if not request.names:
            found = [(f"{kept.series} ({kept.package_version})", kept.structures) for kept in known_sizes()]
        yield ListedSizes(tuple(found))
        return
    for kernel in map(kernel_for, request.names or CONFIRMED):
        others = {
            other.version: other for other in whole(kernel.series)[0] if other.version != kernel.version
        }
        made_by = f"pfnlab kernels sizes {shell_word(kernel.version)} --write DIR"
        sizes = series_sizes(kernel, [others[version] for version in by_version(others)], made_by)
        say(f"{kernel.label}: {write_sizes(request.write, sizes)}")
