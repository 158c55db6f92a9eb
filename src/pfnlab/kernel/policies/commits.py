"""Kernels with one commit added or removed: ``with=COMMIT`` and ``without=COMMIT``.

As in git, a commit is abbreviated to at least 7 digits. Any commit that introduced or ended a switch or a
policy can be used; for some others, there is a stated reason why not.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import shell_word
from pfnlab.kernel.mm.profile import Profile
from pfnlab.kernel.policies.seams import policy_of, with_policy
from pfnlab.kernel.policies.switches import ERAS, SWITCHES, Era, Switch

_COMMIT = re.compile(r"[0-9a-f]{7,40}")

#: Commits in the bug catalogue that no switch can express, and why not.
NO_SWITCH = {
    "2ab640379a0a": "A03: it made fork track at all, before every kernel modelled here",
    "5899329b1910": "A06: it began the tracking (2.6.29), before every kernel modelled here",
    "b3b9c2932c32": "A01: it began to look frames up in page tables, before every kernel modelled here",
    "74ffa5a3e685": "A18: it split remap_pfn_range; what it broke is without=79a61cc3fc04",
    "f5cc4eef9987": "A08: zaps untracked before it, through unmap_vmas(), as they did after it",
    "8c56c5dbcf52": "A05: nothing of it is seen on x86",
    "7bd7d74ec019": "D01: it removed what f8e97613fed2 left without a user",
    "cba4dbeb7bfc": "D01: it removed what f8e97613fed2 left without a user",
    "b3662fb91b98": "D01: only the fork of vm_pat was strict, and f8e97613fed2 ended that",
    "a04e1928e2ea": "C06: no memremap_pages() fails once it has booked its range",
    "23aaed6659df": "F01: a rewrite of the same release undid it; the repair that stayed is 48684a65b4e3",
    "3ab1db3c6039": "F20: io_uring is not modelled",
}


def machine_without(machine: str, commit: str) -> str:
    """The name of *machine* (``6.1``, ``5.15,with=526a9ce7e134``) without a commit that it has.

    If the name has a change that added the commit, that change is dropped.
    """
    version, *changes = machine.split(",")
    remaining = [change for change in changes if change != f"with={commit}"]
    added = [] if len(remaining) < len(changes) else [f"without={commit}"]
    return ",".join((version, *remaining, *added))


def with_commit(profile: Profile, text: str) -> Profile:
    """*profile* with the commit *text* applied.

    :raises Misuse: if there is no such commit, no switch for it, or it is already applied
    """
    return _changed(profile, text, wanted=True)


def without_commit(profile: Profile, text: str) -> Profile:
    """*profile* with the commit *text* removed.

    :raises Misuse: if there is no such commit, no switch for it, or it is not applied
    """
    return _changed(profile, text, wanted=False)


def known_commits() -> dict[str, str]:
    """Every commit that can be added or removed, with its switch or its ``seam=policy``."""
    return {commit: name for commit, name, _ in _entries()}


def check_trackers(profile: Profile, commits: list[str]) -> None:
    """Refuse commits that only affect a different tracker.

    :raises Misuse: the message names the tracker to add
    """
    for commit in commits:
        for _, _, source in _matching_entries(commit):
            if isinstance(source, Switch) and source.tracker not in (None, profile.tracker):
                raise Misuse(
                    f"commit {commit} changes nothing here: it is about tracker {source.tracker}, "
                    f"so write tracker={source.tracker} as well"
                )


def _entries() -> Iterator[tuple[str, str, Switch | Era]]:
    for switch in SWITCHES:
        for commit in (switch.commit, switch.ended_by):
            if commit is not None:
                yield commit, switch.name, switch
    for era in ERAS:
        if era.commit is not None:
            yield era.commit, f"{era.seam}={era.name}", era


def _matching_entries(text: str) -> list[tuple[str, str, Switch | Era]]:
    return [entry for entry in _entries() if same_commit(entry[0], text)]


def same_commit(commit: str, text: str) -> bool:
    """True if two spellings of a commit, one of which may be shorter, can mean the same commit."""
    return commit.startswith(text) or text.startswith(commit)


def _changed(profile: Profile, text: str, *, wanted: bool) -> Profile:
    if not _COMMIT.fullmatch(text):
        raise Misuse(f"{text!r} is not a commit: write 7 to 40 digits of it, e.g. without=04c35ab3bdae")
    entries = _matching_entries(text)
    for commit, reason in NO_SWITCH.items():
        if not entries and same_commit(commit, text):
            raise Misuse(f"commit {text} has no switch ({reason}): leave it out")
    if not entries:
        raise Misuse(
            f"commit {text} is not known here: "
            f"write one that `pfnlab policies show {shell_word(profile.series)}` lists, "
            "or a switch by its name"
        )
    if len({commit for commit, _, _ in entries}) > 1:
        several = " or ".join(sorted({commit for commit, _, _ in entries}))
        raise Misuse(f"{text} begins several commits: write {several}")
    for commit, _, source in entries:
        if isinstance(source, Era):
            profile = _with_era(profile, source, text, wanted)
        else:
            profile = _with_switch(profile, source, text, wanted, ends=commit == source.ended_by)
    return profile


def _with_switch(profile: Profile, switch: Switch, text: str, wanted: bool, *, ends: bool) -> Profile:
    on = wanted != ends
    if getattr(profile, switch.name) == on:
        raise Misuse(_refusal(profile, text, f"{switch.name} is {'on' if on else 'off'}", wanted))
    changes: dict[str, Any] = {switch.name: on}
    return replace(profile, **changes)


def _with_era(profile: Profile, era: Era, text: str, wanted: bool) -> Profile:
    current = policy_of(profile, era.seam)
    before = era.before or era.name
    target, origin = (era.name, before) if wanted else (before, era.name)
    if current == target:
        raise Misuse(_refusal(profile, text, f"{era.seam} is {current}", wanted))
    if current != origin:
        raise Misuse(
            f"commit {text} takes {era.seam} from {before} to {era.name}, "
            f"and here it is {current}: write {era.seam}={target}"
        )
    if era.seam == "walker":
        # The only walker that ever changed.
        return with_policy(profile, era.seam, target, "walk_page_vma")
    return with_policy(profile, era.seam, target)


def _refusal(profile: Profile, text: str, state: str, wanted: bool) -> str:
    verb, option = ("has", "without") if wanted else ("does not have", "with")
    return f"model:{profile.series} {verb} commit {text} ({state}): write {option}={text} or leave it out"
