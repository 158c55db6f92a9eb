"""The claims of the discussions, each with a verdict: ``docs/claims.md``.

A claim is in our words, with the seed it comes from. The model answers it by programs, each of which must
show the prediction of the claim, or by a search for a property.
``python -m pfnlab.report.claims > docs/claims.md`` writes the page.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pfnlab.checker.check import HOLDS, VIOLATED
from pfnlab.report.asking import (
    Asks,
    QuestionResult,
    book,
    costs,
    counted,
    entry,
    flushes,
    log,
    property_is,
    result,
    shows,
    value,
)
from pfnlab.report.markdown import table


class Claim(NamedTuple):
    """One claim.

    :param seed: the seed that makes it
    :param says: the claim
    :param asks: its predictions; it is right where all of them are confirmed
    """

    seed: str
    says: str
    asks: Sequence[Asks]


_WC = "a = mmap bar[0:4] wc shared rw"
_COPY = ("a = mmap bar[0:4] wc private rw", "write a[0] 7")
_FREED = "x86/PAT: main freeing invalid memtype bar[0:1]"
_THREE = (
    "a = mmap bar[0:12] wc shared rw",
    "mmap bar[4:8] wc shared rw over a[4:8]",
    "mmap bar[8:12] wc shared rw over a[8:12]",
)

CLAIMS = (
    Claim(
        "000",
        "To zap one page of a mapping is enough to untrack all of it.",
        [shows("6.1", [_WC, "zap_vma_ptes a[0]"], book, "nothing")],
    ),
    Claim(
        "000",
        "What is inserted after the tracking was lost falls back to UC-.",
        [
            shows(
                "6.1",
                ["a = mmap bar[0:4] driver remap wc shared rw", "zap_vma_ptes a[0]", "read a[0]"],
                entry,
                "UC-",
            )
        ],
    ),
    Claim(
        "000",
        "MADV_DONTNEED never works on a PFN mapping.",
        [shows(series, [_WC, "madvise a dontneed"], result, "EINVAL") for series in ("6.1", "6.12", "7.2")],
    ),
    Claim(
        "000",
        "Untracking only where a region is unmapped keeps the reservation when a page is zapped.",
        [shows("6.1,tracker=unmap_only", [_WC, "zap_vma_ptes a[0]"], book, "bar[0:4] wc")],
    ),
    Claim(
        "000",
        "That is the whole repair: nothing else of the tracking has to know that entries can go early.",
        [property_is("6.1,tracker=unmap_only", name, HOLDS) for name in ("no_warning", "no_leak")],
    ),
    Claim(
        "001",
        "Pfn entries can always be told by their special bits.",
        [property_is("7.2,walker=special_bits", "walks_pages", HOLDS)],
    ),
    Claim(
        "001",
        "get_user_pages refuses the VMA as a whole, copied pages included.",
        [shows("7.2", [*_COPY, "process_vm_readv a[0]"], result, "EFAULT")],
    ),
    Claim(
        "001",
        "To refuse VM_IO and VM_PFNMAP early misses the copied pages of private mappings.",
        [property_is("7.2,walker=early_refusal", "walks_all", VIOLATED)],
    ),
    Claim(
        "001",
        "With special bits alone they are found, and nothing else is.",
        [property_is("7.2,walker=special_bits", name, HOLDS) for name in ("walks_all", "walks_pages")],
    ),
    Claim(
        "001",
        "The statistics of a process miss the copied pages of its PFN mappings (6.1).",
        [shows("6.1", _COPY, counted, "0 kB")],
    ),
    Claim(
        "001",
        "They still did when this was written, in the summer of 2024 (6.10).",
        [shows("6.10", _COPY, counted, "0 kB")],
    ),
    Claim(
        "001",
        "move_pages with nodes=NULL brings folio_walk_start to a PFN mapping.",
        [shows("6.12", [*_COPY, "move_pages a[0]"], value, "node0")],
    ),
    Claim(
        "001",
        "No caller of folio_walk_start stumbles on a PFN mapping.",
        [shows("6.12", [*_COPY, "move_pages a[0]"], result, "EFAULT")],
    ),
    Claim(
        "002",
        "A shared context is untracked exactly when the last VMA goes, whatever was split, moved or forked.",
        [property_is("7.2", name, HOLDS) for name in ("no_leak", "no_loss", "freed_once")],
    ),
    Claim(
        "002",
        "The whole range stays tracked after a part was unmapped.",
        [shows("7.2", [_WC, "munmap a[0]"], book, "bar[0:4] wc")],
    ),
    Claim(
        "002",
        "Unmapping a part was broken before, even in the simplest form.",
        [
            shows("6.12", [_WC, "munmap a[0]"], log, _FREED),
            property_is("6.12", "no_leak", VIOLATED),
        ],
    ),
    Claim(
        "002",
        "Only unmapping the last part worked: the reservation shrinks.",
        [shows("6.1", [_WC, "munmap a[3]"], book, "bar[0:3] wc")],
    ),
    Claim(
        "002",
        "Shrinking with mremap used to adjust the reservation.",
        [shows("6.1", [_WC, "mremap a 2 pages"], book, "bar[0:2] wc")],
    ),
    Claim(
        "002",
        "Now the original range stays tracked there too.",
        [shows("7.2", [_WC, "mremap a 2 pages"], book, "bar[0:4] wc")],
    ),
    Claim(
        "002",
        "A shrink could be handled by adjusting the range when the count drops to one.",
        [shows("7.2,tracker=ctx_adjust", [_WC, "mremap a 2 pages"], book, "bar[0:2] wc")],
    ),
    Claim(
        "002",
        "Adjusting when the count drops to one tracks the correct range.",
        [property_is("7.2,tracker=ctx_adjust", "exact", HOLDS)],
    ),
    Claim(
        "002",
        "With contexts of their own the correct range could be tracked, splits included.",
        [property_is("7.2,tracker=exact", "exact", HOLDS)],
    ),
    Claim(
        "002",
        'The kernel hardly ever says "freeing invalid memtype" any more.',
        [property_is("7.2", "freed_once", HOLDS)],
    ),
    Claim(
        "003",
        "A range can have several owners as long as their modes agree.",
        [shows("6.1", [_WC, "b = mmap bar[0:4] wc shared rw"], book, "bar[0:4] wc, bar[0:4] wc")],
    ),
    Claim(
        "003",
        "fork duplicates the reservation that way.",
        [shows("6.1", [_WC, "c = fork"], book, "bar[0:4] wc, bar[0:4] wc")],
    ),
    Claim(
        "003",
        "A copied first page is what the protection cannot be read back from.",
        [shows("6.1", [*_COPY, "c = fork"], result, "ENOMEM")],
    ),
    Claim(
        "003",
        "Apart from copied pages the protection is easy to have without an entry: that of the VMA will do.",
        [
            shows(
                "7.2,tracker=base_pfn",
                [
                    *("b = mmap bar[0:4] wc shared rw", "a = mmap bar[0:4] uc shared rw"),
                    *("zap_vma_ptes a", "c = fork"),
                ],
                result,
                "ok",
            )
        ],
    ),
    Claim(
        "003",
        "The first pfn stored in every VMA makes the page tables unnecessary, and survives splits.",
        [
            property_is("7.2,tracker=base_pfn", "no_warning", HOLDS),
            property_is("7.2,tracker=base_pfn", "no_leak", HOLDS),
        ],
    ),
    Claim("003", "It costs eight bytes in every VMA of the system.", [costs("base_pfn", 8)]),
    Claim(
        "003",
        "A hook of the driver for the first pfn cannot help drivers that do not have it.",
        [property_is("7.2,tracker=driver_hook", "no_leak", VIOLATED)],
    ),
    Claim(
        "003",
        "Splitting a tracked VMA is odd but works, because the pieces are never merged again.",
        [
            shows("6.1", [_WC, "mprotect a[0] r", "munmap a"], book, "nothing"),
            property_is("6.1", "no_leak", HOLDS),
        ],
    ),
    Claim(
        "003",
        "One flag for a whole VMA cannot work where entries are zapped in part.",
        [property_is("6.1", "no_loss", VIOLATED)],
    ),
    Claim(
        "003",
        "It would work if unmapping a part were forbidden.",
        [property_is("7.2,tracker=no_partial", name, HOLDS) for name in ("no_leak", "freed_once", "no_loss")],
    ),
    Claim(
        "003",
        "Callers could manage the reservation themselves.",
        [
            property_is("7.2,tracker=caller_managed", name, HOLDS)
            for name in ("no_leak", "no_loss", "freed_once", "fork_whole")
        ],
    ),
    Claim(
        "004",
        "Unlinking before the flush, munmap hides a VMA that still reaches its frames from a revocation.",
        [property_is("7.2,flush=none", "told_free", VIOLATED, "race")],
    ),
    Claim(
        "004",
        "The test of the flags stood in the wrong place in the first try.",
        [property_is("7.2,flush=outside_loop", "told_free", VIOLATED, "race")],
    ),
    Claim(
        "004",
        "In the loop over the VMAs it is right.",
        [property_is("7.2,flush=in_loop", "told_free", HOLDS, "race")],
    ),
    Claim(
        "004",
        "In the loop it does not bring the flush for every VMA back: one of three, and one for page tables.",
        [shows("7.2,flush=in_loop", [*_THREE, "munmap a"], flushes, "2")],
    ),
    Claim(
        "004",
        "With a flush at the end of each VMA there is one for each, and that for page tables.",
        [shows("7.2,flush=end_vma", [*_THREE, "munmap a"], flushes, "4")],
    ),
    Claim(
        "004",
        "What landed is right.",
        [property_is("7.2", "told_free", HOLDS, "race")],
    ),
)

_INTRO = """\
# What the discussions claim

Generated by `python -m pfnlab.report.claims`; do not edit. Each claim is in our words, with the seed it comes
from. A program is asked of the model, whose profiles are held against kernels, and what its last operation
shows is compared with what the claim predicts. A property is searched for in a scope of
[check](check.md), three operations deep (`race`: every schedule). Designs nobody built, as `unmap_only`, are
ours after the seed's words: [policies](policies.md).
"""


def claims() -> str:
    """The page."""
    return f"{_INTRO}\n{table(('seed', 'claim', 'verdict', 'asked of', 'asked', 'seen'), _rows())}"


def _rows() -> Iterator[Sequence[str]]:
    for claim in CLAIMS:
        answers = [ask() for ask in claim.asks]
        for number, answer in enumerate(answers):
            head = (claim.seed, claim.says, verdict(answers)) if not number else ("", "", "")
            yield *head, f"`model:{answer.machine}`", answer.asked, answer.shown


def verdict(answers: Sequence[QuestionResult]) -> str:
    """``right``, ``wrong``, or wrong in part."""
    right = [answer.right for answer in answers]
    if all(right):
        return "right"
    return "**wrong**" if not any(right) else "**wrong** in part"


if __name__ == "__main__":
    print(claims(), end="")
