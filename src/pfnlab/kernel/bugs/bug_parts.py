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


class HeldBy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A program whose answer is a rule: it has no machine before and after.

    :param program: its name in litmus/, or ``history/NAME``
    :param on: the machines on which the rule holds: ``model:6.1``
    :param op: the step, as the program prints it: ``madvise a dodump``; the first of that text
    :param field: the field of that step that the rule is about: ``result``
    :param says: its lines, with commas between; ``-`` where it has none
    """

    program: str
    on: tuple[str, ...]
    op: str
    field: str
    says: str
