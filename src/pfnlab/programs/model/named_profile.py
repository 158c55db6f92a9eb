"""The profile for a model name, i.e. a version and changes."""

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pfnlab.base.errors import Misuse
from pfnlab.base.spelling import guess, nearest
from pfnlab.kernel.bugs.kernel_name import version_named
from pfnlab.kernel.mm.configuration import Configuration
from pfnlab.kernel.mm.profile import Profile
from pfnlab.kernel.policies.commits import check_trackers, same_commit, with_commit, without_commit
from pfnlab.kernel.policies.kconfig import configuration_of, configured
from pfnlab.kernel.policies.profiles import PROFILES, profile_of
from pfnlab.kernel.policies.releases import is_version, series_of
from pfnlab.kernel.policies.reports import REPORTS
from pfnlab.kernel.policies.seams import PLACES, POLICIES, seam_and_place, with_policy

#: The changes of a profile that are not switches or seams.
_CHANGES = ("config", "with", "without", "freed_in_vain")

#: The start of a version; distributions continue it in forms of their own.
_VERSION = re.compile(r"\d+\.\d+")


def version_in(spec: str) -> str:
    """The version at the start of a model name, also in a distribution's form, ``6.12.117+deb13-amd64``.

    :raises Misuse: if the version hides its point release, e.g. ``5.15.0-91-generic``
    """
    name = spec.partition(",")[0]
    return version_named(name) if _VERSION.match(name) and name.isprintable() else name


def profile_named(spec: str, configuration: Configuration) -> Profile:
    """The profile for a model name: ``7.2,tracker=none,config=FILE``.

    :param configuration: the kernel configuration, if the name has none
    :raises Misuse: if there is no such version or change, or a change is given twice
    """
    version, changes = version_in(spec), spec.split(",")[1:]
    if series_of(version) not in PROFILES or not is_version(version):
        raise Misuse(
            f"there is no kernel profile {version!r}: {guess(version, PROFILES, 'model:{}')}"
            f"there are {', '.join(PROFILES)}, and exact versions of them such as 6.1.176 or 7.3-rc7"
        )
    profile = configured(profile_of(version), configuration)
    # Apply the configuration first and the places of a seam last, so that narrower changes override.
    changes.sort(key=_how_narrow)
    for at, change in enumerate(changes):
        _check_once(change, changes[:at])
        profile = _changed(profile, change)
    written = [change.partition("=") for change in changes]
    check_trackers(profile, [value for name, _, value in written if name in ("with", "without")])
    return profile


def _how_narrow(change: str) -> int:
    """The rank of a change: 0 for the configuration, 2 for a place in a seam, otherwise 1."""
    name, _, _ = change.partition("=")
    return 0 if name == "config" else 1 + ("." in name)


def _check_once(change: str, before: Sequence[str]) -> None:
    """Refuse a second change to the same seam, switch or commit, because only one of them could apply."""
    name, _, value = change.partition("=")
    for earlier in before:
        earlier_name, _, earlier_value = earlier.partition("=")
        commits = {name, earlier_name} <= {"with", "without"}
        if same_commit(earlier_value, value) if commits else name == earlier_name:
            subject = "a commit" if commits else name
            raise Misuse(f"{subject} is named twice, by {earlier} and {change}: leave one out")


def _changed(profile: Profile, change: str) -> Profile:
    """The profile after applying one ``tracker=NAME``, ``without=COMMIT`` or ``SWITCH=on|off``."""
    name, equals, value = change.partition("=")
    switches = sorted(field.name for field in fields(Profile) if field.type == "bool")
    if name == "config" and not value:
        raise Misuse("write config=FILE, a kernel's .config, plain or compressed by gzip")
    if name == "config":
        return configured(profile, configuration_of(Path(value)))
    if name == "with":
        return with_commit(profile, value)
    if name == "without":
        return without_commit(profile, value)
    seam = seam_and_place(name)
    if seam is not None:
        return with_policy(profile, seam[0], value, seam[1])
    if name == "freed_in_vain" and value in REPORTS:
        return replace(profile, freed_in_vain=value)
    if name == "freed_in_vain":
        raise Misuse(f"there is no report {value!r}: {guess(value, REPORTS)}there are {', '.join(REPORTS)}")
    if name in switches and equals and value in ("on", "off"):
        switched: dict[str, Any] = {name: value == "on"}
        return replace(profile, **switched)
    if name in switches:
        raise Misuse(f"write {name}=on or {name}=off")
    names = ", ".join(switches)
    places = (f"{seam}.{place}" for seam in PLACES for place in PLACES[seam])
    known = (*_CHANGES, *POLICIES, *places, *switches)
    meant = nearest(name, known)
    if meant is not None:
        raise Misuse(f"there is no seam or switch {name!r}: did you mean {meant}=?")
    raise Misuse(
        f"there is no seam or switch {name!r}: "
        "write config=FILE, tracker=POLICY, flush=POLICY, walker=POLICY, walker.PLACE=POLICY, "
        f"freed_in_vain=REPORT, with=COMMIT, without=COMMIT or one of {names}"
    )
