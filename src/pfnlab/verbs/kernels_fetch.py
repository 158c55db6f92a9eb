"""Fetch kernels from the distribution's archive, 13 to 50 MiB each; at first its lists, 40 MiB."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, RefreshOf, Request, Say

EXAMPLES = (
    ("pfnlab kernels fetch 6.1 7.2", "The newest known kernel of each series"),
    ("pfnlab kernels fetch --missing tested", "What the demo runs, as far as it is not here"),
)

#: The fallback of each role of the tests, in words.
_STANDINGS = {
    "new": "which is new: where it differs from the model, that is news",
    "cached": "from the cache, for it is no longer offered",
    "gone": "not to be had: recorded runs stand in for it",
}


class FetchRequest(Request, frozen=True, kw_only=True):
    names: Annotated[
        tuple[str, ...],
        Option(
            "6.12 (its newest known version on offer), 6.12.107, all (each series), every (each version "
            "on offer), or tested (what the demo and the tests run).",
            "K",
            positional=True,
        ),
    ]
    refresh: RefreshOf = False
    missing: Annotated[bool, Option("Only those not in the cache.")] = False


def perform(request: FetchRequest, say: Say) -> Iterator[PlainText]:
    """Fetch every named kernel, and say where it lies; Misuse if there is none, or a word for many beside."""
    from pfnlab.base.progress import working
    from pfnlab.base.units import number_of
    from pfnlab.kernel.policies.releases import CONFIRMED
    from pfnlab.lab.images.kernels import cached, fetch, read_lists

    refresh, names = request.refresh, request.names
    for word in ("tested", "every", "all"):
        if word in names and len(names) > 1:
            raise Misuse(
                f"`{word}` stands for many kernels: give it alone, or the others in a call of their own"
            )
    if "tested" in names:
        yield from _fetch_tested(request, say)
        return
    if "every" in names:
        chosen: Sequence[str] = [offer.package.version for offer in read_lists(refresh=refresh, say=say)]
        refresh = False
    else:
        chosen = CONFIRMED if "all" in names else tuple(dict.fromkeys(names))
    if request.missing:
        chosen = tuple(name for name in chosen if cached(name) is None)
    with working(f"fetching {number_of(len(chosen), 'kernel')}") as work:
        kernels = fetch(*chosen, refresh=refresh, say=say, counted=work)
    for kernel in kernels:
        yield PlainText.line(f"{kernel.upstream}: {kernel.package} {kernel.version} in {kernel.vmlinuz}")


def _fetch_tested(request: FetchRequest, say: Say) -> Iterator[PlainText]:
    from pfnlab.base.errors import Undecided
    from pfnlab.base.progress import working
    from pfnlab.lab.images.archive import Unverified
    from pfnlab.lab.images.kernel_offers import offered, roles_for
    from pfnlab.lab.images.kernels import cached, cached_versions, fetch, read_lists

    try:
        read_lists(refresh=request.refresh, say=say)
    except Unverified:
        raise
    except Undecided as trouble:
        say(f"{trouble}; going on with what is here")
    roles = roles_for(offered(), cached_versions())
    with working("fetching the kernels of demo and tests", len(roles)) as work:
        for role in roles:
            if role.standing in ("known", "new") and not (request.missing and cached(role.name)):
                fetch(role.name, say=say)
            work.advance()
    for role in roles:
        yield PlainText.line(f"{role.name}: {_STANDINGS.get(role.standing, 'known and on offer')}")
