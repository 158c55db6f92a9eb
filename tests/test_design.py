"""The door for designs of one's own: its names are a promise, and the files that we show use no other way."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from pfnlab import design
from pfnlab.kernel.policies.flushes import FLUSHES
from pfnlab.kernel.policies.own import PROTOCOLS
from pfnlab.kernel.policies.reports import REPORTS
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.kernel.policies.walkers import WALKERS

ROOT = Path(__file__).parent.parent

#: Names that were promised: the list grows, and loses none.
PROMISED = re.findall(
    r"\w+",
    """
AnyVma BasePfn CacheMode CallerManaged CtxAdjust DriverHook EarlyRefusal EndVma EntryRun Exact FirstVma
FlushPlacement ForceRespinA ForceRespinB ForceV1 FreedInVain FreeVmas FullMm GatherDraft GatherV1
GatherV2 GatherV2Junk GatherV3 GatherV4 GatherV5 Kernel LockedUntrack MappedFile MemtypeBook MmStruct
MmuGather ModelledErrno Need NoCow NoForcedFlush NoPartial Page PAGE_SIZE PageTestSkip PerVma PfnmapTrackCtx
PfnRange PrErr PrInfo RemapAgain RwLock SpanSet SpecialBits SplitCtx Task TrackCtx Tracked Tracker
Undecided UnmapOnly Untracked VM_IO VM_MIXEDMAP VM_PAT VM_PFNMAP Vma VmPat VmPgoff WalkerPolicy WarnOnOnce
WholeLeaf
is_cow_mapping is_pfn_vma lookup_prot pfn_to_phys pfnmap_is_tracked pfnmap_track pfnmap_untrack
phys_to_pfn vm_flags_set
""",
)

#: Every name that the door has.
OFFERED = [name for name in vars(design) if not name.startswith("_")]

#: The policy files that we show, and the tests that write some.
SHOWN = sorted((ROOT / "docs" / "own-policy").glob("*.py"))
WRITERS = sorted((ROOT / "tests").rglob("*.py"))

#: An import of an inner path in a policy that a test writes: in a string, with a class that derives below.
_INNER = re.compile(r"from pfnlab\.(?:mm|hw|units|policies|errors)\b[^\n\"']*import", re.ASCII)


def test_every_promised_name_is_there() -> None:
    """What is new is added to the list above."""
    assert sorted(PROMISED) == sorted(OFFERED)


@pytest.mark.parametrize("name", PROMISED)
def test_a_name_can_be_taken(name: str) -> None:
    """It is what it says."""
    assert getattr(getattr(design, name), "__name__", name) == name


def test_every_packaged_design_can_be_derived_from() -> None:
    """And every seam's protocol is there."""
    packaged = {*TRACKERS.values(), *FLUSHES.values(), *WALKERS.values(), *REPORTS.values()}

    offered = {getattr(design, name) for name in OFFERED if isinstance(getattr(design, name), type)}

    assert set() == {*packaged, *PROTOCOLS.values()} - offered


def inner_imports(text: str) -> list[str]:
    """The modules of pfnlab that a policy file imports by another way."""
    modules = [node.module or "" for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom)]
    return [module for module in modules if module.startswith("pfnlab") and module != "pfnlab.design"]


@pytest.mark.parametrize("file", SHOWN, ids=lambda file: str(file.name))
def test_a_policy_that_is_shown_uses_the_door(file: Path) -> None:
    """It goes on working where inner paths change."""
    assert [] == inner_imports(file.read_text(encoding="utf-8"))


def test_a_policy_that_a_test_writes_uses_the_door() -> None:
    """Readers copy from tests too."""
    found = []
    for file in WRITERS:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            text = node.value if isinstance(node, ast.Constant) else None
            if isinstance(text, str) and "\nclass " in text and _INNER.search(text):
                found.append(f"{file.name}:{node.lineno}")

    assert [] == found


def test_another_way_is_noticed() -> None:
    """The check itself."""
    text = "from pfnlab.design import Vma\nfrom pfnlab.kernel.mm.vma import Vma\n"

    assert ["pfnlab.kernel.mm.vma"] == inner_imports(text)
