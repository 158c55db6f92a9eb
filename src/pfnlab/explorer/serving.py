"""The server: one process, one port of this machine, until Ctrl-C."""

from __future__ import annotations

import os
import socket
import tempfile
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path

from pfnlab.base.errors import Misuse
from pfnlab.base.extras import imported_from
from pfnlab.base.inert import xml_attribute
from pfnlab.explorer.access import ADDRESS, new_token


def serve(
    given: Sequence[str] = (),
    opened: str | None = None,
    *,
    bundle: tuple[str, bytes] | None = None,
    fragment: str = "",
    port: int = 0,
    browser: bool = True,
    say: Callable[[str], None] = print,
) -> None:
    """Serve the page until Ctrl-C.

    :param given: machines that the command line named, which may use files
    :param opened: the text the page begins with, where it is no program of the library
    :param bundle: name and bytes of the bundle it begins with
    :param fragment: what the page opens with, as it stands behind ``#``
    :param port: 0 for any that is free
    :raises Misuse: the port is taken
    :raises MissingTool: the packages of the extra ``web`` are not here
    """
    with imported_from("web", "the explorer"):
        from pfnlab.explorer.routes import run
    with _listening(port) as listener:
        own_port = listener.getsockname()[1]
        token = new_token()
        address = f"http://{ADDRESS}:{own_port}/#{fragment}{'&' if fragment else ''}token={token}"
        say(f"the explorer is at {address}")
        say("it ends with Ctrl-C")
        with BrowserPage(address) if browser else nullcontext(), suppress(KeyboardInterrupt):
            run(listener, token, given, opened, bundle)


def _listening(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((ADDRESS, port))
        listener.listen()
    except OSError as taken:
        listener.close()
        raise Misuse(
            f"port {port} is not free: {taken.strerror}; leave --port out for any that is"
        ) from taken
    return listener


class BrowserPage:
    """The browser at *address*; other users of the machine, who see what is started, do not see the token."""

    def __init__(self, address: str) -> None:
        self._address, self._folder = address, tempfile.TemporaryDirectory(prefix="pfnlab-explore-")

    def __enter__(self) -> None:
        page = Path(self._folder.name) / "explorer.html"
        with open(os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(
                '<!doctype html><meta charset="utf-8"><title>pfnlab explorer</title>'
                f'<meta http-equiv="refresh" content={xml_attribute(f"0; url={self._address}")}>'
            )
        with suppress(webbrowser.Error):
            webbrowser.open(page.as_uri())

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()
