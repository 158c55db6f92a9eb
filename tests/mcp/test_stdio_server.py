"""The server and a client of the SDK: what a client gets, and what a hostile one does not."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any, TypeVar

import pytest
from for_each import for_each
from having import NEW, bootable, model_of
from heavy_work import HEAVY
from jsonschema import Draft202012Validator
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.types import CallToolResult, TextContent

from pfnlab.base.schema_files import schema
from pfnlab.mcp import stdio_server as module
from pfnlab.mcp.verb_tools import MOST_TEXT, Grants, verb_tools

NOTHING = Grants()

LINE = "x86/PAT: main:123 freeing invalid memtype [mem 0xc0000000-0xc0003fff]"

T = TypeVar("T")
Call = tuple[str, dict[str, Any]]

RUN: Call = ("run", {"programs": ["munmap-middle"], "on": ["model:7.3"]})


def on_stdio(work: Callable[[Client], Awaitable[T]], *words: str) -> T:
    """Do *work* with a client of `pfnlab mcp WORDS`."""
    command = ["-m", "pfnlab", "mcp", *words]
    server = StdioServerParameters(command=sys.executable, args=command, env=dict(os.environ))

    async def main() -> T:
        async with Client(stdio_client(server)) as client:
            return await work(client)

    return asyncio.run(main())


def answers(calls: Sequence[Call], grants: Grants = NOTHING) -> list[CallToolResult]:
    """The answers of a server in this process, one call after the other."""

    async def main() -> list[CallToolResult]:
        with closing(module.ToolServer(grants)) as server:
            async with Client(server.protocol) as client:
                return [await client.call_tool(name, arguments) for name, arguments in calls]

    return asyncio.run(main())


@contextmanager
def started() -> Iterator[Any]:
    """A server whose client is this test; its streams are pipes."""
    command = [sys.executable, "-m", "pfnlab", "mcp"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        try:
            yield process
        finally:
            process.kill()


def pinged(process: Any) -> bytes:
    """The answer to a ping."""
    process.stdin.write(b'{"jsonrpc":"2.0","id":2,"method":"ping"}\n')
    process.stdin.flush()
    line: bytes = process.stdout.readline()
    return line


def text(answer: CallToolResult) -> str:
    (content,) = answer.content
    assert isinstance(content, TextContent)
    return content.text


def test_a_client_runs_a_program_reviews_a_policy_and_explains_a_line() -> None:
    """In one session over standard input and output; results are those of the verbs."""

    async def work(client: Client) -> list[CallToolResult]:
        return [
            await client.call_tool("run", {"programs": ["munmap-middle"], "on": ["model:6.1", "model:7.3"]}),
            await client.call_tool("review", {"design": "flush=first_vma", "seconds": 1}),
            await client.call_tool("explain", {"words": [LINE]}),
        ]

    ran, reviewed, explained = on_stdio(work)

    for verb, answer in (("run", ran), ("review", reviewed), ("explain", explained)):
        assert not answer.is_error
        (result,) = answer.structured_content["results"]
        Draft202012Validator(schema(verb)).validate(result)
    assert "LEAK: bar[0:8] wc still reserved, but no longer mapped: model:6.1" in text(ran)
    assert (1, 0) == (ran.structured_content["exit_code"], explained.structured_content["exit_code"])
    assert "model:7.3,flush=first_vma, against model:7.3" in text(reviewed)
    assert "cut: " in text(reviewed)
    assert "released 16 KiB at 0xc0000000" in text(explained)


def test_the_tools_are_listed_as_read_only() -> None:
    """With the schemas of the requests."""

    async def work(client: Client) -> list[Any]:
        return list((await client.list_tools()).tools)

    tools = on_stdio(work)

    assert list(verb_tools(NOTHING)) == [tool.name for tool in tools]
    assert verb_tools(NOTHING)["run"].input_schema == tools[0].input_schema
    assert all(tool.annotations.read_only_hint for tool in tools)


HOSTILE: list[tuple[Call, str]] = [
    (("run", {"programs": ["/etc/passwd"]}), "no program /etc/passwd comes with pfnlab"),
    (("run", {"programs": ["fork"], "on": ["model:7.3,tracker=/etc/a.py"]}), "names a file"),
    (("bugs_affects", {"version": "6.1.85", "config": "/etc/passwd"}), "config.txt: not an x86-64 kernel"),
    (("run", {"programs": ["fork"], "on": ["qemu:7.3"]}), "start the server with `pfnlab mcp --kernels`"),
    (("review", {"design": "import os\nos._exit(0)\n"}), "start the server with `pfnlab mcp --policies`"),
    (("explain", {"words": ["x" * (MOST_TEXT + 1)]}), "send at most"),
    (("run", {"programs": ["fork"], "promote": True}), "run does not take promote here"),
    (("run", {"programs": ["fork"], "on": ["model:" + "9" * 500]}), "there is no"),
    (("run", {}), "send the argument `programs`"),
    (("run", {"programs": []}), "programs: expected `array` of length >= 1"),
    (("review", {}), "write a design, e.g. flush=first_vma, or `patch` FILE"),
    (("kernels_build", {"tree": "/"}), "there is no tool kernels_build"),
    (("run", {"programs": ["pfnlab program 1\n" + "(" * 100_000]}), "program.pfn:2:1"),
    (("run", {"programs": ["[" * 100_000 + "\n", '{"a":' * 100_000]}), "program.pfn:1:1"),
]


def test_a_hostile_client_gets_one_line_each_and_the_server_lives() -> None:
    """With the exit code of the command line; the next call is answered."""

    async def work(client: Client) -> list[CallToolResult]:
        return [await client.call_tool(*call) for call in [*(call for call, _ in HOSTILE), RUN]]

    *refused, last = on_stdio(work)

    for answer, (call, says) in zip(refused, HOSTILE, strict=True):
        assert says in text(answer), call
        assert text(answer).isprintable()
        assert (True, True) == (answer.is_error, text(answer).endswith(" (exit code 2)")), text(answer)
        assert 1500 > len(text(answer))
    assert not last.is_error


def test_an_endless_program_ends_with_one_line() -> None:
    """Its process is killed, and another one takes the next call."""

    async def main() -> list[CallToolResult]:
        with closing(module.ToolServer(Grants(seconds=5))) as server:
            async with Client(server.protocol) as client:
                endless = await client.call_tool("run", {"programs": [HEAVY]})
                # The next one may take its time, on a busy machine too.
                for one in server._on_models:
                    one._limit = 600
                return [endless, *[await client.call_tool(*RUN) for _ in range(2)]]

    endless, *after = asyncio.run(main())

    advice = "ask about less, or use the command line, which has no limit (exit code 3)"
    assert f"ended after 5 s without an answer: {advice}" == text(endless)
    assert [False, False] == [answer.is_error for answer in after]


@pytest.mark.target("long")
def test_a_call_has_a_limit_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another call finds a new process."""
    monkeypatch.setattr(module, "MOST_MEMORY", 128 << 20)

    full, after = answers([("run", {"programs": [HEAVY]}), RUN])

    assert "the call takes more memory than it may: ask about less (exit code 3)" == text(full)
    assert not after.is_error


