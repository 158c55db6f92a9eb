"""Investigates a new finding: reproduces, shrinks and files it, and notes its signs; others are counted.

Shrinking stops when the hunt ends or after :data:`MOST_SECONDS`. A resumed hunt continues from the smallest
program so far.
"""

import time
from collections.abc import Callable, Iterable, Sequence

from msgspec.structs import replace

from pfnlab.hunt.fuzz.asked_machines import AskedMachines
from pfnlab.hunt.fuzz.causes import HuntFinding, signs_of
from pfnlab.hunt.fuzz.filing import Folder, FoundDifference
from pfnlab.hunt.fuzz.hunt_state import HuntState, Unstable
from pfnlab.hunt.fuzz.shrink import (
    AtOperation,
    Shrunk,
    first_of,
    machines_of,
    shrink,
    shrink_quickly,
    steps_shown,
)
from pfnlab.hunt.fuzz.signature import Signature, in_same_step
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Run

#: Models whose runs differ in the same way as the given runs of a program, if there are any.
Doubles = Callable[[Program, Sequence[Run]], Sequence[Machine] | None]

#: The maximum seconds for shrinking one program; a resumed hunt starts again from zero.
MOST_SECONDS = 120.0


class Investigation:
    """The findings of one hunt.

    :param state: the state of the hunt, to which findings are added
    :param folder: the known findings, and the place for new ones
    :param repeats: the number of times a difference must show again
    :param agreed: as for :class:`~pfnlab.hunt.fuzz.hunt.Hunt`
    :param doubles: finds models that replace the machines while a program is minimized, because they are fast
    :param say: called with a line for each new finding, and for each that could not be reproduced
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
        agreed: bool,
        doubles: Doubles | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._machines, self._state, self._folder = machines, state, folder
        self._repeats, self._agreed, self._doubles, self._say = repeats, agreed, doubles, say
        self.found: list[FoundDifference] = []
        self.until: float | None = None

    def note(
        self,
        program: Program,
        level: LookLevel,
        runs: Sequence[Run],
        signatures: Iterable[Signature],
        enough: Callable[[], bool] = lambda: False,
        name: str = "",
    ) -> None:
        """Count the known differences in *program*; reproduce, minimize and file independent new ones.

        :param level: the level at which it showed them
        :param runs: its runs that showed them, none of them undecided
        :param enough: whether the requested number of new findings has been reached
        :param name: the program's name; its title if empty
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
            if not self._note_new(program, signature, level, runs, name or program.title):
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

    def _note_new(
        self, program: Program, signature: Signature, level: LookLevel, runs: Sequence[Run], name: str
    ) -> bool:
        """Reproduce, minimize and file a new difference; False if it is unstable."""
        state = self._state
        repeats = [self._shown(program, signature, level, repeated=True) for _ in range(self._repeats)]
        count = 1 + sum(map(bool, repeats))
        if not all(repeats):
            unstable = Unstable(name, str(signature), count, 1 + self._repeats)
            self._say(f"not stable, {unstable}")
            state.unstable.append(unstable)
            return False
        steps = repeats[-1] if repeats else self._shown(program, signature, level)
        unshrunk = FoundDifference(
            *(signature, program, tuple(runs), name, len(program.ops), (count, count)),
            minimal=False,
            look=level,
            with_it=in_same_step(program, runs, signature),
            verb=state.verb,
        )
        difference = self._shrunk(unshrunk, first_of(steps))
        self.found.append(difference)
        self._say(f"a difference in {name}: {signature}")
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
        """*found* with the smallest program found in the time available, and that program's runs.

        If these are too few to show a difference, because a machine no longer answers, it is *found* itself.
        """
        signature, level = found.signature, found.look
        last = min(time.monotonic() + MOST_SECONDS, self.until or float("inf"))
        shrunk = self._shrunk_on_doubles(found) or shrink_quickly(
            *(found.program, signature, step),
            lambda candidate, quick: self._shown(candidate, signature, level, quick=quick),
            late=lambda: time.monotonic() > last,
        )
        # The model may have no answer for a program in which a kernel shows the finding on its own.
        runs = tuple(run for run in self._machines.runs(shrunk.program, level) if run.undecided is None)
        if len(runs) < 2 and not (self._agreed and signature.by_itself):
            return found
        with_it = in_same_step(shrunk.program, runs, signature)
        return replace(found, program=shrunk.program, runs=runs, minimal=shrunk.minimal, with_it=with_it)

    def _shrunk_on_doubles(self, found: FoundDifference) -> Shrunk | None:
        """The smallest program that doubles show to differ, if the machines differ in it too."""
        program, signature, level = found.program, found.signature, found.look
        if self._doubles is None:
            return None
        doubles = self._doubles(program, self._machines.runs(program, level))
        if doubles is None:
            return None
        machines = AskedMachines(dict(zip(self._machines.names, doubles, strict=True)), [level])

        def steps(candidate: Program) -> frozenset[int | None]:
            return self._shown(candidate, signature, level, machines)

        if not (shown := steps(program)):
            return None
        shrunk = shrink(program, AtOperation(program, first_of(shown), steps))
        return shrunk if self._shown(shrunk.program, signature, level) else None

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
        level = self._machines.most_telling
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
        machines: AskedMachines | None = None,
        *,
        repeated: bool = False,
        quick: bool = False,
    ) -> frozenset[int | None]:
        """The steps at which *program* shows the same difference; empty, without running it, if the model has
        no rule.

        A finding that a kernel shows on its own needs no rule, unless only differences are findings.
        """
        asked, own = machines or self._machines, signature.by_itself and self._agreed
        if not own and asked.lacks_rule(program, level):
            return frozenset()
        named = machines_of(signature) if own else asked.names
        return steps_shown(
            program,
            signature,
            lambda: asked.runs(program, level, named),
            [asked.at[level][name] for name in named],
            agreed=self._agreed,
            repeated=repeated,
            quick=quick,
        )
