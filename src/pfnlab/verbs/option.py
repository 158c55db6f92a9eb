"""Options: how a field of a request is given from outside, and those with the same meaning at every verb."""

# Imported before every command, so nothing here may be slow to import.

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec

#: Takes a line of progress.
Say = Callable[[str], None]


class Request(msgspec.Struct, frozen=True):
    """The request of a verb."""


class Option(NamedTuple):
    """An option or argument of a verb, as an annotation of a field of its request.

    :param metavar: stands for its value
    :param names: how it is written; by default as its field, ``--every-order`` for ``every_order``
    :param min: the least number; *max*: the largest
    :param check: called with a value that was given; it raises Misuse for one that cannot be
    :param positional: whether it is an argument, which is given by its place
    """

    help: str
    metavar: str | None = None
    names: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    check: Callable[[Any], object] | None = None
    positional: bool = False

    def written(self, field: str) -> str:
        """The words by which the option of *field* is given, for messages."""
        if self.positional:
            return self.metavar or field
        return self.names[-1] if self.names else f"--{field.replace('_', '-')}"


def refuse_beside(
    request: Any, option: str, reason: str, *, takes: Iterable[str] = (), but: str = ""
) -> None:
    """Refuse the options of *request* that *option* would leave without effect.

    :param reason: what *option* does, for the message
    :param takes: the fields that go with it, its own too; all others are refused
    :param but: or the fields that are refused, with blanks between; all others go with it
    :raises Misuse: one of them was given, as far as its value says so
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
        raise Misuse(f"{option} {reason}: leave {' and '.join(refused)} out")


def _check_seconds(seconds: float) -> None:
    if not 0 <= seconds <= _MOST_SECONDS:
        from pfnlab.base.errors import Misuse

        raise Misuse(f"{seconds:g} is no number of seconds: write one up to {_MOST_SECONDS:,} (a year)")


_MOST_SECONDS = 366 * 24 * 60 * 60


def _check_jobs(jobs: int) -> None:
    from pfnlab.base.processes import check_jobs

    check_jobs(jobs)


#: Of an option that is a number of seconds: no wait without an end.
SECONDS = Option("", min=0, check=_check_seconds)

AS_JSON = Option("Print JSON.", names=("--json",))

ACCEL = Option(
    "What guests run with: KVM, QEMU's emulation (tcg, slower), or KVM where it works (auto).",
    "auto|kvm|tcg",
    ("--accel",),
)

JOBS = Option(
    "Processes at a time, at most eight a processor. Default: as many as processors.",
    "N",
    ("--jobs",),
    min=1,
    check=_check_jobs,
)

PROFILE = Option("What a qemu:BZIMAGE should behave like.", "SERIES", ("--profile",))

BUG = Option("Its number, A06, its CVE or its title.", "BUG", positional=True)

AsJson = Annotated[bool, AS_JSON]
ResumeOf = Annotated[Path | None, Option("Save the state in FILE, and resume from what is there.", "FILE")]
FindingsOf = Annotated[Path, Option("Where findings are filed.", "DIR")]
KnownOf = Annotated[
    tuple[Path, ...], Option("Findings that are known: counted only; may be given several times.", "DIR")
]
StopAfterOf = Annotated[int | None, Option("End after so many new findings.", "N", min=1)]
AccelOf = Annotated[str, ACCEL]
JobsOf = Annotated[int | None, JOBS]
ProfileOf = Annotated[str | None, PROFILE]
LookOf = Annotated[
    str | None,
    Option(
        "How kernels are looked at: in the guest's memory (nothing runs in the guest for it, so leaves "
        "of 1 GiB live), through /proc after each operation, or at the end only. Default: memory, or proc "
        "where the lens is not installed or a kernel has no types in it.",
        "memory|proc|end",
        ("--look",),
    ),
]
RandomPrograms = Annotated[int, Option("How many random programs.", "N", ("--programs",), min=1)]
SeedOf = Annotated[
    int, Option("What random numbers begin with: another N, other programs.", "N", ("--seed",))
]
DiscussionOf = Annotated[str | None, Option("Of this discussion alone: 004.", "DISCUSSION")]
RefreshOf = Annotated[bool, Option("Read the package lists again.")]
PageFile = Annotated[Path | None, Option("Append the page there.", "FILE", ("-o", "--output"))]
LitmusOf = Annotated[
    Path | None, Option("The programs of this folder, not those that come with pfnlab.", "DIR")
]
ReportFile = Annotated[Path | None, Option("Write the report there.", "FILE", ("-o", "--output"))]
ReportForm = Annotated[
    str | None,
    Option(
        "A file for a browser, or Markdown for a mail. Default: what the name of FILE ends in.",
        "html|md",
        ("--format",),
    ),
]
ReportTitle = Annotated[str | None, Option("The title of the report.", "TEXT", ("--title",))]
VerdictOf = Annotated[
    str | None, Option("Only these: differs, violated, holds ...", "VERDICT", ("--verdict",))
]
WithPrograms = Annotated[bool, Option("With their programs.", names=("--full",))]

# Of programs that come with pfnlab, and of new ones.
LibraryNames = Annotated[
    tuple[str, ...], Option("A name, a folder of them, or a pattern as 'munmap-*'.", "NAME", positional=True)
]
ForceOf = Annotated[bool, Option("Write over files that are there.")]

# Of campaigns.
TrustOf = Annotated[bool, Option("Run policies (FILE.py) that only the file names: read them first.")]
CAMPAIGN_FILE = Option("What to run.", "CAMPAIGN.toml", positional=True)
StoreOf = Annotated[
    str | None,
    Option(
        "Where results are kept: a file, or postgresql://USER@HOST/NAME. "
        "Default: $PFNLAB_STORE, else pfnlab.db.",
        "STORE",
        ("--store",),
    ),
]
CampaignName = Annotated[
    str | None, Option("Its name; may be left out where the store has one only.", "CAMPAIGN", positional=True)
]
ShardsOf = Annotated[
    int | None,
    JOBS._replace(
        help="Shards that run at a time, at most eight a processor. Default: as many as processors."
    ),
]
ShardClusterOf = Annotated[
    str | None, Option("Run shards on the workers of a dask scheduler there.", "ADDRESS", ("--cluster",))
]
