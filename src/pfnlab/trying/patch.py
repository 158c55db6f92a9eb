"""What a patch says of itself: its title, and the policy that it makes of a kernel.

A patch file may have trailers above its diff. ``Policy: flush=end_vma`` says that the model with this policy
describes the patched kernel; there may be several.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from pfnlab.errors import Misuse
from pfnlab.files import read_text

_POLICY = re.compile(r"^Policy:[ \t]*(\S.*?)[ \t]*$", re.MULTILINE)
_CHANGE = re.compile(r"[\w]+=[^\s,=]+")

#: Where the diff begins: nothing behind it is said by the patch.
_DIFF = re.compile(r"^(?:---|diff |Index: )", re.MULTILINE)


class Patch(msgspec.Struct, frozen=True):
    """One patch file.

    :param title: its first line, without ``Subject:`` and ``[PATCH]``; its name where that is none
    :param policies: the changes of a model that describe it, as in a machine's name: ``flush=end_vma``
    """

    path: Path
    title: str
    policies: tuple[str, ...] = ()


def read_patch(path: Path) -> Patch:
    """The patch in a file.

    :raises Misuse: it cannot be read, or names no policy behind ``Policy:``
    """
    head = _DIFF.split(read_text(path, "patch"), maxsplit=1)[0]
    policies = tuple(_POLICY.findall(head))
    for policy in policies:
        if _CHANGE.fullmatch(policy) is None:
            raise Misuse(f"{path}: {policy!r} is no policy: write `Policy: SEAM=POLICY`, as flush=end_vma")
    return Patch(path, _title(head) or path.name, policies)


def policies_of(patches: Sequence[Patch], said: Sequence[str]) -> tuple[str, ...]:
    """The changes of the model: those that the user has said, else those of the patches.

    :raises Misuse: two of them are about one seam
    """
    changes = tuple(dict.fromkeys(said or (policy for patch in patches for policy in patch.policies)))
    for change in changes:
        if _CHANGE.fullmatch(change) is None:
            raise Misuse(f"--policy {change}: write SEAM=POLICY, as flush=end_vma")
    seams = [change.partition("=")[0] for change in changes]
    for seam in seams:
        if seams.count(seam) > 1:
            raise Misuse(f"two policies for {seam}: say with --policy which one describes the kernel")
    return changes


def _title(head: str) -> str:
    lines = head.splitlines()
    subject = next((line[len("Subject:") :] for line in lines if line.startswith("Subject:")), None)
    text = subject if subject is not None else next((line for line in lines if line.strip()), "")
    return re.sub(r"^\s*\[[^\]]*\]\s*", "", text).strip()
