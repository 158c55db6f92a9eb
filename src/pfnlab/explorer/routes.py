"""Routes from questions to their handlers. The page's files are a fixed list: no URL is used as a path.

This module also runs the server, which Ctrl-C ends immediately, even while answers are being computed.
"""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from importlib.resources import files
from types import FrameType
from typing import Any, get_args

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pfnlab.base.answerer import refused
from pfnlab.explorer.commands import Commands
from pfnlab.explorer.offers import Offers
from pfnlab.explorer.questions import BundleQuestion, OpenedQuestion, Worked, by_question, reply
from pfnlab.explorer.serving import BUNDLES, Gate
from pfnlab.explorer.workers import Workers

#: The page's files, by URL.
_FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    # A 6.1 guest at the end of munmap-middle, as written by `evidence/tools/inspect_states.py --keep`.
    "/sample.bundle": ("munmap-middle-6.1.bundle", "text/plain"),
}

#: The place in the page where the nonce goes.
_NONCE = "NONCE"


#: The maximum length of a bundle name.
_MOST_NAME = 200


def application(
    workers: Workers,
    given: Sequence[str] = (),
    opened: str | None = None,
    bundle: BundleQuestion | None = None,
) -> Starlette:
    """Return the application behind the gate (:mod:`pfnlab.explorer.serving`), which checks every request."""
    offers = Offers(given, opened, None if bundle is None else bundle.name)
    commands = Commands(workers.keep, given)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await workers.begin()
        try:
            yield
        finally:
            workers.end()
            commands.end()

    return Starlette(
        routes=[
            *(Route(address, _file(*file), methods=["GET"]) for address, file in _FILES.items()),
            *(_route(kind, partial(_in_thread, answer)) for kind, answer in by_question(offers).items()),
            *(_route(kind, partial(_in_loop, answer)) for kind, answer in by_question(commands).items()),
            *(_route(kind, workers.ask) for kind in get_args(Worked)),
            _route(OpenedQuestion, _opened(workers, bundle)),
            _bundle_route(workers),
        ],
        lifespan=lifespan,
    )


def _file(name: str, media_type: str) -> Callable[[Request], Any]:
    content = files("pfnlab.explorer").joinpath("page", name).read_text(encoding="utf-8")

    async def answer(request: Request) -> Response:
        text = content.replace(_NONCE, request.scope["nonce"]) if name.endswith(".html") else content
        return Response(text, media_type=media_type)

    return answer


async def _in_thread(answer: Callable[[Any], Any], question: Any) -> bytes:
    return await asyncio.to_thread(reply, answer, question)


async def _in_loop(answer: Callable[[Any], Any], question: Any) -> bytes:
    # Jobs belong to the event loop.
    return reply(answer, question)


def _route(kind: type[Any], begin: Callable[[Any], Awaitable[bytes]]) -> Route:
    """Return the route for questions of *kind*; *begin* starts answering one."""
    decoder = msgspec.json.Decoder(kind)

    async def answer(request: Request) -> Response:
        try:
            question = decoder.decode(await request.body())
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            return _json(refused(f"not a valid question: {wrong}"), 400)
        return _json(await _while_wanted(request, asyncio.ensure_future(begin(question))))

    return Route(f"/api/{kind.__struct_config__.tag}", answer, methods=["POST"])


def _opened(workers: Workers, bundle: BundleQuestion | None) -> Callable[[Any], Awaitable[bytes]]:
    async def begin(_: Any) -> bytes:
        if bundle is None:
            return refused("the explorer was started without a bundle: drop one here")
        return await workers.ask(bundle)

    return begin


def _bundle_route(workers: Workers) -> Route:
    """Return the route for bundles: the body is the bytes, and the name is used only in messages."""

    async def answer(request: Request) -> Response:
        name = request.query_params.get("name", "")[:_MOST_NAME] or "bundle"
        question = received(name, await request.body())
        return _json(await _while_wanted(request, workers.ask(question)))

    return Route(BUNDLES, answer, methods=["POST"])


def received(name: str, data: bytes) -> BundleQuestion:
    """Return the question about a bundle, with a unique number."""
    return BundleQuestion(secrets.token_hex(8), name, data)


async def _while_wanted(request: Request, answer: asyncio.Future[bytes]) -> bytes:
    """Return the answer; stop working on it if the client disconnects."""
    gone = asyncio.ensure_future(_gone(request))
    try:
        either: set[asyncio.Future[Any]] = {answer, gone}
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else b""
    finally:
        gone.cancel()
        answer.cancel()


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _json(answer: bytes, status: int = 200) -> Response:
    return Response(answer, status, media_type="application/json")


#: Seconds that pending answers are given at shutdown.
_GRACE = 2


class _Server(uvicorn.Server):
    """A server that, on the signal that ends it, ends its workers too, without waiting for their answers."""

    def __init__(self, config: uvicorn.Config, workers: Workers) -> None:
        super().__init__(config)
        self._workers = workers

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle Ctrl-C."""
        # Do not do it here, at an arbitrary point; the event loop does it between two of its steps.
        asyncio.get_running_loop().call_soon_threadsafe(self._workers.end)
        super().handle_exit(sig, frame)


def run(
    listener: socket.socket,
    token: str,
    given: Sequence[str],
    opened: str | None,
    bundle: tuple[str, bytes] | None = None,
) -> None:
    """Answer on *listener* until Ctrl-C; raise KeyboardInterrupt if that ended it."""
    workers = Workers(given)
    about = None if bundle is None else received(*bundle)
    app = Gate(application(workers, given, opened, about), token, listener.getsockname()[1])
    config = uvicorn.Config(
        app, log_level="error", access_log=False, server_header=False, ws="none", lifespan="on",
        timeout_graceful_shutdown=_GRACE,
    )  # fmt: skip
    _Server(config, workers).run([listener])
