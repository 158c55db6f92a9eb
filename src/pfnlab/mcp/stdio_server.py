"""The MCP server on standard input and output: it lists tools, and has each call carried out by a process."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections import Counter
from contextlib import closing
from typing import Any

import msgspec
from mcp import types
from mcp.server import Server
from mcp.server.stdio import stdio_server

from pfnlab.base.answerer import Answerer
from pfnlab.base.errors import Misuse, Undecided
from pfnlab.base.inert import message
from pfnlab.base.version import VERSION
from pfnlab.mcp.messages import Messages
from pfnlab.mcp.tool_call import CallReply
from pfnlab.mcp.verb_tools import Grants, ToolCall, called, verb_tools

#: Memory limit for each process of a call, in bytes; a call that boots a kernel has none.
MOST_MEMORY = 2 << 30
#: The number of calls on models that are carried out at once, and of calls that may wait in all.
_AT_ONCE, _MOST_WAITING = 2, 16
#: The entry point of a process, and what to advise if a call takes too long.
_KIND = "pfnlab.mcp.tool_call:answering", "ask about less, or use the command line"

_INSTRUCTIONS = """The rules of Linux PFN mappings (remap_pfn_range, PAT, memtype list, fork) as a program.
Each tool is a command of pfnlab; `help` explains words and commands. If the command takes a file, send its
text. A result has the exit code (0 as expected, 1 a discovery, 2 misuse, 3 undecided, 4 a defect) and the
JSON documents; `help` with words ["run"] and schema true returns their JSON Schema."""


class ToolServer:
    """Answers calls as *grants* permit, each in one of a few processes."""

    def __init__(self, grants: Grants) -> None:
        self._grants = grants
        # For the texts of calls.
        self._folder = tempfile.TemporaryDirectory(prefix="pfnlab-mcp-", ignore_cleanup_errors=True)
        self._on_models = [self._answerer(MOST_MEMORY) for _ in range(_AT_ONCE)]
        self._on_kernels = [self._answerer(None)]
        self._calls: Counter[Answerer] = Counter()

    def _answerer(self, memory: int | None) -> Answerer:
        return Answerer(_KIND, (memory, self._folder.name), self._grants.seconds)

    @property
    def protocol(self) -> Server[Any]:
        """The server of the SDK that passes calls to this one."""
        return Server(
            "pfnlab",
            version=VERSION,
            instructions=_INSTRUCTIONS,
            on_list_tools=self._listed,
            on_call_tool=self._called,
        )

    def close(self) -> None:
        """End all processes."""
        for one in (*self._on_models, *self._on_kernels):
            one.end_for_good()
        self._folder.cleanup()

    async def _listed(self, context: Any, params: Any) -> types.ListToolsResult:
        hints = types.ToolAnnotations(read_only_hint=True, open_world_hint=False)
        return types.ListToolsResult(
            tools=[
                types.Tool(
                    name=tool.name,
                    description=tool.description,
                    input_schema=tool.input_schema,
                    annotations=hints,
                )
                for tool in verb_tools(self._grants).values()
            ]
        )

    async def _called(self, context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
        try:
            reply = await self._reply(called(params.name, params.arguments or {}, self._grants))
        except Misuse as wrong:
            reply = CallReply(message(str(wrong)), Misuse.exit_code)
        if reply.refused:
            # The process itself gives no code if it was ended.
            code = reply.exit_code or Undecided.exit_code
            tool = verb_tools(self._grants).get(params.name)
            refused = tool.in_arguments(reply.refused) if tool else reply.refused
            return _result(f"{refused} (exit code {code})", is_error=True)
        results = [msgspec.json.decode(one) for one in reply.results]
        left_out = {"left_out": reply.left_out} if reply.left_out else {}
        return _result(reply.text, {"exit_code": reply.exit_code, "results": results, **left_out})

    async def _reply(self, call: ToolCall) -> CallReply:
        if self._calls.total() >= _MOST_WAITING:
            raise Misuse(f"{_MOST_WAITING} calls are waiting: wait for an answer before the next")
        workers = self._on_kernels if call.on_kernel else self._on_models
        worker = min(workers, key=lambda one: self._calls[one])
        working = asyncio.create_task(worker.answer("", call))
        self._calls[worker] += 1
        try:
            encoded = await asyncio.shield(working)
        except asyncio.CancelledError:
            working.cancel()
            raise
        finally:
            self._calls[worker] -= 1
        return msgspec.json.decode(encoded, type=CallReply)


def _result(text: str, content: Any = None, *, is_error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(
        content=[types.TextContent(type="text", text=text)], structured_content=content, is_error=is_error
    )


def serve(grants: Grants) -> None:
    """Serve on standard input and output until the client closes them, or until a signal."""
    with closing(ToolServer(grants)) as server:
        asyncio.run(_serve(server))


async def _serve(server: ToolServer) -> None:
    def leave(number: int) -> None:
        server.close()
        # A thread still waits for the client's next message.
        os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, leave, number)
    protocol = server.protocol
    messages: Any = Messages(sys.stdin.buffer)
    async with stdio_server(stdin=messages) as (received, messages.sent):
        await protocol.run(received, messages.sent, protocol.create_initialization_options())
