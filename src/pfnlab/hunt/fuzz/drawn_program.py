"""A random program under construction, in which earlier operations decide which may come next."""

from random import Random

import msgspec

from pfnlab.hunt.fuzz import call_kinds
from pfnlab.hunt.fuzz.calls import CallGenerator
from pfnlab.hunt.fuzz.conditions import Bias, Conditions
from pfnlab.hunt.fuzz.drawn_neighbours import DRIVEN, FOLLOWING
from pfnlab.hunt.fuzz.ranges import DrawnPlaces, areas, devices, leaf_level
from pfnlab.kernel.mm.failures import ONLY_INSIDE
from pfnlab.programs.cases.forced_failures import CALLED_BY
from pfnlab.programs.lang import ops
from pfnlab.programs.lang.areas import VVAR, areas_showing
from pfnlab.programs.lang.device_ops import Plug, RescanMoved, Unplug
from pfnlab.programs.lang.forced import Fail
from pfnlab.programs.lang.process_ops import ProcessMrelease, Setrlimit
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import ANON

#: The calls made to fail, weighted by how often they are listed. At its end, a fork also allocates page
#: tables for the process's own memory; the model knows only the first of those.
_FAILING_CALLS = (1, 1, 1, 2, 2, 3)

#: The probabilities that an operation that may allocate, and a fork, is made to fail; the program then takes
#: five times as long.
_FAIL_RATE, _FORK_FAIL_RATE = 0.012, 0.03

#: The same for failure programs.
_FAIL_OFTEN = 0.25

#: The probability that a program with devices at fixed addresses may map past the end of the BAR.
_PASSES_END = 0.2

_MOST_TASKS = 4
_LENGTHS = range(4, 21)

#: The number of operations after the creation of a leaf, and the probability that an access follows each.
_AFTER_LEAF, _ACCESS_AFTER = (1, 2, 2, 3, 4), 0.5

#: The settings of transparent_hugepage, with weights; most programs have none.
_THP: dict[ops.Thp | None, int] = {None: 80, "always": 12, "madvise": 6, "never": 2}

#: How often one of the :data:`.call_kinds.PLANS` is started if it can be, and how often after some kinds.
_PLANNED, _PLANNED_RATHER = 0.3, {"mmap anon": 0.8, "munmap": 0.45}

#: The probability that the next operation repeats an earlier one.
_AGAIN = 0.1


def may_store(program: ops.Program) -> bool:
    """True if operations after *program* may store: false if an ``isa`` device may be mapped shared."""
    isa = {device.name for device in program.devices if device.kind == "isa"}
    return not areas_showing((op.call for op in program.ops), isa, shared=True)


