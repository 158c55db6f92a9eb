"""Serve run, review, explain, bugs, discussions and help as tools over MCP, the Model Context Protocol.

The client starts this command and talks to it over standard input and output. It sends texts, not paths, and
gets the results as JSON. The server writes no files, and every call has limits on time, memory and size.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pfnlab.base.result import PlainText
from pfnlab.verbs.option import SECONDS, Option, Request, Say


class McpRequest(Request, frozen=True, kw_only=True):
    gradual = True

    kernels: Annotated[
        bool, Option("Allow calls on real kernels (qemu:VERSION), which are downloaded if missing.")
    ] = False
    policies: Annotated[
        bool, Option("Run policies that the client sends. Trust it first: this executes code.")
    ] = False
    seconds: Annotated[float, SECONDS._replace(help="Time limit of each call, in seconds.", min=1)] = 300


def perform(request: McpRequest, say: Say) -> Iterator[PlainText]:
    """Serve until the client closes the connection; yield no results.

    :raises MissingTool: if the packages in the ``mcp`` extra are not installed
    """
    from pfnlab.base.extras import imported_from

    with imported_from("mcp", "pfnlab mcp"):
        from pfnlab.mcp.stdio_server import serve
    from pfnlab.mcp.verb_tools import Grants

    serve(Grants(request.kernels, request.policies, request.seconds))
    yield from ()
