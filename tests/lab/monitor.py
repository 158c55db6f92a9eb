"""A QEMU that is only its monitor: it answers as it is told to, on a socket of its own."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: What is said to a command: the answer to it and any number of events, in order.
Answers = Callable[[dict[str, Any]], list[dict[str, Any]]]

DONE: dict[str, Any] = {"return": {}}


class Monitor:
    """
    Listens on *path* until it is left; use it in a ``with`` statement.

    :ivar heard: every command, without ``qmp_capabilities``
    """

    def __init__(self, path: Path, answers: Answers) -> None:
        self.heard: list[dict[str, Any]] = []
        self._answers = answers
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Monitor:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection, connection.makefile("rw") as lines:
                self._talk(lines)

    def _talk(self, lines: Any) -> None:
        def tell(what: dict[str, Any]) -> None:
            lines.write(json.dumps(what) + "\n")
            lines.flush()

        tell({"QMP": {}})
        for line in lines:
            command = json.loads(line)
            if command["execute"] == "qmp_capabilities":
                tell(DONE)
                continue
            self.heard.append(command)
            for answer in self._answers(command):
                if answer == {}:
                    return
                tell(answer)
