"""Check every step of a run for the properties."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.spelling import did_you_mean
from pfnlab.checker.judging import entries
from pfnlab.checker.judging import operation_judges as operations
from pfnlab.checker.judging.contents import PageContents
from pfnlab.checker.judging.device_mappings import DeviceMappings
from pfnlab.checker.judging.history import History, has_moved
from pfnlab.checker.judging.observed_spaces import Layout, SeenChanges, SeenSpaces
from pfnlab.checker.judging.reached_modes import ReachedModes
from pfnlab.checker.judging.reasons import Reasons
from pfnlab.checker.judging.run_properties import EACH_TIME, RUN_PROPERTIES
from pfnlab.checker.judging.seen_moment import JudgeCache, SeenMoment, events_broken
from pfnlab.checker.judging.shown_bugs import shown_bugs
from pfnlab.checker.scopes.race_judges import told_free
from pfnlab.checker.scopes.state_judges import one_mode
from pfnlab.kernel.mm.profile import Profile
from pfnlab.kernel.policies.known_kernels import version_of_release
from pfnlab.kernel.policies.patched import patched_kernels
from pfnlab.kernel.policies.releases import is_version, upstream
from pfnlab.programs.lang.areas import area_starts
from pfnlab.programs.lang.device_ops import MemremapPages, UnmapMappingRange
from pfnlab.programs.lang.ops import Fork, Op, Program
from pfnlab.programs.model.named_profile import profile_named
from pfnlab.programs.runs.compare import FIELDS, Expectation
from pfnlab.programs.runs.compared import RunResult
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import Accel
from pfnlab.programs.runs.memory_faults import counts_left, looks_agree, tables_left
from pfnlab.programs.runs.named_machines import NamedMachine, side_by_side
from pfnlab.programs.runs.observation import MemoryObservation, Run, Step
from pfnlab.programs.runs.unjudged import Unjudged, unjudged_steps
from pfnlab.programs.runs.violation import Violation


def violations(program: Program, run: Run, series: str | None = None) -> list[Violation]:
    """The properties that *run* violates; a violation of a state is listed at the step where it begins.

    A step is judged if its VMAs and entries were observed with no processor held. Properties visible only in
    kernel memory are judged if the run recorded memory.

    :param series: the kernel series used to explain known violations; None for the series that the run names
    """
    broken = list(_begun(program, run))
    if not broken:
        return []
    reasons = reasons_of(program, run, series)
    return [
        Violation(
            *(name, step, run.steps[step].op, says),
            known=reasons.known(name, step) or None,
            predicted=reasons.predicts(name, step),
            machine=run.machine,
        )
        for name, step, says in broken
    ]


def reasons_of(program: Program, run: Run, series: str | None = None) -> Reasons:
    """The reasons for violations in *run*; parameters as for :func:`violations`."""
    return Reasons(program, run, _profile(run, series), _judged)


def judged(
    program: Program,
    runs: Sequence[Run],
    series: Mapping[str, str | None],
    fields: tuple[str, ...] = FIELDS,
    name: str | None = None,
) -> RunResult:
    """The result of one program's runs, including the properties that each run violates.

    :param series: the kernel series for each machine name; None if unknown
    :param fields: the fields of observations to compare
    :param name: the program's name in the output; its title if None
    """
    refuse_unknown(program)
    found = [
        _judged_run(program, run, series[run.machine], program.title if name is None else name)
        for run in runs
    ]
    result = RunResult.of(program, found, series, fields, name)
    expectations = tuple(_decided(expectation, result.violations) for expectation in result.expectations)
    return msgspec.structs.replace(result, expectations=expectations)


def _judged_run(program: Program, run: Run, series: str | None, name: str) -> Run:
    broken = tuple(violations(program, run, series))
    bugs = tuple(shown_bugs(name, program, run, broken))
    return msgspec.structs.replace(run, violations=broken, bugs=bugs)


def refuse_unknown(program: Program) -> None:
    """Refuse ``expect`` lines about properties that are not checked on runs.

    :raises Misuse: if there is one; the message suggests the nearest names
    """
    for expect in program.expects:
        if expect.keeps and expect.keeps not in RUN_PROPERTIES:
            meant = did_you_mean(expect.keeps, sorted(RUN_PROPERTIES))
            raise Misuse(f"`expect ... keeps {expect.keeps}`: this property is not checked on runs{meant}")


def _decided(expectation: Expectation, broken: Sequence[Violation]) -> Expectation:
    """Decide an expectation about a property if the run ended or violated the property; return any other
    unchanged.
    """
    if not expectation.keeps:
        return expectation
    violated = any((one.machine, one.name) == (expectation.machine, expectation.keeps) for one in broken)
    holds = False if violated else None if expectation.left is None else True
    return msgspec.structs.replace(expectation, holds=holds)


def judged_runs(
    machines: Sequence[NamedMachine],
    programs: Mapping[str, Program],
    looks: LookLevel | Sequence[LookLevel | None] | None = None,
    accel: Accel = Accel.TCG,
    fields: tuple[str, ...] = FIELDS,
) -> list[RunResult]:
    """Run every program on every machine; return the result of each.

    :param programs: the programs, by their names in the output
    :param looks: with *accel*, as for :func:`~pfnlab.programs.runs.named_machines.side_by_side`
    :raises Misuse: if there is no such model or kernel, or a program does not fit into any guest
    :raises MissingTool: if a tool or kernel is not installed
    """
    for program in programs.values():
        refuse_unknown(program)
    series = {named.spec: named.series for named in machines}
    all_runs = side_by_side(machines, list(programs.values()), looks, accel)
    return [
        judged(program, runs, series, fields, name)
        for (name, program), runs in zip(programs.items(), all_runs, strict=True)
    ]


def _profile(run: Run, series: str | None) -> Profile | None:
    """The rules, including policies, for the machine named in *run*; None if unknown."""
    kind, _, spec = run.machine.partition(":")
    if kind != "model":
        version = series or _version(run)
        if version is None:
            return None
        patched = patched_kernels().get(spec)
        spec = version if patched is None else f"{version},{patched.policy}"
    try:
        return profile_named(spec, run.configuration)
    except Misuse:
        # The run was recorded under a machine name unknown here.
        return None


def _version(run: Run) -> str | None:
    """The kernel version in a run's machine name, or else its kernel release; None if it has neither."""
    name = run.machine.partition(":")[2].partition(",")[0]
    for version in (name, upstream(name), version_of_release(run.kernel.rpartition(" ")[2])):
        if is_version(version):
            return version
    return None


