"""The parts of a bug's entry: who can reach it, what became of a claim, and the runs that show it."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class BugReach(StrEnum):
    """The ways to bring a bug about.

    A user needs a file that everybody may open; privilege is that of /dev/mem, sysfs and vfio.
    A fault is an allocation that fails, or real memory pressure; a driver does something of its own.
    """

    USER = "user"
    PRIVILEGED = "privileged"
    FAULT = "fault"
    DRIVER = "driver"
    HARDWARE = "hardware"


class SettledWord(StrEnum):
    """The answers to whether an entry is true."""

    CONFIRMED = "confirmed"
    REFUTED = "refuted"
    UNDECIDED = "undecided"


class ShownBy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A program that shows a bug, with a machine that has it and one that does not.

    :param program: its name in litmus/, or ``history/NAME``
    :param before: the machine that has the bug: ``model:6.1.84``, ``model:6.1,without=COMMIT``
    :param after: the machine without it: ``model:6.1.85``
    :param field: the field of a step in which to look for the sign, where they part earlier by something else
    :param needs: another bug, without which the program does not show this one
    """

    program: str
    before: str
    after: str
    field: str = ""
    needs: str = ""
