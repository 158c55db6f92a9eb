"""Replay a counterexample or a finding, step by step.

Exit codes: 0 same result as recorded, 1 different result, 2 misuse, 3 a guest was lost.
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
            "Output of check --save or check --json, the folder of a finding, or the words of a path "
            "printed by check.",
            "FILE|PATH",
            positional=True,
        ),
    ]
    on: Annotated[
        tuple[str, ...], Option("Replay on this machine instead of the recorded one (repeatable).", "MACHINE")
    ] = ()
    as_json: AsJson = False
    accel: AccelOf = "tcg"
    trust: TrustOf = False
    profile: ProfileOf = None


def perform(request: ReplayRequest, say: Say) -> Iterator[ReplayResult]:
    """Replay the recorded steps on every machine; Misuse if there is nothing to replay."""
    from pfnlab.hunt.fuzz.replaying import Replaying
    from pfnlab.programs.runs.machine import Accel

    replaying = Replaying(request.on, Accel(request.accel), request.trust, request.profile)
    yield from replaying.results(request.what)
