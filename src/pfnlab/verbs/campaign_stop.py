"""Ask the process that runs a campaign to stop, from anywhere that reaches the store."""

from __future__ import annotations

from collections.abc import Iterator

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import CampaignName, Request, Say, StoreOf

EXAMPLES = (
    ("pfnlab campaign stop --store nightly.db", "The process that runs it ends within seconds"),
    ("pfnlab campaign stop nightly --store postgresql://lab@db/pfnlab", "The same from another host"),
)


class StopRequest(Request, frozen=True, kw_only=True):
    name: CampaignName = None
    store: StoreOf = None


def perform(request: StopRequest, say: Say) -> Iterator[PlainText]:
    """Ask it; nothing is printed. Misuse if there is no such campaign, or it is not running."""
    from pfnlab.base.inert import shell_word
    from pfnlab.campaign.running import campaign_named
    from pfnlab.campaign.store.store import Store, store_address

    with Store(store_address(request.store), make=False) as store:
        name = campaign_named(store, request.name)
        if not store.is_running(name):
            raise Misuse(f"campaign {name!r} is not running: there is nothing to stop")
        store.ask_to_stop(name)
        say(f"campaign {name} stops; pfnlab campaign resume {shell_word(name)} goes on")
    yield from ()
