"""Options: how a request field is given on the command line, and the options that several verbs share."""

# This is imported before every command: keep the import fast.

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, ClassVar, get_args, get_origin

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.verbs.verb_option import Option as Option

#: Takes a line of progress.
Say = Callable[[str], None]


class Request(msgspec.Struct, frozen=True):
    """The request of a verb. It refuses wrong values, and options that do not go together, with Misuse.

    :cvar gradual: whether the verb prints as it goes, so that its output must not wait for a pager
    """

    gradual: ClassVar[bool] = False

    def __post_init__(self) -> None:
        options = {one.field: one for one in options_in(type(self))}
        for one in self.given():
            one.check_value(getattr(self, one.field))
            if one.needs and getattr(self, one.needs) == options[one.needs].default:
                needed = f"{options[one.needs].name} {options[one.needs].metavar}".rstrip()
                raise Misuse(f"{one.name} needs {needed}: add it")
            self.refuse(one.name, [*filter(one.excludes_field, options)])

    def given(self) -> list[Option]:
        """Return the options that were given, as far as their values show."""
        return [one for one in options_in(type(self)) if getattr(self, one.field) != one.default]

    def refuse(self, option: str, fields: Collection[str]) -> None:
        """Refuse the options of *fields*, which have no effect with *option*, with Misuse."""
        if others := " and ".join(one.name for one in self.given() if one.field in fields):
            raise Misuse(f"{option} excludes {others}: drop {others}")


def options_in(request: type[msgspec.Struct]) -> tuple[Option, ...]:
    """Return the options and arguments of a request, in the order of its fields."""
    found = []
    for field in msgspec.structs.fields(request):
        form, *notes = get_args(field.type) if get_origin(field.type) is Annotated else (field.type,)
        for note in notes:
            if isinstance(note, Option):
                names = () if note.positional else note.names or (f"--{field.name.replace('_', '-')}",)
                metavar = "" if form is bool else note.metavar or field.name.upper()
                found.append(
                    note._replace(
                        **{"names": names, "metavar": metavar, "field": field.name, "form": form},
                        **{"required": field.required, "default": field.default},
                    )
                )
    return tuple(found)


def _check_seconds(seconds: float) -> None:
    if not 0 <= seconds <= _MOST_SECONDS:
        raise Misuse(f"{seconds:g} is not a number of seconds: write one up to {_MOST_SECONDS:,} (a year)")


_MOST_SECONDS = 366 * 24 * 60 * 60


def _check_jobs(jobs: int) -> None:
    from pfnlab.base.processes import check_jobs

    check_jobs(jobs)


#: An option in seconds: every wait has a limit.
SECONDS = Option("", "S", min=0, check=_check_seconds)

JOBS = Option(
    "Parallel processes, at most eight per processor. Default: one per processor.",
    "N",
    min=1,
    check=_check_jobs,
)

BUG = Option("Bug number (A06), CVE or title.", "BUG", positional=True)

AsJson = Annotated[bool, Option("Print JSON.", names=("--json",))]
AccelOf = Annotated[
    str, Option("Guest CPU: KVM, QEMU's emulation (tcg, slower), or KVM if it works (auto).", "auto|kvm|tcg")
]
JobsOf = Annotated[int | None, JOBS]
ProfileOf = Annotated[str | None, Option("Model for a qemu:BZIMAGE.", "SERIES")]
LookOf = Annotated[
    str | None,
    Option(
        "Where kernel state is read: from guest memory (runs nothing in the guest, so 1 GiB "
        "mappings survive), through /proc after each operation, or only at the end. Default: "
        "memory, or proc if the lens is not installed or the kernel has no type information.",
        "memory|proc|end",
    ),
]
RandomPrograms = Annotated[int, Option("Number of random programs.", "N", min=1)]
SeedOf = Annotated[int, Option("Random seed.", "N")]
DiscussionOf = Annotated[str | None, Option("Show only this discussion, e.g. 004.", "DISCUSSION")]
RefreshOf = Annotated[bool, Option("Fetch the package lists again.")]
LitmusOf = Annotated[Path | None, Option("Use the programs in this folder instead of the library.", "DIR")]
PolicyFiles = Annotated[
    tuple[str, ...], Option("Policy file to use instead of each model's own policy.", "FILE.py")
]
PageFile = Annotated[Path | None, Option("Append the page to this file.", "FILE", ("-o", "--output"))]
OutputFile = Annotated[
    Path | None,
    Option("Write the output to this file, completely or not at all.", "FILE", ("-o", "--output")),
]

# For programs in the library, and new ones.
ProgramWord = Annotated[
    str, Option("A name (`pfnlab litmus list`), a file, or - for standard input.", "PROGRAM", positional=True)
]
LibraryNames = Annotated[
    tuple[str, ...],
    Option("A name, a folder of the library, or a pattern, e.g. 'munmap-*'.", "NAME", positional=True),
]
ForceOf = Annotated[bool, Option("Overwrite existing files.")]

# For campaigns.
TrustOf = Annotated[
    bool, Option("Run policy files (FILE.py) named in the file. Review them first: this executes code.")
]
StoreOf = Annotated[
    str | None,
    Option(
        "The store of results: a file, or postgresql://USER@HOST/NAME. Default: $PFNLAB_STORE, "
        "else pfnlab.db.",
        "STORE",
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
    str | None, Option("Run shards on the workers of this dask scheduler.", "ADDRESS", excludes="jobs")
]
