"""The server on its port, which Ctrl-C ends at once, whatever is being worked out."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from types import FrameType

import uvicorn

from pfnlab.explorer.access import Gate
from pfnlab.explorer.routes import application
from pfnlab.explorer.workers import Workers

#: Seconds that open answers have at the end.
_GRACE = 2


class _Server(uvicorn.Server):
    """A server that ends its workers with the signal that ends it, and waits for no answer of theirs."""

    def __init__(self, config: uvicorn.Config, workers: Workers) -> None:
        super().__init__(config)
        self._workers = workers

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Hear Ctrl-C."""
        # Not here, in the middle of anything: the loop does it between two steps of its own.
        asyncio.get_running_loop().call_soon_threadsafe(self._workers.end)
        super().handle_exit(sig, frame)


def run(listener: socket.socket, token: str, given: Sequence[str], opened: str | None) -> None:
    """Answer on *listener* until Ctrl-C.

    :param token: of who may ask
    :param given: machines that the command line named
    :param opened: the text the page begins with
    :raises KeyboardInterrupt: it was ended so
    """
    workers = Workers(given)
    app = Gate(application(workers, given, opened), token, listener.getsockname()[1])
    config = uvicorn.Config(
        app, log_level="error", access_log=False, server_header=False, ws="none", lifespan="on",
        timeout_graceful_shutdown=_GRACE,
    )  # fmt: skip
    _Server(config, workers).run([listener])
