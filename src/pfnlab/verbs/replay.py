"""Go through a counterexample or a finding again, step by step.

Exit codes: 0 it shows the same as recorded, 1 something else, 2 misuse, 3 a guest was lost.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from pfnlab.verbs.option import AccelOf, AsJson, Option, ProfileOf, Request, Say, TrustOf

if TYPE_CHECKING:
    from pfnlab.checker.replay import ReplayResult


class ReplayRequest(Request, frozen=True, kw_only=True):
    what: Annotated[
        tuple[str, ...],
        Option(
            "What check --save or check --json wrote, the folder of a finding, "
            "or the words of a path as check prints it.",
            "FILE|PATH",
            positional=True,
        ),
    ]
    on: Annotated[
        tuple[str, ...], Option("Instead of the machine it was found on; several are possible.", "MACHINE")
    ] = ()
    as_json: AsJson = False
    accel: AccelOf = "tcg"
    trust: TrustOf = False
    profile: ProfileOf = None


def perform(request: ReplayRequest, say: Say) -> Iterator[ReplayResult]:
    """Replay what was recorded on every machine; Misuse if nothing that could be replayed was."""
    from pfnlab.hunt.fuzz.replaying import Replaying
    from pfnlab.programs.runs.machine import accel_named

    replaying = Replaying(request.on, accel_named(request.accel), request.trust, request.profile)
    yield from replaying.results(request.what)
