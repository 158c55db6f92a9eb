"""The tasks of a program that a test opens, so that it chooses task, operation and time."""

from __future__ import annotations

from pfnlab.base.errors import LostGuest
from pfnlab.lab.steering.cast import Cast
from pfnlab.lab.vm.qemu import Guest


class OpenCast(Cast):
    """
    A program that is open on *guest* with its first task; a context that ends its tasks.

    :param watch: physical bytes whose reservations `book` has, half-open
    :ivar book: the watched part of the memtype list after the last request, ``START END TYPE``
    """

    def __init__(self, guest: Guest, watch: tuple[int, int] | None = None) -> None:
        watch_lines = [f"watch {watch[0]:x} {watch[1]:x}"] if watch else []
        super().__init__(guest, ["program cast", *watch_lines])
        self._port, self._guest = guest, self  # type: ignore[assignment]
        self.book: list[str] = []
        self._request(["op 0 nop"])

    def request(self, text: str, limit: float) -> str:
        """Hand *text* to the guest, and keep the memtype list of its reply."""
        reply = self._port.request(text, limit)
        last = reply.rpartition("\nstep ")[2]
        self.book = [line.removeprefix("m ") for line in last.splitlines() if line.startswith("m ")]
        return reply

    def __enter__(self) -> OpenCast:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.request("\n".join([*self._head, "end", ""]), 20.0)
        except LostGuest:
            # The first error is the one that matters.
            if kind is None:
                raise
