"""The output of ``--json`` has the form that ``pfnlab help --schema`` prints; anything else is refused."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jsonschema
import pytest
from asking import Ask
from for_each import for_each

from pfnlab.base.result import Made
from pfnlab.base.schema_files import FORMS, schema, schema_text
from pfnlab.campaign.campaigns import ListedResults, StatusResult, status_of
from pfnlab.campaign.store.rows import HostClass, Shard, Sighting, StoredResult
from pfnlab.campaign.store.store import Store
from pfnlab.cli.verbs import verb_pages
from pfnlab.hunt.fuzz.signature import Signature
from pfnlab.hunt.meeting.explain import Explanation, ShownDifference
from pfnlab.hunt.meeting.holding import KernelDifference
from pfnlab.hunt.meeting.meet import MeetingResult
from pfnlab.hunt.meeting.trial import ShownCause, TrialResult
from pfnlab.kernel.policies.known_kernels import HeldCount
from pfnlab.programs.lang.load import load_program

ROOT = Path(__file__).parents[2]
MIDDLE = "litmus/unmapping/munmap-middle.pfn"
PATH = "pfnlab path 1: model:6.1 small no_leak 0/0rne/1dzm/0alu"

#: Two kernels, and the folder of a few programs that differ on them.
LOCKED = ("6.12.107", "6.12.117", "--litmus", "litmus/locking")

#: A command for every verb that needs no kernel.
COMMANDS = {
    "run": ("run", MIDDLE, "--on", "model:6.1", "--on", "model:7.3", "--json"),
    "fmt": ("fmt", "--check", "--format", "json", MIDDLE),
    "check": ("check", "--on", "model:6.1", "--scope", "small", "--property", "no_leak", "--json"),
    "bisect": ("bisect", "munmap-middle", "--good", "7.3", "--bad", "6.1", "--json"),
    "kernels diff --model": ("kernels", "diff", "--model", *LOCKED, "--json"),
    "review": ("review", "mseal=off", "--seconds", "0", "--json"),
    "replay": ("replay", *PATH.split(), "--json"),
    "fuzz": ("fuzz", "--on", "model:6.1", "--on", "model:7.2", "--seed", "3", "--programs", "6", "--json"),
    "litmus list": ("litmus", "list", "--grep", "fork", "--json"),
    "discussions list": ("discussions", "list", "--json"),
    "discussions list --claims": ("discussions", "list", "--discussion", "004", "--json"),
    "discussions by": ("discussions", "by", "Zijlstra", "--json"),
    "discussions show": ("discussions", "show", "004.22", "--json"),
    "discussions show T2": ("discussions", "show", "T2", "--json"),
    "discussions show R11": ("discussions", "show", "R11", "--json"),
    "discussions review": ("discussions", "review", "R47", "--json"),
    "bugs list": ("bugs", "list", "--json"),
    "bugs find": ("bugs", "find", "04c35ab3bdae", "--json"),
    "bugs show": ("bugs", "show", "A06", "--json"),
    "bugs affects": ("bugs", "affects", "6.12.25", "--all", "--json"),
    "bugs run": ("bugs", "run", "CVE-2024-35877", "--json"),
    "inspect": ("inspect", "src/pfnlab/explorer/page/munmap-middle-6.1.bundle", "--json"),
    "explain": ("explain", "x86/PAT: X:7 freeing invalid memtype [mem 0xf8004000-0xf8007fff]", "--json"),
    "kernels sizes": ("kernels", "sizes", "--json"),
}


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are said from the root of a clone."""
    monkeypatch.chdir(ROOT)


def verbs() -> Iterator[str]:
    """Every verb that has ``--json`` or ``--format json``."""

    for page in verb_pages():
        if any("--json" in row.names or "|json" in row.metavar for row in page.options):
            yield page.name


EXPLANATION = Explanation(("free_shrinks",), ("04c35ab3bdae",))


def difference() -> KernelDifference:
    """A difference that one program shows."""
    signature = Signature("difference", "log", "munmap", (("model:6.1",), ("qemu:6.1",)), "a / b")
    return KernelDifference(signature, ("munmap-middle",), load_program(ROOT / MIDDLE), ())


