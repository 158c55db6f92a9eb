"""Investigates a new finding: reproduces, shrinks and files it, and notes its signs; others are counted.

Shrinking stops when the hunt ends or after :data:`MOST_SECONDS`. A resumed hunt continues from the smallest
program so far.
"""

import time
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from pfnlab.hunt.fuzz.asked_machines import AskedMachines
from pfnlab.hunt.fuzz.causes import MOST_TELLING, HuntFinding, signs_of
from pfnlab.hunt.fuzz.filing import Folder, FoundDifference
from pfnlab.hunt.fuzz.hunt_state import HuntState, Unstable
from pfnlab.hunt.fuzz.shrink import Shrunk, first_of, machines_of, shrink_quickly, steps_shown
from pfnlab.hunt.fuzz.signature import Signature, in_same_step
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel

#: The maximum seconds for shrinking one program; a resumed hunt starts again from zero.
MOST_SECONDS = 120.0


class Investigation:
    """The findings of one hunt.

    :param state: the state of the hunt, to which findings are added
    :param folder: the known findings, and the place for new ones
    :param repeats: the number of times a difference must show again
    :param smaller: minimizes a program that shows a difference; None to minimize it by runs on all machines
    :param agreed: as for :class:`~pfnlab.hunt.fuzz.hunt.Hunt`
    :ivar found: the new findings, in order
    :ivar until: the time (:func:`time.monotonic`) after which no program is shrunk further, or None
    """

    def __init__(
        self,
        machines: AskedMachines,
        state: HuntState,
        folder: Folder,
        *,
        repeats: int,
        smaller: Callable[[Program, Signature], Shrunk] | None,
        agreed: bool,
    ) -> None:
        self._machines, self._state, self._folder = machines, state, folder
        self._repeats, self._smaller, self._agreed = repeats, smaller, agreed
        self.found: list[FoundDifference] = []
        self.until: float | None = None

    def note(
        self,
        program: Program,
        level: LookLevel,
        signatures: Iterable[Signature],
        enough: Callable[[], bool],
    ) -> None:
        """Count the known differences in *program*; reproduce, minimize and file independent new ones.

        :param level: the level at which it showed them
        :param enough: whether the requested number of new findings has been reached
        """
        findings = self._state.findings
        # Several kernels may show the same finding for one program.
        by_key: dict[str, Signature] = {}
        for signature in signatures:
            by_key.setdefault(signature.key, signature)
        for signature in by_key.values():
            if signature.key not in findings:
                self._note_filed(signature)
            if signature.key in findings:
                findings[signature.key].met += 1
        # An alarm is expensive to reproduce and often follows from another difference.
        for signature in sorted(by_key.values(), key=lambda signature: signature.raises_alarm):
            known = {key: findings[key].with_it for key in by_key if key in findings}
            if signature.key in known or any(signature.key in with_it for with_it in known.values()):
                continue
            if enough():
                return
            if not self._note_new(program, signature, level):
                # Further differences can be judged only in a program that behaves the same every time.
                return

    def _note_filed(self, signature: Signature) -> None:
        """Mark a difference that an earlier hunt filed as known."""
        key = signature.key
        if (filed := self._folder.known().get(key)) is None:
            return
        program = filed.loaded()
        self._state.findings[key] = HuntFinding.of(
            *(signature, program, filed.with_it),
            folder=filed.name,
            first=self._state.compared,
            minimal=filed.minimal,
            known=key in self._state.known_keys,
            signs=[] if program is None else self._signs(program, signature),
        )

    def _note_new(self, program: Program, signature: Signature, level: LookLevel) -> bool:
        """Reproduce, minimize and file a new difference; False if it is unstable."""
        state = self._state
        repeats = [self._shown(program, signature, level, repeated=True) for _ in range(self._repeats)]
        count = 1 + sum(map(bool, repeats))
        if not all(repeats):
            unstable = Unstable(program.title, str(signature), count, 1 + self._repeats)
            state.unstable.append(unstable)
            return False
        steps = repeats[-1] if repeats else self._shown(program, signature, level)
        unshrunk = FoundDifference(
            *(signature, program, (), program.title, len(program.ops), (count, count)),
            minimal=False,
            look=level,
            verb=state.verb,
        )
        difference = self._shrunk(unshrunk, first_of(steps))
        self.found.append(difference)
        self._remember(difference, self._folder.file(difference), met=1)
        return True

    def resume(self) -> None:
        """Continue shrinking programs that an earlier run of the hunt had no time for."""
        for key, before in list(self._state.unfinished.items()):
            known = self._state.findings[key]
            steps = self._shown(before.program, before.signature, before.look, repeated=True)
            if not steps:
                continue
            difference = self._shrunk(before, first_of(steps))
            if difference.program != before.program:
                self._folder.refile(known.folder, before, difference)
            self._remember(difference, known.folder, met=known.met, first=known.first)

    def _shrunk(self, found: FoundDifference, step: int | None) -> FoundDifference:
        """*found* with the smallest program found in the time available, and that program's runs."""
        signature, level = found.signature, found.look
        last = min(time.monotonic() + MOST_SECONDS, self.until or float("inf"))
        shrunk = (
            self._smaller(found.program, signature)
            if self._smaller is not None
            else shrink_quickly(
                *(found.program, signature, step),
                lambda candidate, quick: self._shown(candidate, signature, level, quick=quick),
                late=lambda: time.monotonic() > last,
            )
        )
        # The model may have no answer for a program in which a kernel shows the finding on its own.
        runs = tuple(run for run in self._machines.runs(shrunk.program, level) if run.undecided is None)
        with_it = in_same_step(shrunk.program, runs, signature)
        return replace(found, program=shrunk.program, runs=runs, minimal=shrunk.minimal, with_it=with_it)

    def _remember(
        self, difference: FoundDifference, name: str, *, met: int, first: int | None = None
    ) -> None:
        signature, program, state = difference.signature, difference.program, self._state
        state.findings[signature.key] = HuntFinding.of(
            *(signature, program, difference.with_it),
            folder=name,
            met=met,
            first=state.compared if first is None else first,
            minimal=difference.minimal,
            known=signature.key in state.known_keys,
            signs=self._signs(program, signature),
        )
        state.unfinished.pop(signature.key, None)
        if not difference.minimal:
            state.unfinished[signature.key] = replace(difference, runs=())

    def _signs(self, program: Program, signature: Signature) -> list[Signature]:
        """The signs of a finding in its smallest program, observed as closely as possible."""
        level = next(level for level in MOST_TELLING if level in self._machines.at)
        if self._machines.lacks_rule(program, level):
            return []
        machines = self._machines.at[level].values()
        return signs_of(
            program, signature, machines, lambda of: self._machines.runs(of, level), agreed=self._agreed
        )

    def _shown(
        self,
        program: Program,
        signature: Signature,
        level: LookLevel,
        *,
        repeated: bool = False,
        quick: bool = False,
    ) -> frozenset[int | None]:
        """The steps at which *program* shows the same difference; empty, without running it, if the model has
        no rule.

        A finding that a kernel shows on its own needs no rule.
        """
        own = signature.by_itself
        if not own and self._machines.lacks_rule(program, level):
            return frozenset()
        named = machines_of(signature) if own else self._machines.names
        return steps_shown(
            program,
            signature,
            lambda: self._machines.runs(program, level, named),
            [self._machines.at[level][name] for name in named],
            agreed=self._agreed,
            repeated=repeated,
            quick=quick,
        )
