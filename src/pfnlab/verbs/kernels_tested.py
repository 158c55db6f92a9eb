"""The kernels that the demo and the tests run, by the lists fetched so far."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, Request, Say

EXAMPLES = (
    ("pfnlab kernels tested", "The kernels of the demo and the tests"),
    ("pfnlab kernels tested --newest", "The newest of them"),
)


class TestedRequest(Request, frozen=True, kw_only=True):
    newest: Annotated[bool, Option("Only the newest that can be had.")] = False


def perform(request: TestedRequest, say: Say) -> Iterator[PlainText]:
    """A version and its standing a line; nothing where the newest is wanted and none can be had."""
    from pfnlab.lab.images.kernel_offers import offered, roles_for
    from pfnlab.lab.images.kernels import cached_versions

    roles = roles_for(offered(), cached_versions())
    if request.newest:
        roles = [role for role in roles if role.standing != "gone"][-1:]
    yield from (PlainText.line(f"{role.name} {role.standing}") for role in roles)
