"""The common parts of all groups of verbs: their form, and options with the same meaning everywhere."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from pfnlab.cli.examples import examples_of


class _WithExamples:
    """Help that ends with the examples of :mod:`pfnlab.cli.examples`."""

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples of the verb that *ctx* stands for, each with a line of what it does."""
        examples = examples_of(ctx.command_path.partition(" ")[2])
        if examples:
            formatter.write("\nExamples:\n")
        for line, says in examples:
            formatter.write(f"  {line}\n      {says}.\n")


class _Verb(_WithExamples, TyperCommand):
    pass


class _VerbGroup(_WithExamples, TyperGroup):
    pass


class Verbs(typer.Typer):
    """A group of verbs, whose helps end with examples."""

    def command(self, *args: Any, **options: Any) -> Callable[[Any], Any]:
        """Declare a verb, as the framework does."""
        return super().command(*args, **{"cls": _Verb, **options})


PLAIN: dict[str, Any] = {
    "cls": _VerbGroup,
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

AccelOf = Annotated[
    str,
    typer.Option(
        "--accel",
        metavar="auto|kvm|tcg",
        help="What guests run with: KVM, QEMU's emulation (tcg, slower), or KVM where it works (auto).",
    ),
]


def jobs_asked(jobs: int | None) -> int | None:
    """The value of ``--jobs``.

    :raises Misuse: it is too large for this machine
    """
    if jobs is not None:
        from pfnlab.processes import check_jobs

        check_jobs(jobs)
    return jobs


JobsOf = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        metavar="N",
        min=1,
        callback=jobs_asked,
        help="Processes at a time, at most eight a processor; as many as processors without it.",
    ),
]

ReportFile = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="Write the report there.")
]

ReportForm = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="html|md",
        help="A file for a browser, or Markdown for a mail. Without it: what the name of FILE ends in.",
    ),
]

ReportTitle = Annotated[str | None, typer.Option("--title", metavar="TEXT", help="The title of the report.")]

ProfileOf = Annotated[
    str | None, typer.Option("--profile", metavar="SERIES", help="What a qemu:BZIMAGE should behave like.")
]

LookOf = Annotated[
    str | None,
    typer.Option(
        "--look",
        metavar="memory|proc|end",
        help="How kernels are looked at: in the guest's memory (nothing runs in the guest for it, so leaves "
        "of 1 GiB live), through /proc after each operation, or at the end only. Without it: memory, or proc "
        "where the lens is not installed or a kernel has no types in it.",
    ),
]

LitmusOf = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="The programs of this folder, not those that come with pfnlab."),
]
