"""The severity of a bug, by one rule: who can reach it, and what is lost.

``high``: it has a CVE number, or any user can access memory of others or stop the kernel.
``medium``: any user can cause anything else, or a privileged process can cause either of these, or a loss
that the next user of the memory has until the machine is rebooted.
``low``: everything else, and whatever is neither a bug nor a regression.
"""

from typing import Literal

from pfnlab.kernel.bugs.known_bugs import Bug, BugReach
from pfnlab.kernel.bugs.loss import Loss, losses

Severity = Literal["high", "medium", "low"]
#: The severities, the highest first.
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")
#: Who can reach a bug, the nearest first.
_REACHES = (BugReach.USER, BugReach.PRIVILEGED, BugReach.HARDWARE, BugReach.DRIVER, BugReach.FAULT)
_USER, _PRIVILEGED = 0, 1


def severity(one: Bug) -> Severity:
    """The severity of a bug."""
    if not one.kind.is_fault:
        return "low"
    loss, reach = loss_of(one), reach_of(one)
    if one.cve or (reach == _USER and loss <= Loss.STOP):
        return "high"
    return "medium" if reach == _USER or (reach == _PRIVILEGED and loss <= Loss.LASTING) else "low"


def loss_of(one: Bug) -> Loss:
    """The worst loss that a bug causes, according to the properties that it violates."""
    return min((losses()[name] for name in one.breaks), default=Loss.PASSING)


def reach_of(one: Bug) -> int:
    """The rank of those who can reach a bug most easily: 0 for any user."""
    return min((_REACHES.index(who) for who in one.reach), default=len(_REACHES))