def _judged(program: Program, run: Run) -> list[dict[str, str]]:
    """The properties that each step violates, with evidence."""
    judging = _Judging(program, run)
    return [judging.broken(number) for number in range(len(run.steps))]


def _begun(program: Program, run: Run) -> Iterator[tuple[str, int, str]]:
    lasting: set[str] = set()
    for number, broken in enumerate(_judged(program, run)):
        for name, text in broken.items():
            if name not in lasting or name in EACH_TIME:
                yield name, number, text
        lasting = set(broken)


class _Judging:
    """A run judged step by step, with the findings from earlier steps."""

    def __init__(self, program: Program, run: Run) -> None:
        self._program, self._run = program, run
        self._layout, self._history = Layout(program, run.configuration), History()
        self._spaces = SeenSpaces()
        self._kinds = {device.name: device.kind for device in program.devices}
        self._mappings = DeviceMappings(self._layout, self._history)
        self._asking = JudgeCache(self._mappings)
        self._contents = PageContents(program)
        self._modes = ReachedModes(run, self._layout, self._history)
        self._starts = area_starts(program)
        self._unjudged = unjudged_steps(run)
        self._before: int | None = None
        #: The history's change count at the last observed step, if entries_inside and leaves_fit held there.
        self._inside_held: int | None = None
        self._fit_held: int | None = None

    def broken(self, number: int) -> dict[str, str]:
        """The properties that a step violates, with evidence; all earlier steps must already have been
        judged.
        """
        run, history = self._run, self._history
        step = run.steps[number]
        op = self._program.ops[number] if number < len(self._program.ops) else None
        if op is not None:
            history.follow(op, step, run.steps[number - 1 : number + 1] if number else ())
            history.moved_away |= has_moved(op, step)
        broken: dict[str, str] = {}
        unjudged = self._unjudged[number]
        held = unjudged in (Unjudged.HELD_MODEL, Unjudged.HELD_KERNEL)
        revoked = None
        if op is not None and isinstance(op.call, UnmapMappingRange) and step.result == "ok":
            revoked = op.call.span
        self._modes.look(number, op, held=held, revoked=revoked)
        if unjudged is not None:
            for question in events_broken(SeenMoment(step, history, self._layout)):
                broken.setdefault(question.name, question.asks)
            if held and self._modes.agree() is False:
                broken.setdefault(one_mode.name, one_mode.asks)
            if self._modes.told_free:
                broken.setdefault(told_free.name, self._modes.told_free)
            # Structures may be in the middle of a change, but all observers must still see the same.
            memory = _memory(run, number)
            for fault in memory.faults if memory is not None else ():
                if fault.name == looks_agree.name:
                    broken.setdefault(fault.name, fault.says)
            self._before = None
            self._contents.forget()
            return broken
        changes = self._spaces.look(step)
        self._mappings.look(step, self._spaces, changes)
        for name, text in self._structure(number, step, op, changes):
            broken.setdefault(name, text)
        moment = SeenMoment(step, history, self._layout, self._mappings, self._modes.remembered)
        for question in self._asking.broken(moment):
            broken.setdefault(question.name, question.asks)
        self._before = number
        return broken

    def _structure(
        self, number: int, step: Step, op: Op | None, changes: SeenChanges
    ) -> Iterator[tuple[str, str]]:
        """The name and sentence of each property that page-table entries or in-memory structures violate."""
        history, spaces, memory = self._history, self._spaces, _memory(self._run, number)
        yield from self._of_entries(changes)
        if op is not None:
            look = self._run.look
            process = history.process(op.task)
            yield from operations.reached(step, spaces.ptes, op, process, look)
            yield from operations.stored_privately(step, spaces, op, process)
            yield from operations.unmapped(step, spaces, op, process)
            yield from operations.smaps_counted(step, spaces, op, process, look)
            yield from operations.within_bar(step, op, self._program.devices)
            if isinstance(op.call, UnmapMappingRange) and not op.call.keep_cows and step.result == "ok":
                yield from entries.revoked_pages(spaces, op.call.span)
        if self._before is not None:
            before, memory_before = self._run.steps[self._before], _memory(self._run, self._before)
            if memory is not None and memory_before is not None:
                seen = memory_before, memory
                yield from entries.flushed(before, spaces.ptes, seen)
                yield from entries.notified(before, spaces.ptes, seen, self._starts)
            if op is not None and op.hold is None:
                kinds = self._kinds
                yield from operations.looks_only(before, step, op)
                yield from operations.mode_asked(before, step, op, kinds)
                yield from operations.moved_whole(before, step, spaces.ptes, op, process)
                yield from operations.looked_up(before, step, spaces, op, history, kinds)
            if op is not None and isinstance(op.call, Fork):
                if step.result != "ok":
                    yield from entries.fork_whole(before, step, op)
                if op.call.refused is None:
                    yield from entries.fork_failed(step, op)
                parent = history.process(op.task)
                yield from entries.fork_changed(before, spaces.ptes, parent)
        process = history.process(op.task) if op is not None else ""
        yield from self._contents.look(number, step, op, process, memory, spaces)
        for fault in memory.faults if memory is not None else ():
            if not self._is_excused(fault.name):
                yield fault.name, fault.says

    def _is_excused(self, name: str) -> bool:
        """True if the program itself explains why property *name* is violated."""
        history = self._history
        if name == counts_left.name:
            # Entries that the kernel placed outside the program's areas cannot be observed.
            return history.moved_away
        # The kernel does not count page tables for device pages that are added and removed at run time.
        return name == tables_left.name and any(
            isinstance(op.call, MemremapPages) for op in self._program.ops
        )

    def _of_entries(self, changes: SeenChanges) -> Iterator[tuple[str, str]]:
        """The name and evidence for each property that entries violate; unchanged parts are not judged
        again.
        """
        spaces, now = self._spaces, self._history.changes
        vmas, ptes = spaces.vmas.things, spaces.ptes.things
        new_vmas = [vmas[index] for index in changes.touched_vmas]
        new_ptes = [ptes[index] for index in changes.touched_ptes]
        inside = (new_ptes, new_vmas) if self._inside_held == now else (ptes, vmas)
        fit = new_ptes if self._fit_held == now else ptes
        outside = list(entries.entries_inside(spaces, *inside, self._layout, self._history))
        too_long = list(entries.leaves_fit(spaces, fit))
        self._inside_held = None if outside else now
        self._fit_held = None if too_long else now
        yield from (*outside, *too_long)


def _memory(run: Run, number: int) -> MemoryObservation | None:
    # The last step in a lost run may have no memory observation.
    return run.memory[number] if number < len(run.memory) else None
