"""Print the shell script that completes machines, versions, scopes, properties, policies and programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, Request, Say

#: The shells with a completion script.
SHELLS = ("bash", "zsh", "fish")


class CompletionRequest(Request, frozen=True, kw_only=True):
    shell: Annotated[str, Option("bash, zsh or fish.", "SHELL", positional=True)]


def perform(request: CompletionRequest, say: Say) -> Iterator[PlainText]:
    """Return the script; Misuse if the shell has none."""
    from importlib.resources import files

    shell = request.shell
    if shell not in SHELLS:
        raise Misuse(f"no completion for {shell!r}: write {', '.join(SHELLS[:-1])} or {SHELLS[-1]}")
    script = files("pfnlab.verbs").joinpath("shells", f"pfnlab.{shell}")
    yield PlainText(script.read_text(encoding="utf-8"))
