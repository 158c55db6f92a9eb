"""The verbs about kernels and the cache, and their options; what a verb does is imported when it runs."""

# No annotations as strings here: the framework would evaluate each several times before every command.

import os
from pathlib import Path
from typing import Annotated

import typer

from pfnlab.cli.options import typer_option
from pfnlab.cli.plain import PLAIN, AsJson, Verbs
from pfnlab.verbs import option

kernels = Verbs(help="Real kernels that can be booted.", **PLAIN)
cache = Verbs(help="What pfnlab keeps on disk.", **PLAIN)


@kernels.callback(invoke_without_command=True)
def kernels_default(
    context: typer.Context,
    mirror: Annotated[
        str | None,
        typer.Option(
            "--mirror",
            metavar="URI",
            help="A mirror of Debian's archive for pfnlab alone, not that of PFNLAB_MIRROR or the machine.",
        ),
    ] = None,
) -> int:
    """Real kernels that can be booted; `list` when nothing is said."""
    if mirror is not None:
        # Every helper that is begun from here has it too, in processes of their own.
        from pfnlab.lab.images.sources import MIRROR

        os.environ[MIRROR] = mirror
    return kernels_list() if context.invoked_subcommand is None else 0


Refresh = Annotated[bool, typer.Option("--refresh", help="Read the package lists again.")]


@kernels.command("list")
def kernels_list(refresh: Refresh = False) -> int:
    """Every kernel that is known, cached or on offer.

    A kernel is known (it was compared with the model), new (it was not) or gone (no longer offered).
    """
    from pfnlab.cli.kernels import list_kernels

    return list_kernels(refresh=refresh)


@kernels.command("fetch")
def kernels_fetch(
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="K",
            help="6.12 (its newest known version on offer), 6.12.107, all (each series), every (each version "
            "on offer), or tested (what the demo and the tests run).",
        ),
    ],
    refresh: Refresh = False,
    missing: Annotated[bool, typer.Option("--missing", help="Only those not in the cache.")] = False,
) -> int:
    """Fetch kernels from the distribution's archive, 13 to 50 MiB each; at first its lists, 40 MiB."""
    from pfnlab.cli.kernels import fetch_kernels

    return fetch_kernels(names, refresh=refresh, missing=missing)


@kernels.command("tested")
def kernels_tested(
    newest: Annotated[bool, typer.Option("--newest", help="Only the newest that can be had.")] = False,
) -> int:
    """Which kernels the demo and the tests run, by the lists fetched so far."""
    from pfnlab.cli.kernels import tested_kernels

    return tested_kernels(newest=newest)


@kernels.command("rm")
def kernels_rm(names: Annotated[list[str], typer.Argument(metavar="K", help="6.12, or 6.12.107.")]) -> int:
    """Take kernels out of the cache."""
    from pfnlab.cli.kernels import remove_kernels

    return remove_kernels(names)


@kernels.command("build")
def kernels_build(
    source: Annotated[
        str,
        typer.Argument(
            metavar="TREE|SERIES", help="A kernel tree, which is only read, or 7.2: its source package."
        ),
    ],
    patches: Annotated[
        list[Path] | None,
        typer.Option("--patch", metavar="FILE", help="A patch; several are applied in their order."),
    ] = None,
    configuration: Annotated[
        list[str] | None,
        typer.Option(
            "--config", metavar="FRAGMENT", help="lab, minimal, debug, or a file of options on top of lab."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="What it is called: qemu:NAME.")] = None,
    jobs: Annotated[
        int | None,
        typer_option(option.JOBS._replace(names=("-j", "--jobs"), help="Commands at once; one a core.")),
    ] = None,
    series: Annotated[
        str | None, typer.Option("--like", metavar="SERIES", help="Whose model stands for it, not its own.")
    ] = None,
) -> int:
    """Build a kernel from source, boot it once, and keep it under a name.

    The first build of a tree takes some ten minutes and 5 GiB; one more patch about a minute. What was built
    before is not built again, and a build that was interrupted goes on.

    Exit codes: 0 built, 2 no such tree or the patch does not apply, 3 it does not build or come up.
    """
    from pfnlab.cli.building import build_kernel
    from pfnlab.lab.building.build import BuildRequest

    return build_kernel(
        BuildRequest(source, tuple(patches or ()), tuple(configuration or ()), name, jobs, series)
    )


@kernels.command("sizes")
def kernels_sizes(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="K", help="6.12, or 6.12.107; what is kept when none.")
    ] = None,
    as_json: AsJson = False,
    write: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Boot them too, and write what docs/sizes.md is made of there."),
    ] = None,
) -> int:
    """What structures take in kernels: size, holes and padding, read from their images.

    Nothing is booted, but to write what is kept of a series: that needs its slab caches.
    """
    from pfnlab.cli.sizes import show_sizes

    return show_sizes(tuple(names or ()), as_json=as_json, write=write)


@cache.callback(invoke_without_command=True)
def cache_default(context: typer.Context) -> int:
    """What pfnlab keeps on disk: kernels, lists of packages, and what it made of them."""
    from pfnlab.cli.cache import show_cache

    return show_cache() if context.invoked_subcommand is None else 0


@cache.command("clean")
def cache_clean(
    older: Annotated[
        float, typer.Option("--older", metavar="DAYS", min=0, help="What was not used for so many days.")
    ] = 30,
) -> int:
    """Remove what was not used for a while; it is made or fetched anew when it is needed."""
    from pfnlab.cli.cache import clean_cache

    return clean_cache(older)


kernels.verb("kernels meet")
kernels.verb("kernels diff")
