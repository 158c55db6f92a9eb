"""Programs in guests, one at a time: where each program goes, what it shows, and what it leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from pfnlab.base.errors import LostGuest, MissingTool, Misuse, TimedOut, Undecided, Why
from pfnlab.base.units import PHYSICAL_BITS, PfnRange
from pfnlab.lab.building.built import PAT_INFO, uncalled_in
from pfnlab.lab.images.configured import configuration_of_kernel, ram_mib
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running.cleaning import (
    cleared,
    leftovers,
    low_devices,
    new_claims,
    settled,
    still_reserved,
    stored_pages,
    turned_back,
    wiped,
)
from pfnlab.lab.running.guests import BootedGuest, Guests
from pfnlab.lab.running.inside import disagreements, with_inside
from pfnlab.lab.running.inside_state import LensState
from pfnlab.lab.running.notes import Noise, with_notes
from pfnlab.lab.running.pending import ObservedProgram, is_probed
from pfnlab.lab.running.placement import Placement, bar_mib_given, check_placeable
from pfnlab.lab.running.preparations import steered_cpus
from pfnlab.lab.running.replies import ParsedReply, parse_reply, reply_until
from pfnlab.lab.running.stepper import NO_LENS, SteppedRun, is_stall_of_hold
from pfnlab.lab.running.together import Together, blamed
from pfnlab.lab.running.wire import ObservationRequest, compile_program
from pfnlab.lab.vm.boots import Boots, GuestShape
from pfnlab.lab.vm.hardware import USUAL, Hardware
from pfnlab.lab.vm.probes import unobserved
from pfnlab.programs.lang.device_ops import VfioClose
from pfnlab.programs.lang.needs import lacking
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.alarm import WARN, Alarm, first_alarm
from pfnlab.programs.runs.kmsg import once_message
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import MemoryFault, Run, Step, direct_map_spans

if TYPE_CHECKING:
    from pfnlab.lab.lens.resource_use import ResourceUse

#: Maximum number of leaked book entries before a guest is replaced. The time to read the list is proportional
#: to its length, and at about this length a boot is cheaper.
MAX_LEAKED = 256

#: If a BAR has room for fewer programs than this, the bytes that programs leave in it are cleared.
_PROGRAMS_OF_A_BAR = 64

#: A program's time limit: seconds, plus seconds per operation.
PROGRAM_LIMIT = 30.0
OP_LIMIT = 0.5

#: Attempts to run a program if only noise (a held processor was stopped) or disturbed guests prevent it.
TRIES = 3


@dataclass(frozen=True)
class Sight:
    """The means of observing a machine's guests.

    :param lens: whether the guest's memory can be read
    :param demanded: whether a kernel that the lens cannot read is an error
    :param blocks: whether to name the kernel blocks that each program reaches
    """

    lens: bool
    demanded: bool
    blocks: bool = False


class Bench:
    """Runs programs one after another in the same guest, for as long as that guest is usable.

    :param shared: where guests come from
    :param sight: what can be observed
    :param hardware: hardware that its guests have beyond the needs of a program
    """

    def __init__(
        self, shared: Boots, name: str, kernel: KernelImage, sight: Sight, hardware: Hardware = USUAL
    ) -> None:
        self.shared = shared
        self._name, self._kernel, self._sight = name, kernel, sight
        uncalled = uncalled_in(kernel.sha256)
        self._configuration = configuration_of_kernel(kernel)
        if PAT_INFO in uncalled:
            self._configuration = replace(self._configuration, pat_info_inlined=True)
        self._hardware = hardware
        self._ram_mib = hardware.memory or ram_mib(self._configuration)
        self._unobserved = unobserved(kernel.release, uncalled)
        self._guests = Guests(shared, kernel.vmlinuz, self._ask_what_is_left)
        self._together = Together()
        #: An alarm that came after the end of an earlier program; the next run reports it.
        self.late_alarm: Alarm | None = None

    def run_all(self, asked: Sequence[ObservedProgram]) -> list[Run]:
        """Run programs one after another: lost if the guest fails, undecided if a requirement is not met.

        If a program's guest is killed or stopped from outside, it is run again in another guest. Resources
        that the programs have left in use are asked for after the last one; each runs again alone if there
        are any.

        :raises MissingTool: if a tool that guests need is not installed
        """
        runs, together = self._run_together(asked)
        if len(asked) == 1:
            return [blamed(runs[0], together.faults)]
        left = list[MemoryFault]()
        alone = dict[int, Run]()
        for number in sorted(together.suspects):
            (run,), again = self._run_together([asked[number]])
            alone[number] = blamed(run, again.faults)
            left += again.faults
        if together.faults and not left:
            # It did not show again, which a repetition will tell too.
            last = max(together.suspects)
            alone = {last: blamed(runs[last], together.faults)}
        return [alone.get(number, run) for number, run in enumerate(runs)]

    def _run_together(self, asked: Sequence[ObservedProgram]) -> tuple[list[Run], Together]:
        self._together = together = Together()
        runs = []
        for together.now, one in enumerate(asked):
            runs.append(msgspec.structs.replace(self._run_of(one), look=one.look))
        self._ask_what_is_left()
        return runs, together

    def _ask_what_is_left(self) -> None:
        # A guest in which anything is left ends.
        booted, together = self.booted, self._together
        if not together.unasked or booted is None or booted.in_use is None:
            return
        placements = list(together.unasked.values())
        booted.in_use, left = leftovers(booted.stepper.in_use, booted.in_use, placements)
        if left:
            together.suspect(left)
            self._guests.end_current()
        together.unasked.clear()

    def _are_new(self, booted: BootedGuest, claims: ResourceUse) -> bool:
        placements = list(self._together.unasked.values())
        return booted.in_use is not None and bool(new_claims(booted.in_use, claims, placements))

    def _give_up_guest(self) -> None:
        # It cannot be asked, or what it would say could be a consequence.
        self._together.suspect()
        self._guests.end_current()

    def _run_of(self, asked: ObservedProgram) -> Run:
        program = asked.program
        if program.needs.held and not self._sight.lens:
            return self._undecided(NO_LENS, Why.MISSING)
        try:
            check_placeable(program)
        except Misuse as refusal:
            return self._undecided(str(refusal), Why.MISSING)
        lack = lacking(program, self._configuration) or self._hardware.lacking(program)
        if lack is not None:
            return self._undecided(lack, Why.MISSING)
        try:
            image = self._image(program)
        except Undecided as error:
            return self._undecided(str(error), error.kind)
        for _ in range(TRIES):
            try:
                run = self._attempt(asked, image) or self._attempt(asked, image, again=True)
                return run or self._lost("a guest that had just booted was not clean")
            except MissingTool:
                raise
            except Undecided as error:
                alarm = self._alarm_of_guest(program)
                disturbed = self.booted is not None and self.booted.guest.is_disturbed
                self._give_up_guest()
                if alarm is not None or not (disturbed or isinstance(error, Noise)):
                    return self._ended_by(error, str(error), alarm)
                last = error
        return self._ended_by(last, f"{last}; {TRIES} tries failed like this")

    def _alarm_of_guest(self, program: Program) -> Alarm | None:
        return None if self.booted is None else self.booted.stepper.alarm(program)

    def _image(self, program: Program) -> Path | None:
        if program.needs.vfio and program.needs.driver:
            raise Undecided("a guest has either the test driver or vfio-pci: write two programs")
        if any(op.hold is not None and isinstance(op.call, VfioClose) for op in program.ops):
            raise Undecided(
                "the agent, not a task, closes the descriptor of vfio-pci: no task can be held there"
            )
        if program.needs.vfio and program.needs.slot:
            raise Undecided("a hotplugged device cannot use vfio-pci here: write two programs")
        if program.needs.vfio:
            return self.shared.vfio.path()
        return self.shared.driver.path() if program.needs.driver else None

    @property
    def booted(self) -> BootedGuest | None:
        """The guest that ran the latest program, unless it has ended."""
        return self._guests.current

    @property
    def is_up(self) -> bool:
        """True if it has a guest."""
        return self._guests.any

    def kill(self) -> None:
        """Do nothing: the provider of the guests ends them."""

    def drop(self) -> None:
        """End its guests."""
        self._guests.end_all()

    close = drop

    def _attempt(self, asked: ObservedProgram, image: Path | None, again: bool = False) -> Run | None:
        # One attempt; None if the guest was not clean before the program. Raises LostGuest if the guest was
        # disturbed from outside; if the guest itself fails, the run is lost.
        if again:
            self._give_up_guest()
        program, look = asked
        booted, placement = self._guests.place(program, self._shape(asked, image), blocks=self._sight.blocks)
        booted.stepper.demanded = self._sight.demanded or look is LookLevel.MEMORY
        booted.stepper.between = look is not LookLevel.END
        stands = booted.stepper.stands(program)
        observed = ObservationRequest(
            look is LookLevel.PROC,
            look is LookLevel.PROC and booted.guest.hello.ptes == "ok",
            look is not LookLevel.END and booted.guest.hello.order == "ok",
            # The lens reads the memtype list after every step, so the agent need not do so.
            look is LookLevel.END or stands or program.needs.held,
            stands,
        )
        request = compile_program(program, placement, observed)
        booted.in_use = booted.in_use or settled(booted.stepper.in_use)
        if booted.reached is not None:
            booted.reached.begin()
        if booted.stepper.needs_steps(program):
            stepped = booted.stepper.run(request, program, placement)
        else:
            booted.stepper.at = None
            try:
                reply_text = booted.guest.request(request, PROGRAM_LIMIT + OP_LIMIT * len(program.ops))
            except LostGuest as trouble:
                reply_text = reply_until(trouble)
            stepped = SteppedRun(reply_text)
        blocks = () if booted.reached is None else booted.reached.end()
        reply = parse_reply(
            stepped.reply, program, placement, observed, ram_mib=self._ram_mib, ended=stepped.ended
        )
        if reply.before or (reply.before_log and not booted.fresh):
            if not booted.fresh:
                self.late_alarm = self.late_alarm or first_alarm(reply.late_alarms)
            return None
        messages = tuple(booted.once_messages)
        # A WARN on its own is not an alarm.
        alarm = first_alarm(alarm for alarm in reply.alarms if not is_stall_of_hold(alarm, program))
        lost = reply.lost
        noted = with_notes(reply.steps, stepped.states, stepped.notes)
        for number, fault in list(disagreements(noted, stepped.states)):
            stepped.blame(number, [fault])
        steps = with_inside(
            noted, stepped.states, alone=[note.alone for note in stepped.notes], fill=look is LookLevel.MEMORY
        )
        if lost is not None:
            alarm = alarm or self._alarm_of_guest(program)
            lost = str(booted.guest.lose(lost))
            if alarm is None and booted.guest.is_disturbed:
                raise LostGuest(lost)
            self._give_up_guest()
        else:
            reserved, claims = reply.left, None
            # After an alarm, anything may be left over, and the driver may not answer.
            if booted.in_use is not None and alarm is None and not program.needs.slot:
                if program.needs.driver:
                    # Resources that a program does not release belong to the driver.
                    booted.guest.request("reset\n", PROGRAM_LIMIT)
                self._together.unasked[self._together.now] = placement
                claims = booted.stepper.claims()
                if claims is not None and reserved:
                    reserved = still_reserved(claims, placement)
            self._account(booted, placement, reserved, reply, program, steps, stepped.states)
            if alarm is not None:
                # Later results in this guest may be a consequence.
                self._give_up_guest()
            elif claims is not None and self._are_new(booted, claims):
                self._ask_what_is_left()
        if lost is not None:
            run = self._lost(lost, steps, messages, alarm)
            return msgspec.structs.replace(run, blocks=blocks)
        return self._run(
            steps,
            once=messages,
            alarm=alarm or self._take_late_alarm(),
            warnings=tuple(alarm for alarm in reply.alarms if alarm.kind == WARN),
            memory=tuple(state.memory for state in stepped.states),
            blocks=blocks,
        )

    def _run(self, steps: tuple[Step, ...], **seen: Any) -> Run:
        return Run(
            *(self._name, self._kernel.label),
            steps=steps,
            configuration=self._configuration,
            unobserved=self._unobserved,
            **seen,
        )

    def _take_late_alarm(self) -> Alarm | None:
        alarm, self.late_alarm = self.late_alarm, None
        return alarm

    def _shape(self, asked: ObservedProgram, image: Path | None) -> GuestShape:
        program, needs = asked.program, asked.program.needs
        # Host processors seldom have 52-bit addresses.
        accel = self.shared.acceleration.of(steered=needs.held or needs.forced or needs.wide)
        return GuestShape(
            bar_mib_given(program),
            image,
            steered_cpus(program) if needs.held else 1,
            needs.slot,
            needs.reset,
            accel,
            phys_bits=PHYSICAL_BITS if needs.wide else None,
            probed=is_probed(*asked),
        )

    def _account(
        self,
        booted: BootedGuest,
        placement: Placement,
        reserved: Sequence[PfnRange],
        reply: ParsedReply,
        program: Program,
        steps: Sequence[Step],
        states: Sequence[LensState],
    ) -> None:
        lines = [*reply.before_log, *(line for step in reply.steps for line in step.log)]
        booted.once_messages.update(
            {message: None for message in map(once_message, lines) if message is not None}
        )
        booted.fresh = False
        booted.leaked_entries += len(reserved)
        # Low memory keeps its mode in the direct map (S2.8.2), which would affect the next program.
        direct_map = states[-1].direct_map if states else ()
        changed = {span.name for span, _ in direct_map_spans(direct_map)}
        if not reserved:
            changed -= turned_back(
                placement,
                direct_map,
                booted.stepper.turn_back,
                lambda: booted.stepper.now(placement).direct_map,
            )
        written = program.needs.stored_to
        large = any(
            window.nr * _PROGRAMS_OF_A_BAR > placement.bar.nr for window in placement.windows.values()
        )
        if not reserved:
            written -= wiped(booted.guest, placement, written)
        if written and not reserved:
            # The first page, low memory and a filled BAR: unless they are cleared, the next program
            # needs another guest.
            scarce = written if program.needs.first_page or large else written & low_devices(placement)
            written -= cleared(booted.guest, placement, scarce, stored_pages(program, steps))
        booted.windows.release(placement, reserved, written | changed)
        # vfio-pci reserves the whole BAR, and so conflicts with any leaked entry.
        if booted.leaked_entries > (0 if program.needs.vfio else MAX_LEAKED) or program.needs.slot:
            self._ask_what_is_left()
            self._guests.end_current()

    def _ended_by(self, error: Undecided, reason: str, alarm: Alarm | None = None) -> Run:
        # A guest that does not answer in time counts as lost, just like one that has ended.
        if alarm is not None or isinstance(error, LostGuest | TimedOut):
            return self._lost(reason, alarm=alarm)
        return self._undecided(reason, error.kind)

    def _undecided(self, reason: str, kind: Why) -> Run:
        # A run that is impossible here; its guest, if there is one, reported nothing.
        return msgspec.structs.replace(self._lost(reason), lost=None, undecided=reason, why=kind)

    def _lost(
        self,
        reason: str,
        steps: tuple[Step, ...] = (),
        once: tuple[str, ...] = (),
        alarm: Alarm | None = None,
    ) -> Run:
        # A lost run; *alarm* is what ended the guest.
        if alarm is not None and alarm.title not in reason:
            reason = f"the guest was lost: {alarm.title}; {reason}"
        alarm = alarm or self._take_late_alarm()
        return self._run(steps, lost=reason, once=once, alarm=alarm)
