"""The kinds of results a document is made of, by the ``format`` they name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, get_type_hints

import msgspec

from pfnlab.base.result import Printed
from pfnlab.present.document.part import Part


class ResultKind(msgspec.Struct, frozen=True):
    """One kind of results.

    :param verb: the command that prints it
    :param place: the module, without its ``_part``, and the function there that makes the part; imported when
        it is needed
    """

    verb: str
    place: str

    @property
    def part(self) -> Callable[[Any], Part]:
        """Makes the part of a result."""
        module, _, name = self.place.partition(".")
        part: Callable[[Any], Part] = getattr(import_module(f"pfnlab.present.document.{module}_part"), name)
        return part

    @property
    def content(self) -> type[Printed]:
        """The structure of its results, of which the part is made."""
        content: type[Printed] = get_type_hints(self.part)["content"]
        return content


#: The form of the folders in which findings are filed.
FINDING = "pfnlab-finding/1"

KINDS = {
    "pfnlab-run/1": ResultKind("pfnlab run --json", "run.part"),
    "pfnlab-check/1": ResultKind("pfnlab check --json", "check.part"),
    "pfnlab-differ/1": ResultKind("pfnlab check --differ --json", "check.differ_part"),
    "pfnlab-review/1": ResultKind("pfnlab review --json", "review.part"),
    "pfnlab-policies/1": ResultKind("pfnlab policies matrix --json", "policies.part"),
    "pfnlab-meeting/1": ResultKind("pfnlab kernels meet --json, pfnlab kernels diff --json", "meeting.part"),
    "pfnlab-bisect/1": ResultKind("pfnlab bisect --json", "bisect.part"),
    "pfnlab-rules/1": ResultKind("pfnlab kernels diff --model --json", "rules.part"),
    "pfnlab-fuzz/2": ResultKind("pfnlab fuzz --json", "campaign.part"),
    FINDING: ResultKind("pfnlab fuzz --findings FOLDER", "campaign.finding_part"),
    "pfnlab-trial/1": ResultKind("pfnlab try --json", "trial.part"),
    "pfnlab-claim/1": ResultKind("pfnlab discussions show --json", "claims.part"),
    "pfnlab-bugs-affects/1": ResultKind("pfnlab bugs affects --json", "bugs.affects_part"),
    "pfnlab-bug-run/1": ResultKind("pfnlab bugs run --json", "bugs.part"),
    "pfnlab-inspection/1": ResultKind("pfnlab inspect --json", "inspection.part"),
    "pfnlab-explanation/1": ResultKind("pfnlab explain --json", "explanation.part"),
    "pfnlab-results/1": ResultKind("pfnlab results --json", "results.part"),
    "pfnlab-replay/1": ResultKind("pfnlab replay --json", "trial.replay_part"),
}


def part_of(result: Printed) -> Part:
    """The part of a result."""
    return KINDS[result.form()].part(result)


def takes() -> str:
    """The results a report is made of, for messages."""
    verbs = ", ".join(kind.verb for form, kind in KINDS.items() if form != FINDING)
    return f"a report takes what {verbs} print, and folders of findings"
