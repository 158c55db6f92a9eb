"""The common parts of all groups of verbs: their form, and options with the same meaning everywhere."""

import shutil
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from pfnlab.cli.examples import examples_of

#: Below so many columns an option stands above its meaning, not beside it.
_NARROW = 60

#: The fewest columns that help is written for.
_LEAST = 20


class _WithExamples:
    """Help that fits the terminal, says each verb in a whole sentence, and ends with examples
    (:mod:`pfnlab.cli.examples`).
    """

    if TYPE_CHECKING:

        def format_help(self, ctx: Any, formatter: Any) -> None: ...

    def get_help(self, ctx: Any) -> str:
        """The help of the verb that *ctx* stands for."""
        formatter = ctx.make_formatter()
        columns = shutil.get_terminal_size().columns
        if columns < _NARROW:
            # The framework writes for fifty columns at least, in two of its own.
            formatter.width = max(columns - 2, _LEAST)
            formatter.write_dl = partial(_stacked, formatter)
        self.format_help(ctx, formatter)
        return str(formatter.getvalue()).rstrip("\n")

    def get_short_help_str(self, limit: int = 0) -> str:
        """The first sentence of the help, which is never cut."""
        said: str = super().get_short_help_str(1 << 20)  # type: ignore[misc]
        return said

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples, each with what it does. A command stays on one line, to be copied."""
        examples = examples_of(ctx.command_path.partition(" ")[2])
        if examples:
            formatter.write("\nExamples:\n")
        for line, says in examples:
            formatter.write(f"  {line}\n{_wrapped(f'{says}.', formatter.width, 6)}")


def _stacked(formatter: Any, rows: Sequence[tuple[str, str]], *_: Any, **__: Any) -> None:
    """Write the rows of a definition list, each meaning below what it is of."""
    for first, second in rows:
        formatter.write(_wrapped(first, formatter.width, 2))
        formatter.write(_wrapped(second, formatter.width, 6))


def _wrapped(text: str, width: int, indent: int) -> str:
    """Text in lines of *width* columns; a word that is longer stays whole."""
    margin = " " * indent
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "".join(f"{line}\n" for line in lines)


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
