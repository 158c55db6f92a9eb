"""A guest whose RAM is a file and whose programs can be looked at while they stand still.

The agent answers a whole program at once. So every operation is followed by a row of ``look``, the
reply is watched as it grows, and the machine is stopped somewhere within the row.
"""

from __future__ import annotations

import json
import mmap
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from pfnlab.base.units import PfnRange, phys_to_pfn
from pfnlab.lab.images.kernels import kernel_for
from pfnlab.lab.running.placement import Placement, Windows
from pfnlab.lab.running.replies import parse_reply
from pfnlab.lab.running.wire import USUAL, compile_program
from pfnlab.lab.vm.qemu import Guest
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Look, Op, Program, tasks_of
from pfnlab.programs.runs.observation import Step
from pfnlab.programs.runs.places import Places

RAM_MIB = 256
LOOKS = 100
TRIES = 5

_REPLY = 1 << 20
_REPLY_ROOM = 15 << 20
_STEP_LINE = 20
_OVER = 1 << 30


class Missed(Exception):
    """The machine was not stopped in time; the program has to be run again."""


Seen = TypeVar("Seen")

#: Looks at a machine that stands still, given the pids of its tasks and where the program lies.
Visit = Callable[[dict[str, int], Places], Seen]


class SteppedGuest:
    """A booted kernel; a context manager."""

    def __init__(self, series: str) -> None:
        self.kernel = kernel_for(series)
        self.guest = Guest(self.kernel.vmlinuz, ram_mib=RAM_MIB, shared_ram=True)
        assert self.guest.ram is not None
        self.ram = self.guest.ram
        bar = phys_to_pfn(self.guest.hello.bar_start)
        self._windows = Windows(PfnRange(bar, bar + self.guest.hello.bar_pages))
        self._qmp = Qmp(self.guest.console.parent / "qmp")
        with (self.guest.console.parent / "channel").open("r+b") as file:
            self._channel = mmap.mmap(file.fileno(), 0)

    def __enter__(self) -> SteppedGuest:
        return self

    def __exit__(self, *_: object) -> None:
        self._qmp.close()
        self._channel.close()
        self.guest.close()

    def dump(self, path: Path, form: str = "elf") -> None:
        """Write a vmcore; the machine stands still meanwhile."""
        self._qmp.ask("dump-guest-memory", paging=False, protocol=f"file:{path}", format=form)

    def run(self, text: str | Program, visit: Visit[Seen], at: Sequence[int] = ()) -> list[tuple[Step, Seen]]:
        """
        Run a program; *visit* is called while the machine stands after each operation (or those *at*).

        :return: for each of these what was seen from outside, and what *visit* returned
        """
        program = load_text(text) if isinstance(text, str) else text
        for number in range(TRIES):
            # On a busy host the machine is stopped late: every time there is longer to do it.
            self._looks = LOOKS << number
            stops, ops = [], list[Op]()
            for place, op in enumerate(program.ops):
                ops.append(op)
                if not at or place in at:
                    stops.append(len(ops) - 1)
                    ops += [Op(Look())] * self._looks
            padded = msgspec.structs.replace(program, ops=tuple(ops))
            placement = self._windows.place(padded)
            assert placement is not None
            try:
                return self._attempt(padded, placement, visit, stops)
            except Missed:
                continue
        raise Missed(f"{TRIES} times in a row")

    def _attempt(
        self, padded: Program, placement: Placement, visit: Visit[Seen], stops: list[int]
    ) -> list[tuple[Step, Seen]]:
        self._channel[_REPLY : _REPLY + _REPLY_ROOM] = bytes(_REPLY_ROOM)
        self._end, self._step = _REPLY, -1
        request = compile_program(padded, placement, USUAL)
        answer: list[str] = []
        thread = threading.Thread(target=lambda: answer.append(self.guest.request(request, 120)))
        thread.start()
        seen = []
        try:
            for stop in stops:
                self._stop_after(stop, thread)
                seen.append(visit(self._pids(padded), placement.places))
                self._qmp.ask("cont")
        finally:
            self._qmp.ask("cont")
            thread.join()
            reply = parse_reply(answer[0], padded, placement)
            self._windows.release(placement, reply.left, padded.needs.stored_to)
        assert reply.lost is None, reply.lost
        return list(zip((reply.steps[stop] for stop in stops), seen, strict=True))

    def _last_step(self) -> int:
        # The number of the last step whose answer has begun; read on from where it was read to.
        end = self._channel.find(b"\0", self._end)
        place = self._channel.rfind(b"\nstep ", max(_REPLY, self._end - _STEP_LINE), end)
        self._end = end
        if place >= 0:
            word, whole, _ = self._channel[place + 6 : end].partition(b"\n")
            if whole:
                self._step = int(word) if word.isdigit() else _OVER
        return self._step

    def _stop_after(self, stop: int, thread: threading.Thread) -> None:
        first = stop + 1
        while self._last_step() < first and thread.is_alive():
            time.sleep(0.0005)
        self._qmp.ask("stop")
        if not first <= self._last_step() < first + self._looks - 1:
            raise Missed

    def _pids(self, program: Program) -> dict[str, int]:
        names = tasks_of(program)
        text = self._channel[_REPLY : self._end].decode()
        lines = (line.split() for line in text.splitlines() if line.startswith("pid "))
        return {names[int(slot)]: int(pid) for _, slot, pid in lines}


class Qmp:
    """QEMU's control socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rw")
        self._lines.readline()
        self.ask("qmp_capabilities")

    def ask(self, command: str, **arguments: object) -> object:
        """The answer to one command; events in between are left out."""
        self._lines.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._lines.flush()
        while True:
            answer = json.loads(self._lines.readline())
            assert "error" not in answer, answer
            if "return" in answer:
                return answer["return"]

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()
