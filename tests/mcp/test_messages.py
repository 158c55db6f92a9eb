"""Lines that are no messages: which of them are answered, with which id."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pytest
from for_each import for_each

from pfnlab.mcp import messages as module

PING = '{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
DEEP = "[" * 50_000 + "]" * 50_000


class Sent(list[Any]):
    """What was sent to the client."""

    async def send(self, message: Any) -> None:
        self.append(json.loads(message.message.model_dump_json()))


def read(sent: bytes) -> tuple[list[str], Sent]:
    """The messages in *sent*, and the answers to the rest."""
    messages = module.Messages(io.BytesIO(sent))
    messages.sent = Sent()

    async def lines() -> list[str]:
        return [line async for line in messages]

    return asyncio.run(lines()), messages.sent


@for_each(
    ("line", "number", "code"),
    [
        ("not json", None, -32700),
        ('{"jsonrpc":"2.0","id":"a","method":"x"', "a", -32700),
        ('{"jsonrpc":"2.0","id":4,"method":"x","params":{"y":"\\udfff"}}', 4, -32700),
        ('{"method":"x","params":{"y":["\\ud800 z"]},"jsonrpc":"2.0","id":5}', 5, -32700),
        ('{"method":"x","params":{"id":5}', None, -32700),
        (f'{{"jsonrpc":"2.0","id":6,"method":"x","params":{{"y":{DEEP}}}}}', 6, -32700),
        (f'{{"method":"x","params":{{"id":1,"y":{DEEP}}},"jsonrpc":"2.0","id":7}}', 7, -32700),
        ('{"jsonrpc":"2.0","id":"\\ud800","method":"x"}', None, -32700),
        ("[]", None, -32600),
        ("8", None, -32600),
        ('{"id":9,"method":"x"}', 9, -32600),
        ('{"jsonrpc":"2.0","id":9}', 9, -32600),
        ('{"jsonrpc":"2.0","id":9,"method":"x","params":[1]}', 9, -32600),
        ('{"jsonrpc":"2.0","id":1.5,"method":"x"}', None, -32600),
        ('{"jsonrpc":"2.0","id":null,"method":"x"}', None, -32600),
    ],
)
def test_what_is_no_message_is_answered(line: str, number: object, code: int) -> None:
    """On one line, with the id of the request; the next message is read."""
    messages, (answer,) = read(f"{line}\n{PING}".encode())

    assert [PING] == messages
    assert (number, code) == (answer["id"], answer["error"]["code"])
    assert answer["error"]["message"].isprintable()


@for_each(
    "line",
    [
        PING,
        PING.strip(),
        '{"jsonrpc":"2.0","id":4,"method":"x","params":{"y":"\\ud83d\\ude00 \ufffd"}}\n',
        '{"jsonrpc":"2.0","method":"notifications/initialized"}\n',
        '{"jsonrpc":"2.0","id":4,"result":{}}\n',
        # Answers that are wrong, and empty lines, ask for no answer.
        '{"jsonrpc":"2.0","id":4,"result":1}\n',
        "\n",
    ],
)
def test_the_rest_is_passed_on(line: str) -> None:
    """As it came."""
    assert ([line], []) == read(line.encode())


@for_each(
    ("line", "number"),
    [
        ("x" * 1200, None),
        ('{"jsonrpc":"2.0","id":4,"method":"x","params":{"y":"' + "z" * 3000 + '"}}', 4),
        ('{"method":"x","params":{"y":"' + "z" * 1500 + '"},"jsonrpc":"2.0","id":"five"}', "five"),
        ('{"method":"x","params":{"y":"' + "z" * 1500 + ', \\"id\\": 6"}}', None),
        ('{"method":"x","params":{"y":"' + "z" * 1500 + '","id": 6}}', None),
    ],
)
def test_a_message_has_a_limit(line: str, number: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """A longer one is dropped as it comes, and answered with its id, wherever that is."""
    monkeypatch.setattr(module, "_MOST_MESSAGE", 1024)

    messages, (answer,) = read(f"{line}\n{PING}".encode())

    assert [PING] == messages
    assert (number, f"the message has {len(line) + 1:,} bytes: send at most 1,023") == (
        answer["id"],
        answer["error"]["message"],
    )


def test_a_message_at_the_limit_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its newline counts."""
    monkeypatch.setattr(module, "_MOST_MESSAGE", len(PING))

    assert ([PING], []) == read(PING.encode())


def test_bytes_that_are_no_text_are_replaced() -> None:
    """The message is read."""
    (line,), sent = read(b'{"jsonrpc":"2.0","id":1,"method":"\xff"}\n')

    assert ("\ufffd", []) == (json.loads(line)["method"], sent)
