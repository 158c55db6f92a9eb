"""Try every sequence of a scope's operations on models, and check properties of the states reached.

Exit codes: 0 all properties hold, 1 one is violated, 2 misuse, 3 the search was cut off.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pfnlab.base.errors import Misuse
from pfnlab.verbs.option import SECONDS, AccelOf, JobsOf, Option, PolicyFiles, ProfileOf, Request, Say

if TYPE_CHECKING:
    from pfnlab.checker.check import CheckResult
    from pfnlab.checker.limits import CheckLimits
    from pfnlab.programs.model.model_machine import ModelMachine


class CheckRequest(Request, frozen=True, kw_only=True):
    on: Annotated[tuple[str, ...], Option("model:SERIES[,SEAM=POLICY...] (repeatable).", "MODEL")] = ()
    scope: Annotated[
        str, Option("Operations to try: small, standard, race, wide, or a file.", "NAME|FILE")
    ] = "standard"
    properties: Annotated[
        tuple[str, ...],
        Option(
            "Check only this property, or the properties of a seam: tracker, flush, walker (repeatable).",
            "NAME",
            ("--property",),
        ),
    ] = ()
    depth: Annotated[int | None, Option("Longest sequence of operations; 0: no limit.", "N", min=0)] = None
    states: Annotated[int | None, Option("Stop after N states.", "N", min=1)] = None
    seconds: Annotated[float | None, SECONDS._replace(help="Stop after this many seconds.")] = None
    random: Annotated[
        int | None,
        Option(
            "Run N random walks instead of an exhaustive search.", "N", min=1, excludes="states every_order"
        ),
    ] = None
    seed: Annotated[int, Option("Random seed for --random.", "N", needs="random")] = 0
    every_order: Annotated[bool, Option("Disable partial-order reduction (races).")] = False
    confirm: Annotated[
        tuple[str, ...], Option("Also run every counterexample on this machine, e.g. qemu:6.1.", "MACHINE")
    ] = ()
    save: Annotated[Path | None, Option("Save every counterexample as a program.", "FOLDER")] = None
    policy: PolicyFiles = ()
    jobs: JobsOf = None
    cluster: Annotated[
        str | None,
        Option(
            "Search on the workers of a dask scheduler, e.g. tcp://HOST:8786.", "ADDRESS", excludes="jobs"
        ),
    ] = None
    as_json: Annotated[bool, Option("Print one JSON object per model.", names=("--json",))] = False
    accel: AccelOf = "tcg"
    profile: ProfileOf = None


def perform(request: CheckRequest, say: Say) -> Iterator[CheckResult]:
    """Check every model; save each counterexample after its result has been consumed.

    :raises Misuse: if there is no such model, scope or property
    """
    from pfnlab.checker.scopes.properties import questions
    from pfnlab.checker.scopes.scope import load_scope
    from pfnlab.lab.running.confirm import confirm
    from pfnlab.programs.runs.machine import Accel
    from pfnlab.programs.runs.named_machines import name_machines, with_policies

    limits, accel = limits_of(request), Accel(request.accel)
    scope = load_scope(request.scope)
    specs = with_policies(request.on, request.policy)
    selection = questions(list(request.properties), scope)
    machines = [_model(spec) for spec in specs]
    name_machines(request.confirm, request.profile)
    if request.cluster is not None:
        from pfnlab.campaign.cluster.checking import check_all_on_cluster

        found = check_all_on_cluster(request.cluster, machines, scope, selection, limits)
    else:
        from pfnlab.base.processes import processors
        from pfnlab.checker.check_all import check_all

        found = check_all(machines, scope, selection, limits, jobs=request.jobs or processors())
    for checked in found:
        yield confirm(checked, request.confirm, accel)
        texts = {answer.name: answer.text for answer in checked.answers if answer.text is not None}
        _save(request, texts, say)


def limits_of(request: CheckRequest) -> CheckLimits:
    """Return the limits set by the options of *request*."""
    from pfnlab.checker.limits import Exhaustive, Walks

    depth, seconds = request.depth, request.seconds
    if request.random is not None:
        return Walks(count=request.random, seed=request.seed, depth=depth, seconds=seconds)
    return Exhaustive(
        depth=depth,
        states=request.states,
        seconds=seconds,
        every_order=request.every_order,
    )


def _model(spec: str) -> ModelMachine:
    from pfnlab.programs.model.model_machine import model_of
    from pfnlab.programs.runs.named_machines import name_machine

    named = name_machine(spec)
    if named.kind != "model":
        raise Misuse(
            f"{spec} cannot be searched: check takes models; to run counterexamples there, add "
            f"--confirm {spec}"
        )
    return model_of(named)


def _save(request: CheckRequest, texts: dict[str, str], say: Say) -> None:
    """Write each counterexample as a program, if the request asks for that."""
    if request.save is None:
        return
    from pfnlab.base.files import write_whole, writing
    from pfnlab.base.path_walk import make_folder

    for name, text in texts.items():
        path = request.save / f"{name}.pfn"
        with writing(path):
            make_folder(path.parent)
            write_whole(path, text)
        say(f"{path} written")
