"""The kinds of results a document is made of, by the ``format`` they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from pfnlab.campaign.listing import ListedResults
from pfnlab.checker.check import CheckResult
from pfnlab.checker.differ import DifferResult
from pfnlab.checker.replay import ReplayResult
from pfnlab.document.parts import campaign, check, matrix, meeting, results, run, trial
from pfnlab.document.parts.part import Part
from pfnlab.fuzz.filing import FindingFolder
from pfnlab.fuzz.summary import FuzzResult
from pfnlab.meeting.meet import MeetingResult
from pfnlab.meeting.trial import TrialResult
from pfnlab.programs.recorded.matrix import MatrixResult
from pfnlab.report.policies_matrix import PoliciesResult
from pfnlab.report.run_json import PrintedRun


class ResultKind(msgspec.Struct, frozen=True):
    """One kind of results.

    :param verb: what prints it
    :param content: its form
    :param part: says what is to be read of it
    """

    verb: str
    content: type[Any]
    part: Callable[[Any], Part]


_RUN = ResultKind("pfnlab run --json", PrintedRun, run.part)

KINDS: dict[str, ResultKind] = {
    "pfnlab-run/1": _RUN,
    "pfnlab-check/1": ResultKind("pfnlab check --json", CheckResult, check.part),
    "pfnlab-differ/1": ResultKind("pfnlab check --differ --json", DifferResult, check.differ_part),
    "pfnlab-matrix/1": ResultKind("pfnlab matrix --json", MatrixResult, matrix.part),
    "pfnlab-policies/1": ResultKind("pfnlab policies matrix --json", PoliciesResult, matrix.policies_part),
    "pfnlab-meeting/1": ResultKind(
        "pfnlab kernels meet --json, pfnlab kernels diff --json", MeetingResult, meeting.part
    ),
    "pfnlab-fuzz/2": ResultKind("pfnlab fuzz --json", FuzzResult, campaign.part),
    "pfnlab-finding/1": ResultKind("pfnlab fuzz --findings FOLDER", FindingFolder, campaign.finding_part),
    "pfnlab-trial/1": ResultKind("pfnlab try --json", TrialResult, trial.part),
    "pfnlab-results/1": ResultKind("pfnlab results --json", ListedResults, results.part),
    "pfnlab-replay/1": ResultKind("pfnlab replay --json", ReplayResult, trial.replay_part),
}


def takes() -> str:
    """What a report is made of, for messages."""
    verbs = dict.fromkeys(kind.verb for name, kind in KINDS.items() if name != "pfnlab-finding/1")
    return f"a report takes what {', '.join(verbs)} print, and folders of findings"