def test_too_many_calls_at_once_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are answered."""
    monkeypatch.setattr(module, "_MOST_WAITING", 3)

    async def main() -> list[CallToolResult]:
        with closing(module.ToolServer(NOTHING)) as server:
            async with Client(server.protocol) as client:
                return await asyncio.gather(*(client.call_tool(*RUN) for _ in range(5)))

    found = asyncio.run(main())

    assert [False, False, False, True, True] == [answer.is_error for answer in found]
    assert text(found[-1]).startswith("3 calls are waiting: wait for an answer")


def test_a_call_that_nobody_waits_for_ends() -> None:
    """Its process is replaced, and the next call is answered."""

    async def main() -> CallToolResult:
        with closing(module.ToolServer(NOTHING)) as server:
            async with Client(server.protocol) as client:
                heavy = [
                    asyncio.create_task(client.call_tool("run", {"programs": [HEAVY]})) for _ in range(2)
                ]
                await asyncio.sleep(1)
                for one in heavy:
                    one.cancel()
                await asyncio.wait(heavy)
                return await asyncio.wait_for(client.call_tool(*RUN), 60)

    assert not asyncio.run(main()).is_error


BROKEN = [
    (b"not json\n", None, "Invalid JSON"),
    (b"x" * (9 << 20) + b"\n", None, "send at most 8,388,607"),
    (
        b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"a":"' + b"x" * (9 << 20) + b'"}}\n',
        7,
        "bytes",
    ),
    (b'{"jsonrpc":"2.0","id":8,"method":"tools/call","params":{"name":"\\udc00"}}\n', 8, "Invalid JSON"),
]


def test_what_is_no_message_is_answered_and_ends_nothing() -> None:
    """With its id if it has one; the next message is answered."""
    with started() as process:
        for line, number, says in BROKEN:
            process.stdin.write(line)
            process.stdin.flush()
            answer = json.loads(process.stdout.readline())

            assert ("2.0", number) == (answer["jsonrpc"], answer["id"])
            assert says in answer["error"]["message"]

        assert {"jsonrpc": "2.0", "id": 2, "result": {}} == json.loads(pinged(process))


def test_a_client_of_the_sdk_gets_the_error_of_a_call_that_is_too_long() -> None:
    """And an answer to its next call."""

    async def work(client: Client) -> CallToolResult:
        with pytest.raises(MCPError, match="send at most 8,388,607"):
            await client.call_tool("explain", {"words": ["y" * (9 << 20)]})
        return await client.call_tool(*RUN)

    assert not on_stdio(work).is_error


@for_each(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_server(number: signal.Signals, code: int) -> None:
    """Though its client still holds the connection; no folder is left."""
    with started() as process:
        pinged(process)

        process.send_signal(number)

        assert code == process.wait(20)


def test_a_client_that_is_gone_ends_the_server() -> None:
    """At once, with nothing said."""
    command = [sys.executable, "-m", "pfnlab", "mcp"]

    answer = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)

    assert (0, b"", b"") == (answer.returncode, answer.stdout, answer.stderr)


@pytest.mark.lab
def test_a_granted_kernel_answers() -> None:
    """In QEMU, as the model predicts."""
    bootable(NEW)
    machines = [f"qemu:{NEW}", f"model:{model_of(NEW)}"]

    (answer,) = answers([("run", {"programs": ["munmap-middle"], "on": machines})], Grants(kernels=True))

    assert (False, 0) == (answer.is_error, answer.structured_content["exit_code"]), text(answer)
