"""The policy that patches make of a kernel: what they say of themselves, or what the user says."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pfnlab.errors import Misuse
from pfnlab.lab.building.patch_file import PatchFile
from pfnlab.policies.own import is_path

_CHANGE = re.compile(r"\w+=[^\s,=]+")


def policies_of(patches: Sequence[PatchFile], said: Sequence[str]) -> tuple[str, ...]:
    """The changes of the model, as in a machine's name (``flush=end_vma``).

    :param said: those that the user has said, which count more than those of the patches
    :raises Misuse: one is no change, or two are about one seam
    """
    sources = [(f"--policy {change}", change) for change in said]
    if not said:
        sources = [
            (f"{patch.path}, Policy: {patch.policy}", patch.policy) for patch in patches if patch.policy
        ]
    changes: dict[str, str] = {}
    for source, text in sources:
        for change in text.split(","):
            if _CHANGE.fullmatch(change) is None:
                raise Misuse(f"{source}: write SEAM=POLICY, as flush=end_vma")
            if is_path(change) and not said:
                raise Misuse(f"{source}: it would be run: read that policy, then say --policy {text}")
            seam = change.partition("=")[0]
            if changes.setdefault(seam, change) != change:
                raise Misuse(f"two policies for {seam}: say with --policy which one describes the kernel")
    return tuple(changes.values())
