"""vm_pat as it was at the end of each of its eras: the same tracker, with the repairs it had by then.

Every difference is a switch, so an era is a release: ``tracker=vm_pat@4.5`` sets each switch that
vm_pat asks as mainline 4.5 had it, on any profile.
"""

from __future__ import annotations

from pfnlab.kernel.policies.known_by import CommitMessage, KnownBy
from pfnlab.kernel.policies.releases import series_key
from pfnlab.kernel.policies.switch_table import SWITCHES

#: The eras by name, with the property of their release.
VM_PAT_ERAS = {
    "vm_pat@3.7": "as it began: a free takes whole entries only, every copy carries the flag",
    "vm_pat@4.5": "a free may shrink an entry with the same end; a move takes the flag along (A12, A13)",
    "vm_pat@6.9": "a copied first page no longer hides the pfn, but fork fails for it (A01, A02)",
    "vm_pat@6.14.2": "a fork that fails undoes its own; a split loses its new half instead (A04, A16)",
    "vm_pat@6.15": "all repairs it ever had",
}

#: How what each era lacks is known: the archive has no kernel of them. What the last has, 6.12 has too.
KNOWN_BY: KnownBy = CommitMessage()

#: Switches of the tracker beside those that only it asks.
_ALSO = ("end_match", "failed_remap_zaps")


def era_switches(name: str) -> dict[str, bool]:
    """The switches of the era *name*, one of :data:`VM_PAT_ERAS`."""
    release = series_key(name.partition("@")[2])
    return {
        switch.name: (
            _reached(switch.since, release)
            or any(_reached(backport.point, release) for backport in switch.stable)
        )
        and not (switch.until and _reached(switch.until, release))
        for switch in SWITCHES
        if switch.tracker == "vm_pat" or switch.name in _ALSO
    }


def _reached(since: str, release: tuple[int, ...]) -> bool:
    """True where *release* is *since* or a later one: a point release only for its own series."""
    first = series_key(since)
    if len(first) == 3 and first[0] > 2:
        return release[:2] == first[:2] and release >= first
    return release >= first
