"""Programs run operation by operation in one guest: looked into after each, and made to fail inside one."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pfnlab.errors import LostGuest, TimedOut, Undecided
from pfnlab.lab.boots import GuestLike
from pfnlab.lab.gdbstub import GdbStub
from pfnlab.lab.inside import Inside
from pfnlab.lab.placement import Placement
from pfnlab.lab.steering import Caller, Injection, Steering
from pfnlab.lab.stepwise import Stage, ask_stepwise
from pfnlab.lab.symbols import kernel_symbols
from pfnlab.lens.state import LensState
from pfnlab.programs.ops import Fail, Program, tasks_of

if TYPE_CHECKING:
    from pfnlab.lab.qemu import Guest

#: What a kernel function returns when it fails; all others -ENOMEM.
FAILURES = {
    "__pte_alloc": 1,
    "vm_area_alloc": 0,
    "vm_area_dup": 0,
}

_OP_LIMIT = 30.0


def is_forced(program: Program) -> bool:
    """Whether the kernel is made to fail in some operation of *program*."""
    return any(op.fail is not None for op in program.ops)


class Stepper:
    """
    One guest's lens and gdbstub, opened when a program first needs them.

    :param guest: as booted; without a ``ram`` file nothing is looked into
    :param vmlinuz: the kernel it runs
    :param demanded: a kernel that cannot be looked into, because it has no types for instance, is an error
    """

    def __init__(self, guest: GuestLike, vmlinuz: Path, *, demanded: bool = False) -> None:
        self._demanded = demanded
        self._guest = guest
        self._vmlinuz = vmlinuz
        self._ram: Path | None = getattr(guest, "ram", None)
        self._inside: Inside | None = None
        self._stub: GdbStub | None = None
        self._steering: Steering | None = None

    def wanted(self, program: Program) -> bool:
        """Whether *program* has to be run by this, not as one request."""
        return self._ram is not None or is_forced(program)

    def run(self, request: str, program: Program, placement: Placement) -> tuple[str, list[LensState]]:
        """
        The reply to *request*, which is *program*, and what was seen inside after every step.

        :raises LostGuest: the guest did not answer
        :raises Undecided: the kernel cannot be looked into, or has no such function; the guest may be in
            the middle of the program then
        """
        forced = is_forced(program)
        if forced:
            self._open_steering()
            for op in program.ops:
                if op.fail is not None:
                    self._known(op.fail)
        self._open_lens()
        states: list[LensState] = []
        names = tasks_of(program)

        def ask(text: str, stage: Stage) -> str:
            op = program.ops[stage.done] if stage.begun and stage.done < len(program.ops) else None
            pid = stage.pids.get(names.index(op.task)) if op is not None else None
            if op is None or op.fail is None or pid is None:
                return self._guest.request(text, _OP_LIMIT)
            return self._ask_failing(text, op.fail, pid)

        def look(stage: Stage) -> None:
            if self._inside is not None:
                pids = {name: stage.pids[slot] for slot, name in enumerate(names) if slot in stage.pids}
                states.append(self._inside.look(pids, placement.places))

        return ask_stepwise(request, ask, look, nop_first=forced), states

    def close(self) -> None:
        """Let go of the guest, which may be gone already."""
        if self._inside is not None:
            self._inside.close()
            self._inside = None
        if self._stub is not None:
            self._stub.hang_up()
            self._stub = self._steering = None

    def _open_lens(self) -> None:
        if self._ram is None or self._inside is not None:
            return
        try:
            self._inside = Inside(self._vmlinuz, self._ram)
        except Undecided:
            if self._demanded:
                raise
            self._ram = None

    def _open_steering(self) -> None:
        if self._steering is not None:
            return
        if not hasattr(self._guest, "listen_for_gdb"):
            raise Undecided("nothing can be made to fail in this guest: it has no gdbstub")
        guest = cast("Guest", self._guest)
        # Asked for while the machine runs: connecting stops it.
        symbols = kernel_symbols(guest, self._vmlinuz)
        self._stub = GdbStub(guest.listen_for_gdb())
        self._steering = Steering(self._stub, symbols, guest.hello.offsets)

    def _known(self, fail: Fail) -> None:
        assert self._steering is not None
        self._steering.known(_injection(fail, 0))

    def _ask_failing(self, text: str, fail: Fail, pid: int) -> str:
        assert self._steering is not None
        try:
            injected = self._steering.inject(
                _injection(fail, pid), lambda: self._guest.request(text, _OP_LIMIT), _OP_LIMIT
            )
        except TimedOut as late:
            raise LostGuest(f"an operation in which {fail.function} was to fail: {late}") from late
        return injected.result


def _injection(fail: Fail, pid: int) -> Injection:
    returns = FAILURES.get(fail.function, -errno.ENOMEM)
    return Injection(fail.function, returns, Caller(pid=pid), fail.nth, fail.inside)
