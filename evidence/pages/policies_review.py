"""The page ``docs/policies-review.md``: a review of every packaged policy against two kernels.

``python -m evidence.pages policies-review --write`` writes it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from evidence.pages.markdown import code, table
from evidence.pages.posted_reviews_page import recorded_reviews
from pfnlab.base.processes import in_order
from pfnlab.checker.review.grounds import KINDS
from pfnlab.checker.review.review import ReviewPiece, plan, review
from pfnlab.checker.review.review_result import COST_KINDS, Broken, ReviewResult
from pfnlab.discussions.thread_reviews import ReviewedRow
from pfnlab.kernel.policies import SEAM_OF
from pfnlab.kernel.policies.patched import PatchedKernel, patched_kernels
from pfnlab.kernel.policies.profiles import SERIES as MEASURED
from pfnlab.kernel.policies.profiles import era_of, exact
from pfnlab.kernel.policies.reports import REPORTS
from pfnlab.kernel.policies.seams import policy_names
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.model.model_machine import ModelMachine

BASES = ("7.3", "6.12")

#: Every seam, as spelled in machine names, with its heading and its policies.
SEAMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "tracker": ("Trackers", policy_names("tracker")),
    "flush": ("Flush placements", policy_names("flush")),
    "walker": ("Walkers", policy_names("walker")),
    "freed_in_vain": ("Reports of an invalid free", tuple(REPORTS)),
}

#: Neighbours, first operations, kinds and readers of the pieces to review; all of them would take hours.
_BESIDE = ("alone", "after it, touching", "after it, overlapping by a page", "in front of it")
_MUNMAPS = ("munmap a[510:514]", "munmap a[506:522]")
_REVOKED = ("a driver's remap", "counted pages and frames")
_AROUND = ("alone", "ordinary memory in front", "ordinary memory behind")
_CLAIMED = ("a PCI file", "a driver's remap")
_READER = 510

#: The stages at which an owner revokes and another process maps.
_TOLD, _CLAIMS = (2, 5), 3

#: The cell for a policy that no question tells apart from its base.
SAME = "same where asked"

#: In seconds: enough for every review.
_LONG = 1e9


class ReviewedDesign(NamedTuple):
    """A policy against a base."""

    seam: str
    policy: str
    base: str

    @property
    def design(self) -> str:
        """The name of the model with the policy."""
        return f"{self.base},{self.seam}={self.policy}"


def designs() -> list[ReviewedDesign]:
    """Every policy against every base, in the order of the page."""
    named = [(seam, policy) for seam, (_, policies) in SEAMS.items() for policy in policies]
    return [ReviewedDesign(seam, policy, base) for seam, policy in named for base in BASES]


def pieces(seam: str) -> list[ReviewPiece]:
    """Return the pieces to review for a policy of *seam*; chosen by name, so the page stays the same."""
    return [piece._replace(doubles=False) for piece in plan() if _asked(piece, seam)]


def _asked(piece: ReviewPiece, seam: str) -> bool:
    pair = piece.pair
    if pair is None:
        return piece.core and piece.neighbour.name in (_BESIDE if seam != "flush" else _BESIDE[:2])
    if piece.stage == _CLAIMS:
        return seam == "tracker" and pair.kind.name in _CLAIMED and pair.reader == _READER
    if piece.stage not in _TOLD:
        return False
    told = pair.first in _MUNMAPS and pair.kind.name in _REVOKED and pair.neighbour.name in _AROUND
    return seam == "flush" and told


def reviewed(one: ReviewedDesign) -> ReviewResult:
    """Review a policy on the pieces for its seam only."""
    return review(ModelMachine(one.base), ModelMachine(one.design), seconds=_LONG, pieces=pieces(one.seam))


_PAGE = """\
# Policies: what each newly breaks, repairs and costs