def trial() -> dict[str, Any]:
    """A trial with something in every list, as an object."""
    cause = ShownCause.of((difference(),), (EXPLANATION,))
    tried = TrialResult(
        made=Made.now(),
        tree="linux",
        built="7.2.13 of linux",
        kernel="7.2.13",
        model="model:7.2,flush=end_vma",
        policies=("flush=end_vma",),
        patches=("mm: a (one.patch)",),
        seed=7,
        word="differs",
        says="1 cause of 1 difference in 3 programs, 12 steps.",
        held={"random": HeldCount(3, 12, seed=7)},
        causes=(cause,),
        meant=(cause,),
        verdicts=("no_leak",),
        unstable=("a",),
    )
    return json.loads(tried.as_json())


def meeting() -> dict[str, Any]:
    """A meeting with something in every list, as an object."""
    found = MeetingResult(
        made=Made.now(),
        machines=("model:6.1", "qemu:6.1"),
        kernels=("linux 6.1",),
        held={"litmus": HeldCount(3, 12, 1, 1, 1), "random": HeldCount(3, 12, seed=7)},
        differences=(ShownDifference.of(difference(), (EXPLANATION,)),),
        causes=((0,),),
        commits=((),),
        unexplained=0,
        unstable=("b",),
        since="6.1",
        titles=("mm: a",),
        verdicts=("no_leak",),
    )
    return json.loads(found.as_json())


def campaign(verb: str) -> dict[str, Any]:
    """A campaign with an isolated shard and a result, as *verb* prints it."""
    host = HostClass("a processor", 2, 4096)
    one = StoredResult(
        kind="verdict", task="check", machines=("model:7.2",), verdict="holds", subject="split"
    )
    shards = [
        Shard(number=number, digest=f"{number}", task="meet", work={"kernel": "6.12"}, seconds=5.0)
        for number in range(2)
    ]
    with TemporaryDirectory() as folder, Store(f"{folder}/results.db") as store:
        store.begin("c", {"form": 1, "name": "c"}, shards)
        store.finish(Sighting("c", 0, "0.1.0", {"model:7.2": "7.2"}, 1, host), [one])
        store.failed("c", 1, "it crashed", lost=False, most=1, most_lost=1)
        statuses = [status_of(store, "c")]
        if verb == "campaign status":
            content = StatusResult(made=Made.now(), store="results.db", campaigns=tuple(statuses)).as_json()
        else:
            content = ListedResults.of(store.results(), "results.db", statuses).as_json()
    return json.loads(content)


#: An object for every verb that needs a kernel, a store or minutes.
OBJECTS = {
    **{verb: partial(campaign, verb) for verb in ("campaign results", "campaign status")},
    "kernels meet": meeting,
    "kernels diff": meeting,
    "try": trial,
}


def complaints(verb: str, content: object) -> list[str]:
    """What a verb's schema refuses in *content*."""
    return [error.message for error in jsonschema.Draft202012Validator(schema(verb)).iter_errors(content)]


def test_every_verb_with_json_has_a_schema() -> None:
    """And no other, but for those whose options or numbers make another form."""
    others = {"kernels diff --model", "discussions list --claims"}

    assert {*verbs(), *others, "discussions show T2", "discussions show R11"} == set(FORMS)


@for_each("verb", FORMS)
def test_it_is_a_schema(verb: str) -> None:
    """Of the version it names."""
    jsonschema.Draft202012Validator.check_schema(schema(verb))


@pytest.mark.parametrize("verb", FORMS)
def test_a_verb_prints_its_form(verb: str, ask: Ask, tmp_path: Any) -> None:
    """And a key more, or one less, is refused."""
    if verb in COMMANDS:
        more = ("--findings", tmp_path) if verb == "fuzz" else ()
        content = json.loads(ask(*COMMANDS[verb], *more).out)
    else:
        content = OBJECTS[verb]()

    assert [] == complaints(verb, content)
    assert [] != complaints(verb, {**content, "another": 1})
    if schema(verb).get("required") or "$ref" in schema(verb):
        less = copy.copy(content)
        del less[next(iter(less))]
        assert [] != complaints(verb, less)


def test_a_schema_is_printed(ask: Ask) -> None:
    """By the words of its verb."""
    assert schema_text("kernels meet") == ask("help", "--schema", "kernels", "meet").out


def test_a_verb_without_a_form_is_misuse(ask: Ask) -> None:
    """It says which have one."""
    answer = ask("help", "--schema", "new")

    assert (2, True) == (
        answer.code,
        answer.err.startswith("pfnlab: new prints no JSON: there are schemas for run,"),
    )
