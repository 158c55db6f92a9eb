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
from pfnlab.verbs.option import JOBS, AsJson, Option, RefreshOf, Request, Say

if TYPE_CHECKING:
    from pfnlab.lab.sizes.kernel_sizes import ListedSizes


VERBS = ("list", "fetch", "rm", "build", "meet", "diff", "sizes")


class MirrorRequest(Request, frozen=True, kw_only=True):
    """Base of every request about kernels: it has the mirror to fetch from."""

    mirror: Annotated[
        str | None,
        Option(
            "Mirror of Debian's archive for this command, instead of the one set by PFNLAB_MIRROR or "
            "by the machine.",
            "URI",
        ),
    ] = None


def prepare(request: MirrorRequest) -> None:
    """Set the mirror in the environment, for every subprocess started from here."""
    if request.mirror is not None:
        from pfnlab.lab.images.sources import MIRROR

        os.environ[MIRROR] = request.mirror


class KernelsRequest(Request, frozen=True, kw_only=True):
    """List every kernel that is known, cached or available.

    A kernel is known (compared with the model), new (not yet compared) or gone (no longer available).
    """

    refresh: RefreshOf = False
    tested: Annotated[bool, Option("List only the kernels that the demo and the tests run.")] = False
    newest: Annotated[bool, Option("With --tested: list only the newest one available.", needs="tested")] = (
        False
    )
    cache: Annotated[bool, Option("List the files on disk by kind, with their sizes.", takes="")] = False


def perform_list(request: KernelsRequest, say: Say) -> Iterator[PlainText]:
    """List the kernels in the archive, with their cache states, then those built here."""
    from pfnlab.lab.building.built import built_kernels
    from pfnlab.lab.images.kernels import inventory, read_lists
    from pfnlab.present.document.blocks import cells, headed, named_rows
    from pfnlab.present.document.terminal import printed

    if request.cache:
        yield from _cache_lines()
        return
    if request.refresh:
        read_lists(refresh=True, say=say)
    if request.tested:
        yield from _tested_lines(request)
        return
    rows = []
    for kernel in inventory():
        in_cache = "damaged: fetch it again" if kernel.damaged else "yes" if kernel.cached else "-"
        package = kernel.offer.package if kernel.offer else None
        origin = f"{package.name} from {package.suite}" if package else "not offered"
        if package is None and not kernel.confirmed:
            origin = "lists incomplete: --refresh"
        rows.append(cells(kernel.version, kernel.status, in_cache, f"{kernel.package_version} {origin}"))
    own = ((f"qemu:{kernel.name}", kernel.origin) for kernel in built_kernels())
    yield printed(
        *headed("", ("version", "is", "cached", "package"), rows, 4), *named_rows("built here:", own)
    )


def _tested_lines(request: KernelsRequest) -> Iterator[PlainText]:
    """Yield each tested version and its state; nothing if only the newest is wanted and none is available."""
    from pfnlab.lab.images.kernel_offers import available_offers, roles_for
    from pfnlab.lab.images.kernels import cached_versions

    roles = roles_for(available_offers(), cached_versions())
    if request.newest:
        roles = [role for role in roles if role.status != "gone"][-1:]
    yield from (PlainText.line(f"{role.name} {role.status}") for role in roles)


def _cache_lines() -> Iterator[PlainText]:
    """Yield the number, size and last use of the cached files of each kind."""
    import shutil
    import time
    from itertools import groupby

    from pfnlab.base.units import in_mib
    from pfnlab.lab.images.cache import cache_root
    from pfnlab.lab.images.inside_cache import stored
    from pfnlab.present.document.blocks import Paragraph, cells, headed
    from pfnlab.present.document.terminal import printed

    root, things = cache_root(), stored()
    groups = [(kind, list(group)) for kind, group in groupby(things, lambda thing: thing.kind)]
    rows = []
    for kind, group in [*groups, *[("all", things)] * bool(things)]:
        day = time.strftime("%Y-%m-%d", time.localtime(max(thing.used for thing in group)))
        rows.append(cells(kind, f"{len(group):,}", in_mib(sum(thing.size for thing in group)), day))
    free = in_mib(shutil.disk_usage(next(folder for folder in (root, *root.parents) if folder.exists())).free)
    says = (
        "`pfnlab kernels rm --older DAYS` removes entries unused for DAYS days; they can be fetched or made "
        "again"
    )
    yield printed(
        *headed("", ("", "how many", "size", "last used"), rows, 4),
        Paragraph(f"{root}{'' if things else ' is empty'}; {free} free"),
        *([Paragraph(says)] if things else []),
    )


#: The fallback for each role in the tests.
_STATUSES = {
    "new": "which is new: a difference from the model there is a new finding",
    "cached": "from the cache, because it is no longer offered",
    "gone": "unavailable: recorded runs replace it",
}


class FetchRequest(Request, frozen=True, kw_only=True):
    """Fetch kernels from the distribution's archive, 13 to 50 MiB each, plus 40 MiB of package lists the
    first time."""

    gradual = True

    names: Annotated[
        tuple[str, ...],
        Option(
            "6.12 (its newest known version available), 6.12.107, all (one per series), every (every "
            "available version), or tested (the kernels of the demo and the tests).",
            "K",
            positional=True,
        ),
    ]
    refresh: RefreshOf = False
    missing: Annotated[bool, Option("Fetch only kernels that are not in the cache.")] = False


