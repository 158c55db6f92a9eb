"""The alarm of a program's run: in the log of a guest that lives on, or what a guest ended of."""

from pfnlab.lab.running.preparations import preparations
from pfnlab.lab.running.replies import ParsedReply, with_operation
from pfnlab.lab.running.stepper import Stepper
from pfnlab.lab.vm.boots import GuestLike
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.alarm import STALLS, Alarm, first_alarm


def alarm_of_reply(reply: ParsedReply, program: Program) -> Alarm | None:
    """The first alarm in the log of a guest that has answered; a WARN is none by itself."""
    return first_alarm(alarm for alarm in reply.alarms if not _is_stall_of_hold(alarm, program))


def alarm_of_guest(guest: GuestLike, stepper: Stepper, program: Program) -> Alarm | None:
    """The alarm that ended *guest* in the middle of *program*, with its operation."""
    alarm = guest.last_alarm()
    if alarm is None or _is_stall_of_hold(alarm, program):
        return None
    step = stepper.at
    if step is None and not stepper.wanted(program):
        step = operation_begun(program, guest.begun)
    return with_operation(alarm, program, step)


def operation_begun(program: Program, begun: int) -> int | None:
    """The operation of *program* the guest was at, when it had begun so many operations of the request.

    :return: None before the first; the number of operations for the end of the program
    """
    at = [
        index
        for index, around in enumerate(preparations(program))
        for _ in range(len(around.before) + 1 + len(around.after))
    ]
    return [*at, len(program.ops)][min(begun, len(at) + 1) - 1] if begun else None


# Whether others were made to wait by the program, which holds a processor.
def _is_stall_of_hold(alarm: Alarm, program: Program) -> bool:
    return alarm.kind in STALLS and program.needs.held
