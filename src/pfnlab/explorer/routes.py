"""Questions of the page go to what answers them; which files there are is a list, so no address is a path.

The server on its port, which Ctrl-C ends at once, whatever is being worked out.
"""

import asyncio
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from importlib.resources import files
from types import FrameType
from typing import Any, get_args

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pfnlab.explorer.commands import Commands
from pfnlab.explorer.offers import Offers
from pfnlab.explorer.questions import BundleQuestion, OpenedQuestion, Worked, by_question, refused, reply
from pfnlab.explorer.serving import BUNDLES, Gate
from pfnlab.explorer.workers import Workers

#: The files of the page, by their address.
_FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    # A guest with 6.1 at the end of munmap-middle, as `evidence/tools/inspect_states.py --keep` writes it.
    "/sample.bundle": ("munmap-middle-6.1.bundle", "text/plain"),
}

#: The place of the nonce in the page.
_NONCE = "NONCE"


#: The most letters of the name of a bundle.
_MOST_NAME = 200


def application(
    workers: Workers,
    given: Sequence[str] = (),
    opened: str | None = None,
    bundle: BundleQuestion | None = None,
) -> Starlette:
    """The application behind the gate (:mod:`pfnlab.explorer.serving`), which it does not repeat."""
    offers = Offers(given, opened, None if bundle is None else bundle.name)
    commands = Commands(workers.keep, given)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await workers.begin()
        try:
            yield
        finally:
            workers.end()
            await asyncio.to_thread(commands.end)

    at_once = {**by_question(offers), **by_question(commands)}
    return Starlette(
        routes=[
            *(Route(address, _file(*file), methods=["GET"]) for address, file in _FILES.items()),
            *(_route(kind, _answered_at_once(answer)) for kind, answer in at_once.items()),
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


def _answered_at_once(answer: Callable[[Any], Any]) -> Callable[[Any], Awaitable[bytes]]:
    def begin(question: Any) -> Awaitable[bytes]:
        # In a thread: a command that is stopped has its time to end, and others are answered meanwhile.
        return asyncio.to_thread(reply, answer, question)

    return begin


def _route(kind: type[Any], begin: Callable[[Any], Awaitable[bytes]]) -> Route:
    """Where questions of *kind* go; *begin* begins to answer one."""
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
    """Where bundles go: their bytes are the body, and their name is a word for messages alone."""

    async def answer(request: Request) -> Response:
        name = request.query_params.get("name", "")[:_MOST_NAME] or "bundle"
        question = received(name, await request.body())
        return _json(await _while_wanted(request, workers.ask(question)))

    return Route(BUNDLES, answer, methods=["POST"])


def received(name: str, data: bytes) -> BundleQuestion:
    """The question about a bundle, with a number that no other has."""
    return BundleQuestion(secrets.token_hex(8), name, data)


async def _while_wanted(request: Request, answer: asyncio.Future[bytes]) -> bytes:
    """The answer; work on it stops once the client is gone."""
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


def run(
    listener: socket.socket,
    token: str,
    given: Sequence[str],
    opened: str | None,
    bundle: tuple[str, bytes] | None = None,
) -> None:
    """Answer on *listener* until Ctrl-C; raises KeyboardInterrupt where it was ended so."""
    workers = Workers(given)
    about = None if bundle is None else received(*bundle)
    app = Gate(application(workers, given, opened, about), token, listener.getsockname()[1])
    config = uvicorn.Config(
        app, log_level="error", access_log=False, server_header=False, ws="none", lifespan="on",
        timeout_graceful_shutdown=_GRACE,
    )  # fmt: skip
    _Server(config, workers).run([listener])
