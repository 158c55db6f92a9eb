"""Build a kernel from source, boot it once, and keep it under a name.

The first build of a tree takes some ten minutes and 5 GiB; one more patch about a minute. What was built
before is not built again, and a build that was interrupted goes on.

Exit codes: 0 built, 2 no such tree or the patch does not apply, 3 it does not build or come up.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import msgspec

from pfnlab.base.result import PlainText
from pfnlab.verbs.option import JOBS, Option, Request, Say

EXAMPLES = (
    ("pfnlab kernels build 7.2 --name mine --patch mine.patch", "A patched 7.2, then qemu:mine"),
    ("pfnlab kernels build 6.1 --revert 04c35ab3bdae", "A 6.1 without the repair of CVE-2024-35877"),
    ("pfnlab kernels build ~/linux --config debug --jobs 2", "One's own tree with debug options"),
)


class BuildRequest(Request, frozen=True, kw_only=True):
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


def perform(request: BuildRequest, say: Say) -> Iterator[PlainText]:
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
