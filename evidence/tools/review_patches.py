"""Review patches without their policies, and record the verdicts: ``review_patches.py [NAME...]``.

For each patch, ``pfnlab try SERIES --patch`` reviews the kernel with it against the kernel without it, as if
nobody knew what it is. Some are known to be right, others to be wrong; ``planted-N`` has defect N of
``planted/defects-7.3.patch`` alone. Verdicts are recorded in ``evidence/patches/reviewed.json``, and the
table in ``evidence/patches/README.md`` is made from that. ``--result FILE`` records a trial that was run
before; ``--write`` only makes the table.

Exit codes: 0 every recorded verdict is right, 1 one is not.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
from page_tables import put, table

from pfnlab.base.progress import say
from pfnlab.hunt.meeting.trial import TrialResult

HOME = Path(__file__).parents[1] / "patches"
KEPT = HOME / "reviewed.json"
PAGE = HOME / "README.md"
MARKS = (
    "<!-- reviewed: `python evidence/tools/review_patches.py --write` -->\n",
    "<!-- end of reviewed -->\n",
)
SERIES = "7.3"

#: What is known of each patch; an empty text if it is right.
KNOWN = {
    "flush-none": "no flush before a VMA is unlinked",
    "flush-first_vma": "only the first VMA counts",
    "flush-gather_draft": "only the first VMA counts",
    "flush-gather_v5": "a flush in the middle of a VMA is taken for the last",
    "tracker-untracked": "mappings reserve nothing",
    "flush-end_vma": "",
    "tracker-ctx_adjust": "",
    "tracker-split_ctx": "",
    "planted-4": "a move leaves the last entry behind",
    "planted-10": "unmap_mapping_range leaves the last page of each mapping",
}

_PLANTED = HOME / "planted" / "defects-7.3.patch"
_ACTIVE = "unlikely(pfnlab_defect == number)"
_HEADINGS = ("kernel", "patch", "known defect", "newly broken", "first after", "programs", "core", "review")


class Reviewed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The verdict on one patch.

    :param kernel: the kernel with it
    :param broken: the newly violated properties, each with the seconds until it was found
    :param programs: the number of programs that both kernels ran
    :param complete: whether every core question was answered
    :param seconds: the time of the review, without the builds
    """

    kernel: str
    broken: dict[str, float]
    programs: int
    complete: bool
    seconds: float

    def is_right_about(self, name: str) -> bool:
        """True if it accuses a defective patch, or clears another one."""
        return bool(self.broken) if KNOWN[name] else self.complete and not self.broken


def main(arguments: Sequence[str]) -> int:
    """Review the patches, and write the results; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[[], *KNOWN], help="flush-none")
    parser.add_argument("--result", type=Path, help="record this trial of the one NAME")
    parser.add_argument("--write", action="store_true", help="only make the table again")
    asked = parser.parse_args(arguments)
    kept = read_reviewed()
    for name in () if asked.write else asked.names or KNOWN:
        say(f"reviewing {name}")
        kept[name] = verdict(asked.result.read_bytes() if asked.result else tried(name))
        kept = {one: kept[one] for one in KNOWN if one in kept}
        KEPT.write_bytes(msgspec.json.format(msgspec.json.encode(kept)) + b"\n")
    put(PAGE, MARKS, table_of(kept))
    return int(not all(one.is_right_about(name) for name, one in kept.items()))


def read_reviewed() -> dict[str, Reviewed]:
    """The recorded verdicts by the name of the patch."""
    return msgspec.json.decode(KEPT.read_bytes(), type=dict[str, Reviewed]) if KEPT.exists() else {}


def patch_text(name: str) -> str:
    """The patch without a policy.

    :raises ValueError: if the patch with all defects has changed
    """
    number = name.removeprefix("planted-")
    if number == name:
        text = (HOME / f"{name}.patch").read_text(encoding="utf-8")
    else:
        planted = _PLANTED.read_text(encoding="utf-8")
        text = planted.replace(_ACTIVE, f"number == {number}")
        if text == planted:
            raise ValueError(f"{_PLANTED.name} has no {_ACTIVE!r}")
    return re.sub(r"^Policy:.*\n", "", text, flags=re.MULTILINE)


def tried(name: str) -> bytes:
    """The trial of a patch, as JSON."""
    with tempfile.TemporaryDirectory() as folder:
        patch = Path(folder) / f"{name}.patch"
        patch.write_text(patch_text(name), encoding="utf-8")
        command = ["pfnlab", "try", SERIES, "--patch", str(patch), "--json"]
        return subprocess.run(command, stdout=subprocess.PIPE, check=False).stdout


def verdict(trial: bytes) -> Reviewed:
    """The verdict in a trial; SystemExit if it has no review."""
    result = msgspec.json.decode(trial, type=TrialResult)
    review = result.review
    if review is None:
        raise SystemExit(f"no review: {result.says}")
    core = [stage for stage in review.stages if stage.core]
    return Reviewed(
        result.kernel,
        {one.name: one.seconds for one in review.broken},
        sum(stage.asked for stage in review.stages),
        all(stage.asked == stage.planned for stage in core),
        review.seconds,
    )


def table_of(kept: Mapping[str, Reviewed]) -> str:
    """The table of all verdicts, and the number of those that are right."""
    rows = [
        (
            one.kernel.split(" ")[0],
            name,
            KNOWN[name] or "-",
            ", ".join(one.broken) or "-",
            f"{min(one.broken.values()):.0f} s" if one.broken else "-",
            f"{one.programs:,}",
            "complete" if one.complete else "cut",
            f"{one.seconds:.0f} s",
        )
        for name, one in kept.items()
    ]
    right = sum(one.is_right_about(name) for name, one in kept.items())
    accused = sum(bool(one.broken) and not KNOWN[name] for name, one in kept.items())
    says = f"Right: {right} of {len(kept)}; accused although right: {accused}."
    return f"{table(_HEADINGS, rows)}\n{says}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
