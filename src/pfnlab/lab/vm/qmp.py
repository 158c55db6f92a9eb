"""QEMU's monitor protocol, as much of it as a lab needs: commands, and waiting for an event."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from pfnlab.errors import LostGuest

#: How long one answer may take, in seconds.
ANSWER_LIMIT = 20.0


class QmpError(Exception):
    """QEMU answered with an error."""


class Qmp:
    """
    A connection to the monitor that listens on the socket *path*; use it in a ``with`` statement.

    :raises OSError: nobody listens, or an answer takes longer than :data:`ANSWER_LIMIT`
    """

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(ANSWER_LIMIT)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("rw")
        self._lines.readline()
        self._events: list[dict[str, Any]] = []

    def __enter__(self) -> Qmp:
        self("qmp_capabilities")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()
        self._socket.close()

    def __call__(self, execute: str, **arguments: object) -> Any:
        """What QEMU returns for a command.

        :raises Refused: an error
        """
        self._lines.write(json.dumps({"execute": execute, "arguments": arguments}) + "\n")
        self._lines.flush()
        while answer := self._next():
            if "error" in answer:
                raise QmpError(answer["error"])
            if "return" in answer:
                return answer["return"]
            self._events.append(answer)
        raise QmpError(f"{execute}: QEMU hung up")

    def wait_for(self, event: str, device: str, limit: float) -> None:
        """Wait until *event* was told of the device with that id, *limit* seconds at most.

        :raises TimeoutError: it was not
        :raises Refused: QEMU hung up
        """
        until = time.monotonic() + limit
        while True:
            told, self._events = self._events, []
            if any(one.get("event") == event and one["data"].get("device") == device for one in told):
                return
            left = until - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"no {event} of {device} within {limit:g} s")
            self._socket.settimeout(left)
            try:
                one = self._next()
            finally:
                self._socket.settimeout(ANSWER_LIMIT)
            if one is None:
                raise QmpError(f"{event}: QEMU hung up")
            self._events.append(one)

    def _next(self) -> dict[str, Any] | None:
        line = self._lines.readline()
        return json.loads(line) if line else None


def tell_monitor(qmp: Path, command: str) -> str:
    """
    Give QEMU, which listens on the socket *qmp*, a line of its human monitor; what it says to that.

    :raises LostGuest: it does not answer
    """
    try:
        with Qmp(qmp) as ask:
            return str(ask("human-monitor-command", **{"command-line": command}))
    except (OSError, ValueError, QmpError) as trouble:
        raise LostGuest(f"QEMU's monitor did not take `{command.partition(' ')[0]}`: {trouble}") from trouble
