"""Questions of the page go to what answers them; which files there are is a list, so no address is a path."""

from __future__ import annotations

import sys
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import Any, TypeVar

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pfnlab.errors import PfnlabError, ProgramError
from pfnlab.explorer import asked
from pfnlab.explorer.answers import Answers
from pfnlab.explorer.stories import NotRunYet, Storyteller, mistake

#: The files of the page, by their address.
_FILES = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}

#: The place of the nonce in the page.
_NONCE = "NONCE"

_Question = TypeVar("_Question")


def application(teller: Storyteller) -> Starlette:
    """The application behind the gate (:mod:`pfnlab.explorer.access`), which it does not repeat."""
    answers = Answers(teller)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        try:
            yield
        finally:
            answers.end()

    return Starlette(
        routes=[
            *(Route(address, _file(*file), methods=["GET"]) for address, file in _FILES.items()),
            *(
                Route(f"/api/{question.__struct_config__.tag}", _asked(question, answer), methods=["POST"])
                for question, answer in answers.by_question().items()
            ),
        ],
        lifespan=lifespan,
    )


def _file(name: str, media_type: str) -> Callable[[Request], Any]:
    content = files("pfnlab.explorer").joinpath("page", name).read_text(encoding="utf-8")

    async def answer(request: Request) -> Response:
        text = content.replace(_NONCE, request.scope["nonce"]) if name.endswith(".html") else content
        return Response(text, media_type=media_type)

    return answer


def _asked(form: type[_Question], answer: Callable[[_Question], Any]) -> Callable[[Request], Any]:
    decoder = msgspec.json.Decoder(form)

    async def reply(request: Request) -> Response:
        # In this thread: a policy's time limit needs it, and one reader waits for one answer.
        try:
            question = decoder.decode(await request.body())
        except (msgspec.DecodeError, UnicodeDecodeError) as wrong:
            return _json({"refused": f"this is no such question: {wrong}"}, 400)
        return _json(answered(answer, question))

    return reply


def answered(answer: Callable[[_Question], Any], question: _Question) -> Any:
    """The answer, or what is wrong with the program or with what was asked."""
    try:
        return answer(question)
    except ProgramError as wrong:
        return {"mistake": mistake(wrong)}
    except NotRunYet as wrong:
        return {"refused": str(wrong), "runs": True}
    except PfnlabError as wrong:
        return {"refused": str(wrong)}
    except RecursionError:
        return {"refused": "the program is nested too deeply"}
    except Exception:
        traceback.print_exc(file=sys.stderr)
        return {"refused": "this is a defect of pfnlab; please report what the terminal shows"}


def _json(answer: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, media_type="application/json")


__all__ = ["answered", "application", "asked"]
