"""The kinds of results a document is made of, by the ``format`` they name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from pfnlab.checker.check import CheckResult
from pfnlab.checker.differ import DifferResult
from pfnlab.checker.replay import ReplayResult
from pfnlab.document import (
    campaign_part,
    check_part,
    matrix_part,
    meeting_part,
    results_part,
    run_part,
    trial_part,
)
from pfnlab.document.part import Part
from pfnlab.fuzz.filing import FindingFolder
from pfnlab.fuzz.hunt_state import FuzzResult
from pfnlab.meeting.meet import MeetingResult
from pfnlab.meeting.trial import TrialResult
from pfnlab.programs.recorded.matrix import MatrixResult
from pfnlab.report.campaigns import ListedResults
from pfnlab.report.policies_matrix import PoliciesResult
from pfnlab.report.run_json import PrintedRun
from pfnlab.result import Printed


class ResultKind(msgspec.Struct, frozen=True):
    """One kind of results.

    :param verb: what prints it
    :param content: its form
    :param part: says what is to be read of it
    """

    verb: str
    content: type[Printed]
    part: Callable[[Any], Part]


_FINDING = ResultKind("pfnlab fuzz --findings FOLDER", FindingFolder, campaign_part.finding_part)

KINDS: dict[str, ResultKind] = {
    kind.content.form(): kind
    for kind in (
        ResultKind("pfnlab run --json", PrintedRun, run_part.part),
        ResultKind("pfnlab check --json", CheckResult, check_part.part),
        ResultKind("pfnlab check --differ --json", DifferResult, check_part.differ_part),
        ResultKind("pfnlab matrix --json", MatrixResult, matrix_part.part),
        ResultKind("pfnlab policies matrix --json", PoliciesResult, matrix_part.policies_part),
        ResultKind(
            "pfnlab kernels meet --json, pfnlab kernels diff --json", MeetingResult, meeting_part.part
        ),
        ResultKind("pfnlab fuzz --json", FuzzResult, campaign_part.part),
        _FINDING,
        ResultKind("pfnlab try --json", TrialResult, trial_part.part),
        ResultKind("pfnlab results --json", ListedResults, results_part.part),
        ResultKind("pfnlab replay --json", ReplayResult, trial_part.replay_part),
    )
}


def takes() -> str:
    """What a report is made of, for messages."""
    verbs = ", ".join(kind.verb for kind in KINDS.values() if kind is not _FINDING)
    return f"a report takes what {verbs} print, and folders of findings"
