"""The client's messages, one a line; a line that is not a message gets an error.

The SDK only logs such a line, and the client would wait for ever. The answer has the id of the request, so
that the client finds it, or null if no id can be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any, BinaryIO

from anyio import to_thread
from mcp import types
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from pfnlab.mcp.verb_tools import MOST_TEXT

#: The maximum length of a message, in bytes, and of its ends that are kept if it is longer.
_MOST_MESSAGE, _KEPT = 8 * MOST_TEXT, 1000

_REQUEST = 'this is not a request: send {"jsonrpc": "2.0", "id": 1, "method": ..., "params": {...}}'
_ID = r'"id"\s*:\s*(-?\d{1,20}|"[^"\\]{1,200}")'
_MEMBER = r'"\w+"\s*:\s*(?:"[^"\\]*"|[\w.+-]+)'
#: The id among the first or the last members of an object that have simple values.
_ID_FIRST = re.compile(rf"\s*\{{(?:\s*{_MEMBER}\s*,)*?\s*{_ID}\s*[,}}]")
_ID_LAST = re.compile(rf"[,{{]\s*{_ID}(?:\s*,\s*{_MEMBER})*\s*\}}\s*\Z")


class Messages:
    """The lines of *stream* that are messages, as an asynchronous iterator for the SDK.

    :ivar sent: where answers to the client go; to be set before the first line is read
    """

    sent: Any

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[str]:
        while line := await to_thread.run_sync(self._line):
            if isinstance(line, str):
                yield line
            else:
                await self.sent.send(SessionMessage(line))

    def _line(self) -> str | types.JSONRPCError:
        """Return the next line, empty at the end, or the answer to one that is not a message."""
        line = self._stream.readline(_MOST_MESSAGE)
        if len(line) == _MOST_MESSAGE and not line.endswith(b"\n"):
            return self._too_long(line)
        text = line.decode("utf-8", "replace")
        return _answer(text) or text

    def _too_long(self, begin: bytes) -> types.JSONRPCError:
        """Drop the rest of a line as it comes; only its ends are kept, for the id."""
        size, last, end = len(begin), begin, begin[-_KEPT:]
        while not last.endswith(b"\n") and (last := self._stream.readline(_MOST_MESSAGE)):
            size, end = size + len(last), end[-_KEPT:] + last[-_KEPT:]
        reason = f"the message has {size:,} bytes: send at most {_MOST_MESSAGE - 1:,}"
        number = _found(begin[:_KEPT].decode("utf-8", "replace"), end.decode("utf-8", "replace"))
        return _error(types.INVALID_REQUEST, reason, number)


def _answer(text: str) -> types.JSONRPCError | None:
    """Return the answer to a line that is not a message; None if it is one, or asks for no answer."""
    try:
        message = types.jsonrpc_message_adapter.validate_json(text)
    except ValidationError as wrong:
        (first, *_) = wrong.errors(include_url=False)
        members = _members(text)
        if not text.strip() or "result" in members or "error" in members:
            return None
        if first["type"] == "json_invalid":
            return _error(types.PARSE_ERROR, first["msg"], members.get("id"))
        return _error(types.INVALID_REQUEST, _REQUEST, members.get("id"))
    # The SDK takes a request with a wrong id for a notification.
    if isinstance(message, types.JSONRPCNotification) and "id" in _members(text):
        return _error(types.INVALID_REQUEST, _REQUEST, None)
    return None


def _members(text: str) -> dict[str, Any]:
    """Return the members of the object *text*; of text that is not JSON, the id if it comes first."""
    try:
        read = json.loads(text)
    except ValueError:
        return {"id": _found(text, "")}
    except RecursionError:
        return {"id": _found(text, text)}
    return read if isinstance(read, dict) else {}


def _found(begin: str, end: str) -> object:
    """Return the id in an object with these ends; None without one."""
    found = _ID_FIRST.match(begin) or _ID_LAST.search(end)
    return json.loads(found[1]) if found else None


def _error(code: int, reason: str, number: object) -> types.JSONRPCError:
    """Return an error as the answer to request *number*, or to null if that is not an id."""
    is_id = isinstance(number, int | str) and not isinstance(number, bool) and str(number).isprintable()
    return types.JSONRPCError(
        jsonrpc="2.0",
        id=number if is_id else None,  # type: ignore[arg-type]
        error=types.ErrorData(code=code, message=reason),
    )
