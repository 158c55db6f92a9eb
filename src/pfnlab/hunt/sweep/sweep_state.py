"""The state of a sweep and its file: a letter for each cell that is done, and what was found."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta

from pfnlab.base.result import Count
from pfnlab.hunt.fuzz.call_kinds import Vocabulary
from pfnlab.hunt.fuzz.causes import Weighed
from pfnlab.hunt.fuzz.hunt_state import HuntState, StoredState
from pfnlab.hunt.fuzz.rounds import Looks
from pfnlab.hunt.fuzz.signature import LOST, MODELS_OWN, VIOLATION, Signature
from pfnlab.hunt.sweep.swept_cells import cells_digest
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel

FORMAT = "pfnlab-sweep-state/1"

#: The letters of a cell with their meanings, the one that is written where several hold first.
LETTERS: dict[str, str] = {
    "A": "an alarm of a kernel, new",
    "V": "a property that a kernel breaks, new",
    "L": "a machine that was lost, new",
    "D": "a difference, new",
    "~": "a difference that did not show again",
    "a": "an alarm of a kernel that is a known finding",
    "v": "a broken property that is a known finding",
    "l": "a lost machine that is a known finding",
    "d": "a difference that is a known finding",
    "k": "a property broken for a known reason",
    "-": "not runnable on a machine",
    "?": "no rule of the model: not compared, kernels judged",
    ".": "all machines agree, and nothing is broken",
}

AGREES, UNDECIDED, NOT_RUNNABLE, KNOWN_ROW, UNSTABLE = ".", "?", "-", "k", "~"

#: The letter of a cell that was not run.
NOT_RUN = " "

#: The letters of findings, new and known, and those in which there is nothing to be looked at.
NEW, KNOWN, QUIET = frozenset("AVLD~"), frozenset("avld"), frozenset(AGREES + NOT_RUN)


class ShownCell(msgspec.Struct, frozen=True):
    """A cell in which something was found.

    :param cell: its number in the scope
    :param letter: what happened
    :param says: what was found, in words: signatures, and why properties are broken
    """

    cell: Count
    letter: str
    says: tuple[str, ...]


class SweepState(HuntState, kw_only=True):
    """The state of a sweep, complete enough to resume it.

    :ivar scope: the name of the scope
    :ivar digest: of the programs of its cells
    :ivar first: the number of the first cell; *end*: of that behind the last
    :ivar letters: one for each cell that is done
    :ivar shown: the cells in which something was found
    :ivar kernels: the exact kernel or profile behind each machine, by name
    """

    scope: str
    digest: str
    first: Count
    end: Count
    letters: Annotated[str, Meta(pattern=f"^[{re.escape(''.join(LETTERS) + NOT_RUN)}]*$")] = ""
    shown: list[ShownCell] = msgspec.field(default_factory=list)
    kernels: dict[str, str] = msgspec.field(default_factory=dict)
    format: str = FORMAT

    FORM: ClassVar[str] = FORMAT

    def __post_init__(self) -> None:
        """Refuse cells of another sweep.

        :raises ValueError: one that is shown is not among them
        """
        for one in self.shown:
            if not self.first <= one.cell < self.end:
                raise ValueError(f"cell {str(one.cell)[:20]} is none of {self.first}:{self.end}")

    @property
    def cells(self) -> int:
        """How many cells it is."""
        return self.end - self.first

    def settled(self, program: Program, weighed: Mapping[LookLevel, Weighed]) -> None:
        """Note one cell, behind what a hunt has done for it.

        :param weighed: its runs
        """
        said: list[str] = []
        self.kernels |= {run.machine: run.kernel for told in weighed.values() for run in told.runs}
        letters = {self._letter_of_reason(weighed)}
        signatures = {signature: None for told in weighed.values() for signature in told.signatures}
        for signature in signatures:
            letters.add(self._letter_of(signature))
            said.append(str(signature))
        broken = (violation for told in weighed.values() for violation in told.broken)
        for why in dict.fromkeys(violation.known for violation in broken if violation.known):
            letters.add(KNOWN_ROW)
            said.append(why)
        letter = next(letter for letter in LETTERS if letter in letters)
        self.letters += letter
        if said:
            self.shown.append(ShownCell(self.first + self.next, letter, tuple(said)))

    def _letter_of_reason(self, weighed: Mapping[LookLevel, Weighed]) -> str:
        reasons = [told.reason for told in weighed.values()]
        if None in reasons or not reasons:
            return AGREES
        return (
            UNDECIDED if all(one is not None and one.kind in MODELS_OWN for one in reasons) else NOT_RUNNABLE
        )

    def _letter_of(self, signature: Signature) -> str:
        """The letter of what a cell showed."""
        kinds = {VIOLATION: "v", LOST: "l", "alarm": "a"}
        letter = kinds.get(signature.kind, "d")
        known = set(self.known_keys)
        following = {key for one in known & self.findings.keys() for key in self.findings[one].with_it}
        if signature.key in known | following:
            return letter
        with_it = {key for finding in self.findings.values() for key in finding.with_it}
        return letter.upper() if signature.key in self.findings.keys() | with_it else UNSTABLE


def begun(
    machines: list[str], scope: str, first: int, end: int, looking: Looks, known: Sequence[str] = ()
) -> SweepState:
    """The state in which a sweep of the cells from *first* to *end* begins.

    :param known: keys of the signatures that are known
    """
    return SweepState(
        *(machines, 0, Vocabulary()),
        looking=looking,
        scope=scope,
        digest=cells_digest(scope),
        first=first,
        end=end,
        known_keys=list(known),
    )


class SweepFile(StoredState):
    """The file of one sweep or several, which run one after the other.

    :ivar sweeps: the states of those that have begun
    """

    sweeps: list[SweepState] = msgspec.field(default_factory=list)
    format: str = FORMAT

    FORM: ClassVar[str] = FORMAT
