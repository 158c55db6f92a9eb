"""The options of ``pfnlab try``; what it does is imported when it runs."""

# No annotations as strings here: the framework would evaluate each several times before every command.

from pathlib import Path
from typing import Annotated

import typer

from pfnlab.cli.plain import AccelOf, AsJson, JobsOf, LitmusOf


def try_(
    tree: Annotated[Path, typer.Argument(metavar="TREE", help="A tree, 7.2 for its package, or a bzImage.")],
    like: Annotated[
        str, typer.Option("--like", metavar="VERSION", help="The kernel it should behave like: 7.2, 7.2.13.")
    ],
    patch: Annotated[
        list[Path] | None,
        typer.Option("--patch", metavar="FILE", help="A patch on top; may be given several times."),
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(
            "--policy",
            metavar="SEAM=POLICY",
            help="What the patch means, as flush=end_vma; without it what its `Policy:` lines say.",
        ),
    ] = None,
    configuration: Annotated[
        list[str] | None,
        typer.Option("--config", metavar="FRAGMENT", help="As for `pfnlab kernels build`."),
    ] = None,
    programs: Annotated[int, typer.Option("--programs", metavar="N", min=1, help="Random programs.")] = 200,
    seed: Annotated[
        int,
        typer.Option(
            "--seed", metavar="N", help="What random numbers begin with: another N, other programs."
        ),
    ] = 7,
    litmus: LitmusOf = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the report there.")
    ] = None,
    accel: AccelOf = "tcg",
    jobs: JobsOf = None,
    as_json: AsJson = False,
) -> int:
    """Build a tree, hold its kernel against a model, and print the report for a cover letter.

    Exit codes fit `git bisect run` (docs/try.md): 0 equal, 1 differs, 125 it cannot be built, booted or
    decided; 130 misuse and 132 a defect of pfnlab, which end a bisection.
    """
    from pfnlab.cli.trying import TryRequest, try_tree
    from pfnlab.lab.vm.accel import accel_named

    return try_tree(
        TryRequest(
            tree=tree,
            like=like,
            patches=tuple(patch or ()),
            policies=tuple(policy or ()),
            configuration=tuple(configuration or ()),
            programs=programs,
            seed=seed,
            litmus=litmus,
            output=output,
            accel=accel_named(accel),
            as_json=as_json,
            jobs=jobs,
        )
    )