class DrawnProgram:
    """A program under construction, in which earlier operations decide which may come next.

    :param weights: the kinds of operations that it may contain, with their weights
    :param prefix: an earlier program; the new one begins with part of it
    :param rare: whether the program may need a separate guest
    :param leaves: whether it has a device large enough for leaves
    :param failures: whether its operations are often made to fail
    :param neighbours: whether mappings often lie next to others, and ranges at their borders
    """

    def __init__(
        self,
        random: Random,
        weights: dict[str, float],
        bias: Bias,
        prefix: ops.Program | None,
        *,
        rare: bool,
        vfio: bool,
        slot: bool,
        leaves: bool,
        fixed: bool,
        failures: bool,
        neighbours: bool,
    ) -> None:
        self.random, self.bias, self.vfio, self.leaves = random, bias, vfio, leaves
        self.failures = failures
        self.weights = weights
        #: The device is out of its slot.
        self.empty = False
        on = (
            prefix.devices
            if prefix
            else devices(random, rare=rare, alone=vfio or slot, leaves=leaves, fixed=fixed)
        )
        self.areas = prefix.areas if prefix else areas(on)
        # The end of the BAR is a fixed address, too.
        chance = 0.5 if rare else _PASSES_END if fixed else 0.0
        passes_end = bool(chance) and not (prefix or vfio or slot) and random.random() < chance
        self.places = DrawnPlaces(
            random, on, self.areas, passes_end=passes_end, leaves=leaves, neighbours=neighbours
        )
        self.calls = CallGenerator(random, self.places, rare=rare, leaves=leaves)
        if prefix is not None:
            self.calls.stores = may_store(prefix)
        self.tasks = [ops.MAIN_TASK]
        self.calls.tasks = self.tasks
        self.process_of = {ops.MAIN_TASK: ops.MAIN_TASK}
        #: The limited resources, by process.
        self.limits: dict[str, set[str]] = {ops.MAIN_TASK: set()}
        #: Every task so far, including ended ones.
        self.born_tasks = [ops.MAIN_TASK]
        self.born = 0
        self.kinds = call_kinds.AreaKinds()
        self.conditions = Conditions()
        #: Kinds that come next, before any others.
        self.planned: list[str] = []
        self.ops: list[ops.Op] = []
        if prefix is not None and not prefix.needs.held:
            for op in prefix.ops[: random.randrange(len(prefix.ops)) + 1]:
                self.add(op)

    def draw_operations(self) -> None:
        """Draw the program's operations, continuing after its prefix."""
        draw = self.random
        length = draw.choice(_LENGTHS)
        if not self.ops and self.leaves:
            self.add(ops.Op(self.calls.leaf_mmap("mmap vfio" if self.vfio else "mmap driver"), ops.MAIN_TASK))
        elif not self.ops:
            kind = "mmap vfio" if self.vfio else "mmap"
            self.add(self.op(kind))
            for _ in range(draw.choice(FOLLOWING) if self.places.neighbours is not None else 0):
                driven = "mmap driver" in self.weights and draw.random() < DRIVEN
                self.add(self.op("mmap driver" if driven else kind, beside=True))
        while len(self.ops) < length and self.tasks:
            earlier = draw.choice(self.ops) if draw.random() < _AGAIN else None
            if (
                earlier is not None
                and earlier.task in self.tasks
                and call_kinds.kind_of(earlier.call) not in call_kinds.ONCE
            ):
                self.add(msgspec.structs.replace(earlier, fail=None))
            else:
                self.add(self.op(self.kind()))

    def program(self, title: str) -> ops.Program:
        """The program so far."""
        devices = tuple(self.places.devices.values())
        thp = self.random.choices(list(_THP), list(_THP.values()))[0]
        return ops.Program(title, "", devices, tuple(self.ops), self.areas, thp=thp)

    def add(self, op: ops.Op) -> None:
        """Append *op* and record its effect."""
        call, kind = op.call, call_kinds.kind_of(op.call)
        self.ops.append(op)
        self.kinds.add(call)
        self.conditions.add(op)
        self.speaks_of(call)
        if kind == "fork refused":
            self.calls.refused += 1
        elif isinstance(call, (ops.Fork, ops.Thread)):
            self.born += 1
            self.tasks.append(call.child)
            self.born_tasks.append(call.child)
            process = self.process_of[op.task]
            self.process_of[call.child] = process if isinstance(call, ops.Thread) else call.child
            if isinstance(call, ops.Fork):
                self.limits[call.child] = set(self.limits[process])
        elif isinstance(call, RescanMoved):
            self.calls.moved = True
        elif isinstance(call, Plug | Unplug):
            self.empty = isinstance(call, Unplug)
        elif isinstance(call, (ops.Exit, ops.Kill)):
            self.tasks.remove(op.task)
        elif isinstance(call, ProcessMrelease) and call.killed:
            self.tasks.remove(call.victim)
        elif isinstance(call, Setrlimit):
            limited = self.limits[self.process_of[op.task]]
            (limited.discard if call.room is None else limited.add)(call.resource)
        elif isinstance(call, ops.Munmap) and op.task == ops.MAIN_TASK:
            self.places.unmapped(call.span)
        elif isinstance(call, (ops.Mmap, ops.Mremap)):
            pages = call.source.pages if isinstance(call, ops.Mmap) else call.pages
            if isinstance(call, ops.Mremap) and call.fixed and not call.dontunmap and call.span.name != VVAR:
                self.places.unmapped(call.span)
            if call.over is not None or call.name is not None:
                place = call.over or Span(call.name or "", 0, pages)
                self.places.mapped(place)
                if isinstance(call, ops.Mmap) and self.places.neighbours is not None:
                    self.places.neighbours.add(place, call)

    def speaks_of(self, call: ops.Call) -> None:
        """Record the pages of *call* for later operations; after a move, the pages at the new place."""
        if isinstance(call, (ops.Mmap, ops.Mremap)) and call.name is not None:
            pages = call.source.pages if isinstance(call, ops.Mmap) else call.pages
            self.places.used(Span(call.name, 0, pages))
        else:
            span = getattr(call, "over", None) or getattr(call, "span", None)
            if isinstance(span, Span) and span.name in self.places.areas and not isinstance(call, ops.Munmap):
                self.places.used(span)
                if isinstance(call, ops.Write):
                    self.places.touched.append(span)
        if isinstance(call, ops.Mmap) and call.driver is not None and call.name is not None:
            self.calls.filled.add(call.name)
        if isinstance(call, ops.Mmap) and call.source.name == ANON:
            self.calls.ordinary.add(call.over.name if call.over is not None else call.name or "")
        kind = call_kinds.kind_of(call)
        plans = call_kinds.PLANS.get(kind, ())
        if isinstance(call, ops.Mmap) and self.leaves and leaf_level(call) > 1:
            self.planned = self.after_leaf()
        elif plans and not self.planned and self.random.random() < _PLANNED_RATHER.get(kind, _PLANNED):
            self.planned = list(self.random.choice(plans))

    def after_leaf(self) -> list[str]:
        """Draw an access that creates a leaf, and kinds that split, move, drop or inspect it."""
        draw = self.random
        missing = {
            *call_kinds.DRIVER_KINDS,
            *call_kinds.VFIO_KINDS,
            *call_kinds.RESET_KINDS,
        } - self.weights.keys()
        kinds = {kind: weight for kind, weight in call_kinds.AFTER_LEAF.items() if kind not in missing}
        plan = [draw.choice(("read", "write", "write"))]
        for kind in draw.choices(list(kinds), list(kinds.values()), k=draw.choice(_AFTER_LEAF)):
            plan += [kind, *([draw.choice(("read", "write"))] if draw.random() < _ACCESS_AFTER else [])]
        return plan

    def kind(self) -> str:
        """Draw the next kind, preferably one that has never followed the last one."""
        planned = self.planned.pop(0) if self.planned else ""
        self.places.stays, self.places.all = bool(planned), planned.endswith(call_kinds.ALL)
        if planned:
            return planned.removesuffix(call_kinds.ALL)
        return self.weighted(self.weights, self.conditions.anywhere())

    def weighted(self, weights: dict[str, float], conditions: set[str]) -> str:
        """Draw a kind by weight, preferring those not yet reached under *conditions*."""
        before, holding = sorted(set(self.kinds.last.values())), sorted(conditions)
        factors = [self.bias.factor(before, kind, holding) for kind in weights]
        chances = [weight * factor for weight, factor in zip(weights.values(), factors, strict=True)]
        return self.random.choices(list(weights), chances)[0]

    def op(self, kind: str, *, beside: bool = False) -> ops.Op:
        """Draw an operation of *kind*.

        :param beside: whether a new mapping lies next to an earlier one, if it can
        """
        draw = self.random
        if kind in ("remove", "rescan", "rescan_moved", "unplug", "plug") and self.empty != (kind == "plug"):
            # A slot is full or empty.
            kind = "plug" if self.empty else "unplug"
        if kind in call_kinds.ENDS:
            # The first task seldom ends, because the other tasks can do less.
            early = len(self.tasks) == 1 or draw.random() < 0.05
            kind = "fork" if early and draw.random() < 0.9 else kind
            task = self.tasks[0] if early else draw.choice(self.tasks[1:])
        else:
            # Children have the parent's mappings; within a plan, the youngest task often acts.
            born = self.places.stays and isinstance(self.ops[-1].call, ops.Fork) and draw.random() < 0.5
            first = draw.random() < 0.4
            task = self.tasks[-1] if born else self.tasks[0] if first else draw.choice(self.tasks)
        call = (
            ProcessMrelease(draw.choice(self.born_tasks)) if kind == "process_mrelease" else self.call(kind)
        )
        if self.places.neighbours is not None and isinstance(call, ops.Mmap) and call.over is None:
            call = self.places.neighbours.moved(call, always=beside)
        return ops.Op(call, task, fail=self.fail(call))

    def fail(self, call: ops.Call) -> Fail | None:
        kind = call_kinds.kind_of(call)
        functions = [function for function, kinds in CALLED_BY.items() if kind in kinds]
        rate = _FAIL_OFTEN if self.failures else _FORK_FAIL_RATE if kind == "fork" else _FAIL_RATE
        if not functions or self.random.random() >= rate:
            return None
        function = self.random.choice(functions)
        first_only = kind == "fork" and function == "__pte_alloc"
        return Fail(
            function, 1 if first_only else self.random.choice(_FAILING_CALLS), ONLY_INSIDE.get(function)
        )

    def call(self, kind: str) -> ops.Call:
        """Draw an operation of *kind*."""
        return self.calls.call(kind, f"t{self.born + 1}" if len(self.tasks) < _MOST_TASKS else None)
