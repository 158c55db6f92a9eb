"""Real kernels that can be booted."""

from __future__ import annotations

import os
from typing import Annotated

from pfnlab.verbs.option import Option, Request

VERBS = ("list", "fetch", "tested", "rm", "build", "sizes", "meet", "diff")

EXAMPLES = (
    ("pfnlab kernels", "Every kernel that is known, cached or on offer"),
    ("pfnlab kernels fetch 7.2", "One of them into the cache"),
)


class MirrorRequest(Request, frozen=True, kw_only=True):
    """The request of every verb about kernels: the mirror that they are fetched from."""

    mirror: Annotated[
        str | None,
        Option(
            "A mirror of Debian's archive for pfnlab alone, not that of PFNLAB_MIRROR or the machine.", "URI"
        ),
    ] = None


def prepare(request: MirrorRequest) -> None:
    """Have the mirror in the environment: every helper that is begun from here has it too."""
    if request.mirror is not None:
        from pfnlab.lab.images.sources import MIRROR

        os.environ[MIRROR] = request.mirror
