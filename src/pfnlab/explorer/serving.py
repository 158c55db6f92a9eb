"""The explorer's server, which listens on one local port until Ctrl-C, and who may use it.

Only the page that the server itself has served may send questions, from this machine, with the token. A
browser lets any site send requests to this machine, and DNS can resolve a foreign name to 127.0.0.1. So each
of these is refused on its own:

1. a ``Host`` that is not this server (DNS rebinding);
2. an ``Origin`` or ``Sec-Fetch-Site`` for another page, a file, or another port on this machine;
3. a question without the token, which is only in the URL printed in the terminal: after ``#``, a part that
   browsers do not send. There is no cookie that a foreign page could make the browser send;
4. a question that is too large, or that is not a POST of JSON (for a bundle, of bytes); a foreign page can
   send neither without permission.

Replies may run only the page's own files: no inline scripts, and no foreign URLs.
"""

from __future__ import annotations

import os
import secrets
import socket
import tempfile
import webbrowser
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pfnlab.base.errors import Misuse
from pfnlab.base.extras import imported_from
from pfnlab.base.inert import xml_attribute
from pfnlab.programs.lang.words import MAX_BYTES

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


#: The only address the server listens on.
ADDRESS = "127.0.0.1"
#: The maximum size of a question, in bytes: a program of the maximum size, plus the rest of the question.
MOST_ASKED = MAX_BYTES + (64 << 10)
#: The maximum size of a bundle as sent, in bytes, whether compressed or not.
MOST_SENT = 128 << 20
#: The URL prefix of questions; everything else is a file of the page.
QUESTIONS = "/api/"
#: The URL for bundles.
BUNDLES = "/api/bundle"

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def new_token() -> str:
    """Return a token that cannot be guessed: 256 random bits."""
    return secrets.token_urlsafe(32)


class _Form(NamedTuple):
    """The form of a request body: its type, and its maximum size in bytes."""

    noun: str
    media_type: str
    most: int


_QUESTION = _Form("a question", "application/json", MOST_ASKED)
_BUNDLE = _Form("a bundle", "application/octet-stream", MOST_SENT)


class _Refusal(Exception):
    """Raised if a request is refused."""

    def __init__(self, status: int, reason: str) -> None:
        self.status, self.reason = status, reason
        super().__init__(reason)


class Gate:
    """The application *app*, after this module's checks: ``Authorization: Bearer TOKEN``."""

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self._app, self._token = app, token
        self._hosts = {f"{name}:{port}" for name in (ADDRESS, "localhost")}
        if port == 80:
            self._hosts |= {ADDRESS, "localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one connection, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        nonce = secrets.token_urlsafe(16)
        scope["nonce"] = nonce

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_headers(nonce)]}
            await send(message)

        try:
            headers = _single(scope["headers"])
            if headers.get("host") not in self._hosts:
                raise _Refusal(421, "this server answers to its own address only")
            body = b""
            if scope["path"].startswith(QUESTIONS):
                form = _BUNDLE if scope["path"] == BUNDLES else _QUESTION
                self._check_question(scope["method"], headers, form)
                body = await _bounded(headers, receive, form)
            elif scope["method"] not in ("GET", "HEAD"):
                raise _Refusal(405, "files are only read")
        except _Refusal as refused:
            await _answer(guarded, refused)
            return
        await self._app(scope, _whole(body, receive), guarded)

    def _check_question(self, method: str, headers: dict[str, str], form: _Form) -> None:
        if headers.get("origin", f"http://{headers['host']}") != f"http://{headers['host']}":
            raise _Refusal(403, "another page may not ask")
        if headers.get("sec-fetch-site", "same-origin") != "same-origin":
            raise _Refusal(403, "another page may not ask")
        given = headers.get("authorization", "").encode("utf-8", "replace")
        if not secrets.compare_digest(given, f"Bearer {self._token}".encode()):
            raise _Refusal(401, "the token is missing or old: open the address that the terminal shows")
        if method != "POST":
            raise _Refusal(405, f"{form.noun} is a POST")
        if headers.get("content-type") != form.media_type:
            raise _Refusal(415, f"{form.noun} is {form.media_type}")


def _single(pairs: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return the headers by name. A security header that occurs twice is ambiguous, and therefore refused."""
    headers: dict[str, str] = {}
    for name, value in pairs:
        key = name.decode("latin-1").lower()
        if key in headers and key in ("host", "origin", "authorization", "content-length", "content-type"):
            raise _Refusal(400, f"{key} is given twice")
        headers[key] = value.decode("latin-1")
    return headers


def _headers(nonce: str) -> list[tuple[bytes, bytes]]:
    named = {
        "content-security-policy": _POLICY.format(nonce=nonce),
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
        "cross-origin-opener-policy": "same-origin",
        "cache-control": "no-store",
    }
    return [(name.encode(), value.encode()) for name, value in named.items()]


async def _bounded(headers: dict[str, str], receive: Receive, form: _Form) -> bytes:
    """Return the whole body, storing at most what its form allows, whatever length the request states."""
    too_large = _Refusal(413, f"{form.noun} has at most {form.most} bytes")
    length = headers.get("content-length", "0")
    if not length.isascii() or not length.isdigit() or int(length) > form.most:
        raise too_large
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise _Refusal(400, "the question ended early")
        body += message.get("body", b"")
        if len(body) > form.most:
            raise too_large
        if not message.get("more_body", False):
            return bytes(body)


def _whole(body: bytes, receive: Receive) -> Receive:
    """Return a receiver that delivers *body* once, and after that only that the connection has ended."""
    given = False

    async def hand_out() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return hand_out


async def _answer(send: Send, refused: _Refusal) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": refused.status, "headers": headers})
    await send({"type": "http.response.body", "body": refused.reason.encode()})


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

    :param given: machines named on the command line, which may use files
    :param opened: the text that the page starts with, if that is not a program in the library
    :param bundle: the name and bytes of the bundle that the page starts with
    :param fragment: the view in which the page opens, as in the URL after ``#``
    :param port: 0 for any free port
    :raises Misuse: if the port is in use
    :raises MissingTool: if the packages in the ``web`` extra are not installed
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
    except OSError as busy:
        listener.close()
        raise Misuse(f"port {port} is not free: {busy.strerror}; leave --port out for any that is") from busy
    return listener


class BrowserPage:
    """Opens *address* in the browser without showing other users, who can see command lines, the token."""

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