Every policy of `pfnlab policies list` is compared with the kernels {bases}, unmodified.
`pfnlab review tracker=NAME --base model:{base}` asks more of one; [review](review.md) explains the words.
The policies are explained in [policies](policies.md), the properties in [check](check.md#properties).

Asked here is what decides in minutes, chosen by name:

- Of each policy every single operation on every kind of mapping ({kinds}).
  The mapping stands alone or with one more: {beside}.
- Of trackers also another process that maps in another mode beside what gives frames up ({claims} pairs).
- Of flush placements also an owner's revocation beside munmap, with ordinary memory around ({owners} pairs).

**Newly broken** is what the policy violates and the kernel keeps, with the shortest program.
The page omits violations that both have.
`{same}` means that none of these questions tells the two apart; a question that is not asked here may.
The column *posted* has the [posted reviews](posted-reviews.md) of the policy in kernels with that tracker.
They ask everything.
`as the base` begins what another design breaks compared with the policy.
The column *kernels* lists kernels that have the policy.
`stock` are kernels with goldens in `litmus/`.
A number counts the programs that a [patched kernel](../evidence/patches/README.md) and the model both ran.
`differ` counts those that differ.
"""


def policies_review(jobs: int | None = 1) -> str:
    """The page.

    :param jobs: number of parallel reviews; None for the number of processors
    """
    every = designs()
    return page_of(zip(every, in_order(reviewed, every, jobs), strict=True))


def page_of(found: Iterable[tuple[ReviewedDesign, ReviewResult]]) -> str:
    """Return the page for these reviews."""
    rows: dict[str, list[list[str]]] = {seam: [] for seam in SEAMS}
    for one, result in found:
        held = kernels_with(one.seam, one.policy, patched_kernels().values())
        posted = posted_words(one, recorded_reviews().values())
        rows[one.seam].append([one.policy, one.base, *row(result), posted, held])
    stages = [piece.stage for seam in ("tracker", "flush") for piece in pieces(seam)]
    head = _PAGE.format(
        bases=" and ".join(BASES),
        base=BASES[0],
        kinds=len(KINDS),
        beside="; ".join(_BESIDE[1:]),
        claims=stages.count(_CLAIMS),
        owners=sum(stage in _TOLD for stage in stages),
        same=SAME,
    )
    columns = ("policy", "base", "newly broken", "repaired", "costs and changes", "posted", "kernels")
    parts = (f"## {SEAMS[seam][0]}\n\n{table(columns, of_seam)}" for seam, of_seam in rows.items())
    return "\n".join((head, *parts))


def row(result: ReviewResult) -> tuple[str, str, str]:
    """Return the cells for a design: newly violated, fixed, and costs and changes in a few words."""
    if result.is_unchanged:
        return SAME, "-", "-"
    broken = "<br>".join(map(_shown, result.broken)) or "nothing"
    repaired = ", ".join(f"`{one.name}`" for one in result.repaired) or "-"
    return broken, repaired, "; ".join(_costs(result)) or "-"


def _shown(broken: Broken) -> str:
    """Name the property, and the operations or turns that violate it."""
    lines = broken.schedule if broken.text is None else op_lines(load_text(broken.text, "found"))
    return f"**{broken.name}** {code(lines)}"


def _costs(result: ReviewResult) -> Iterator[str]:
    for kind in COST_KINDS:
        for word, which in (("more", "more"), ("fewer", "fewer")):
            named = [cost.operation for cost in result.costs if cost.kind == kind and getattr(cost, which)]
            if named:
                yield f"{word} {kind}: {', '.join(named)}"
    base, design = result.bytes_per_vma or (0, 0)
    if base != design:
        yield f"bytes in each VMA: {base} to {design}"
    for field in dict.fromkeys(change.field for change in result.changes):
        named = list(dict.fromkeys(change.operation for change in result.changes if change.field == field))
        yield f"other {field}: {', '.join(named)}"


def posted_words(one: ReviewedDesign, recorded: Iterable[ReviewedRow]) -> str:
    """Describe what recorded reviews of posted designs found of a policy.

    A review counts if its kernel has the tracker of the base.
    """
    words = []
    for review_row in recorded:
        for name, place in ((review_row.design, "{}"), (review_row.base, "as the base, {}")):
            series, *replaced = name.removeprefix("model:").split(",")
            era = era_of("tracker", exact(series)).name == era_of("tracker", exact(one.base)).name
            if era and f"{one.seam}={one.policy}" in replaced:
                words.append(f"{review_row.row}: {place.format(review_row.says)}")
    return "<br>".join(words) or "-"


def kernels_with(seam: str, policy: str, patched: Iterable[PatchedKernel]) -> str:
    """Name the kernels that have *policy*: stock ones in the measured series, and patched ones."""
    eras = MEASURED if seam in SEAM_OF.values() else ()
    stock = [series for series in eras if era_of(seam, exact(series)).name == policy]
    words = [f"stock {' to '.join(dict.fromkeys((stock[0], stock[-1])))}"] if stock else []
    for kernel in patched:
        if kernel.policy == f"{seam}={policy}":
            differ = f", {kernel.differences} differ" if kernel.differences else ""
            words.append(f"{kernel.series}: {kernel.programs:,}{differ}")
    return "; ".join(words) or "-"
