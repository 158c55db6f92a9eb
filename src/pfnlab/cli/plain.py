"""The common parts of all groups of verbs: their form, and options with the same meaning everywhere."""

from pathlib import Path
from typing import Annotated, Any

import typer

PLAIN: dict[str, Any] = {
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