def perform_fetch(request: FetchRequest, say: Say) -> Iterator[PlainText]:
    """Fetch the named kernels, and print their paths; Misuse if one is unknown, or a word like `all` is not
    alone."""
    from pfnlab.base.progress import working
    from pfnlab.base.units import number_of
    from pfnlab.kernel.policies.releases import CONFIRMED
    from pfnlab.lab.images.kernels import cached, fetch, read_lists

    refresh, names = request.refresh, request.names
    for word in ("tested", "every", "all"):
        if word in names and len(names) > 1:
            raise Misuse(
                f"`{word}` stands for several kernels: write it alone, and the others in another command"
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
    from pfnlab.lab.images.kernel_offers import available_offers, roles_for
    from pfnlab.lab.images.kernels import cached, cached_versions, fetch, read_lists

    try:
        read_lists(refresh=request.refresh, say=say)
    except Unverified:
        raise
    except Undecided as trouble:
        say(f"{trouble}; continuing with the lists fetched before")
    roles = roles_for(available_offers(), cached_versions())
    with working("fetching the kernels of demo and tests", len(roles)) as work:
        for role in roles:
            if role.status in ("known", "new") and not (request.missing and cached(role.name)):
                fetch(role.name, say=say)
            work.advance()
    for role in roles:
        yield PlainText.line(f"{role.name}: {_STATUSES.get(role.status, 'known and on offer')}")


class RemoveRequest(Request, frozen=True, kw_only=True):
    """Remove kernels from the cache, or everything that has not been used for a while.

    Removed files are fetched or rebuilt when they are needed.
    """

    gradual = True

    names: Annotated[tuple[str, ...], Option("6.12, or 6.12.107.", "K", positional=True)] = ()
    older: Annotated[
        float | None,
        Option(
            "Remove all files (not just kernels) that have not been used for this many days.", "DAYS", min=0
        ),
    ] = None


def perform_rm(request: RemoveRequest, say: Say) -> Iterator[PlainText]:
    """Remove them, and print a line for each; Misuse if neither kernels nor an age are given."""
    from pfnlab.lab.building.built import find, remove_built
    from pfnlab.lab.images.kernels import remove

    if not request.names and request.older is None:
        raise Misuse("K is missing: write pfnlab kernels rm K..., or --older DAYS for all unused files")
    for name in request.names:
        if find(name) is not None:
            remove_built(name)
            yield PlainText.line(f"removed {name}")
            continue
        yield from (PlainText.line(f"removed {version}") for version in remove(name, say=say))
    if request.older is not None:
        yield from _cleaned(request.older)


def _cleaned(days: float) -> Iterator[PlainText]:
    """Remove files unused for *days* days; yield a line for each, then the number of files."""
    from pfnlab.base.units import in_mib, number_of
    from pfnlab.lab.images.cache import cache_root
    from pfnlab.lab.images.inside_cache import clean

    removed = clean(days)
    for thing in removed:
        yield PlainText.line(f"removed {thing.paths[0].relative_to(cache_root())}, {in_mib(thing.size)}")
    total = in_mib(sum(thing.size for thing in removed))
    yield PlainText.line(f"{number_of(len(removed), 'entry', 'entries')} removed, {total}")


class BuildRequest(Request, frozen=True, kw_only=True):
    """Build a kernel from source, boot it once, and keep it under a name.

    The first build of a tree takes about 8 minutes on two idle cores and 4 GiB, each further patch about a
    minute. A tree that was already built is not built again, and an interrupted build resumes.

    Exit codes: 0 built, 2 no such tree or patch, 3 a patch does not apply, or the kernel fails to build or
    boot.
    """

    gradual = True

    source: Annotated[
        str,
        Option(
            "A kernel tree, which is left unchanged, or a version such as 7.2 for its source package.",
            "TREE|SERIES",
            positional=True,
        ),
    ]
    patches: Annotated[
        tuple[Path, ...], Option("A patch to apply (repeatable, in order).", "FILE", ("--patch",))
    ] = ()
    reverts: Annotated[
        tuple[str, ...],
        Option(
            "A fix to revert: a patch file, or a commit that pfnlab has a patch for.",
            "COMMIT|FILE",
            ("--revert",),
        ),
    ] = ()
    configuration: Annotated[
        tuple[str, ...],
        Option("lab, minimal, debug, or a file of options to add to lab.", "FRAGMENT", ("--config",)),
    ] = ()
    name: Annotated[str | None, Option("Name of the kernel, to use as qemu:NAME.", "NAME")] = None
    jobs: Annotated[
        int | None, JOBS._replace(names=("-j", "--jobs"), help="Parallel jobs. Default: one per core.")
    ] = None
    series: Annotated[
        str | None,
        Option(
            "Use this series' model instead of the one of the kernel's own series.", "SERIES", ("--like",)
        ),
    ] = None


def perform_build(request: BuildRequest, say: Say) -> Iterator[PlainText]:
    """Build the kernel, and print its name and how to run it; Misuse if an input is wrong, else Undecided."""
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
    """Print the sizes of kernel structures, with holes and padding, read from kernel images."""

    names: Annotated[
        tuple[str, ...], Option("6.12, or 6.12.107. Default: the recorded sizes.", "K", positional=True)
    ] = ()
    as_json: AsJson = False


def perform_sizes(request: SizesRequest, say: Say) -> Iterator[ListedSizes]:
    """Yield the kernels' structures, or the recorded ones; Misuse if no such kernel."""
    from pfnlab.base.progress import working
    from pfnlab.lab.images.kernels import kernel_for
    from pfnlab.lab.sizes.kernel_sizes import ListedSizes, known_sizes, structures_of, types_of

    found = []
    with working("reading sizes of structures", len(request.names)) as work:
        for kernel in map(kernel_for, request.names):
            found.append((kernel.label, structures_of(types_of(kernel))))
            work.advance()
    if not request.names:
        found = [(f"{kept.series} ({kept.package_version})", kept.structures) for kept in known_sizes()]
    yield ListedSizes(tuple(found))
