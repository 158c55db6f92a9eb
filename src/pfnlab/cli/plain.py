"""The common parts of all groups of verbs: their form, and options with the same meaning everywhere."""

from typing import Annotated, Any

import typer

PLAIN: dict[str, Any] = {
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
