"""Options: how a request field is given on the command line, and the options that several verbs share."""

# This is imported before every command: keep the import fast.

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import msgspec

#: Takes a line of progress.
Say = Callable[[str], None]


class Request(msgspec.Struct, frozen=True):
    """The request of a verb.

    :cvar gradual: whether the verb prints as it goes, so that its output must not wait for a pager
    """

    gradual: ClassVar[bool] = False


class Option(NamedTuple):
    """An option or argument of a verb, as an annotation of a field of its request.

    :param metavar: the placeholder for its value in help
    :param names: its spellings; by default derived from the field, e.g. ``--every-order`` for ``every_order``
    :param min: the smallest value; *max*: the largest
    :param check: called with the given value; raises Misuse if the value is invalid
    :param positional: whether it is a positional argument
    """

    help: str
    metavar: str | None = None
    names: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    check: Callable[[Any], object] | None = None
    positional: bool = False

    def written(self, field: str) -> str:
        """Return the option for *field* as the user wrote it, for messages."""
        if self.positional:
            return self.metavar or field
        return self.names[-1] if self.names else f"--{field.replace('_', '-')}"


def refuse_ineffective(
    request: Any, option: str, reason: str, *, takes: Iterable[str] = (), but: str = ""
) -> None:
    """Refuse the options of *request* that have no effect with *option*.

    :param reason: the effect of *option*, for the message
    :param takes: the fields that may be combined with it, including its own; all others are refused
    :param but: alternatively, the fields that are refused, separated by blanks; all others are allowed
    :raises Misuse: if one of them was given, as far as its value shows
    """
    from pfnlab.base.errors import Misuse

    refused = []
    for field in msgspec.structs.fields(type(request)):
        notes = (note for note in getattr(field.type, "__metadata__", ()) if isinstance(note, Option))
        known = next(notes, None)
        ignored = field.name in but.split() if but else field.name not in takes
        if known is not None and ignored and getattr(request, field.name) != field.default:
            refused.append(known.written(field.name))
    if refused:
        raise Misuse(f"{option} {reason}: drop {' and '.join(refused)}")


def _check_seconds(seconds: float) -> None:
    if not 0 <= seconds <= _MOST_SECONDS:
        from pfnlab.base.errors import Misuse

        raise Misuse(f"{seconds:g} is not a number of seconds: write one up to {_MOST_SECONDS:,} (a year)")


_MOST_SECONDS = 366 * 24 * 60 * 60


def _check_jobs(jobs: int) -> None:
    from pfnlab.base.processes import check_jobs

    check_jobs(jobs)


#: An option in seconds: every wait has a limit.
SECONDS = Option("", min=0, check=_check_seconds)

AS_JSON = Option("Print JSON.", names=("--json",))

ACCEL = Option(
    "Guest CPU: KVM, QEMU's emulation (tcg, slower), or KVM if it works (auto).",
    "auto|kvm|tcg",
    ("--accel",),
)

JOBS = Option(
    "Parallel processes, at most eight per processor. Default: one per processor.",
    "N",
    ("--jobs",),
    min=1,
    check=_check_jobs,
)

PROFILE = Option("Model for a qemu:BZIMAGE.", "SERIES", ("--profile",))

BUG = Option("Bug number (A06), CVE or title.", "BUG", positional=True)

AsJson = Annotated[bool, AS_JSON]
ResumeOf = Annotated[Path | None, Option("Save the state in FILE, and resume from it.", "FILE")]
FindingsOf = Annotated[Path, Option("Folder for findings.", "DIR")]
KnownOf = Annotated[
    tuple[Path, ...], Option("Folder of known findings, which are only counted (repeatable).", "DIR")
]
StopAfterOf = Annotated[int | None, Option("Stop after N new findings.", "N", min=1)]
AccelOf = Annotated[str, ACCEL]
JobsOf = Annotated[int | None, JOBS]
ProfileOf = Annotated[str | None, PROFILE]
LookOf = Annotated[
    str | None,
    Option(
        "Where kernel state is read: from guest memory (runs nothing in the guest, so 1 GiB "
        "mappings survive), through /proc after each operation, or only at the end. Default: "
        "memory, or proc if the lens is not installed or the kernel has no type information.",
        "memory|proc|end",
        ("--look",),
    ),
]
RandomPrograms = Annotated[int, Option("Number of random programs.", "N", ("--programs",), min=1)]
SeedOf = Annotated[int, Option("Random seed.", "N", ("--seed",))]
DiscussionOf = Annotated[str | None, Option("Show only this discussion, e.g. 004.", "DISCUSSION")]
RefreshOf = Annotated[bool, Option("Fetch the package lists again.")]
PageFile = Annotated[Path | None, Option("Append the page to this file.", "FILE", ("-o", "--output"))]
LitmusOf = Annotated[Path | None, Option("Use the programs in this folder instead of the library.", "DIR")]
ReportFile = Annotated[Path | None, Option("Write the report to this file.", "FILE", ("-o", "--output"))]
ReportForm = Annotated[
    str | None,
    Option(
        "HTML for a browser, or Markdown for a mail. Default: by the extension of FILE.",
        "html|md",
        ("--format",),
    ),
]
ReportTitle = Annotated[str | None, Option("Title of the report.", "TEXT", ("--title",))]
VerdictOf = Annotated[
    str | None,
    Option("Include only results with this verdict: differs, violated, holds ...", "VERDICT", ("--verdict",)),
]

# For programs in the library, and new ones.
LibraryNames = Annotated[
    tuple[str, ...],
    Option("A name, a folder of the library, or a pattern, e.g. 'munmap-*'.", "NAME", positional=True),
]
ForceOf = Annotated[bool, Option("Overwrite existing files.")]

# For campaigns.
TrustOf = Annotated[
    bool, Option("Run policy files (FILE.py) named in the file. Review them first: this executes code.")
]
CAMPAIGN_FILE = Option("The campaign file.", "CAMPAIGN.toml", positional=True)
StoreOf = Annotated[
    str | None,
    Option(
        "The store of results: a file, or postgresql://USER@HOST/NAME. Default: $PFNLAB_STORE, "
        "else pfnlab.db.",
        "STORE",
        ("--store",),
    ),
]
CampaignName = Annotated[
    str | None,
    Option("Name of the campaign; optional if the store has only one.", "CAMPAIGN", positional=True),
]
ShardsOf = Annotated[
    int | None,
    JOBS._replace(help="Parallel shards, at most eight per processor. Default: one per processor."),
]
ShardClusterOf = Annotated[
    str | None, Option("Run shards on the workers of this dask scheduler.", "ADDRESS", ("--cluster",))
]
