"""no_cow: private mappings of frames are refused (discussion 001)."""

from __future__ import annotations

from for_each import for_each
from tracker_runs import DRIVER, MAP, book, run

from pfnlab.checker.check import check
from pfnlab.checker.limits import Exhaustive
from pfnlab.checker.scopes.scope import load_scope
from pfnlab.programs.model.model_machine import ModelMachine

SPEC = "7.2,tracker=no_cow"


#: The ways to map frames privately, and what the file makes of the refusal: /dev/mem has one answer for all.
PRIVATE = {
    "mmap bar[0:4] devmem private rw": "EAGAIN",
    "mmap bar[0:4] devmem private r": "EAGAIN",
    "mmap bar[0:4] devmem-sync private rw": "EAGAIN",
    "mmap bar[0:4] wc private rw": "EINVAL",
    "mmap bar[0:4] uc private r": "EINVAL",
    "mmap bar[0:4] proc-wc private rw": "EINVAL",
    "mmap bar[0:4] driver remap asis private rw": "EINVAL",
}


@for_each("series", ["6.1", "6.12", "7.2", "7.3"])
@for_each("private", PRIVATE)
def test_a_private_mapping_is_refused(private: str, series: str) -> None:
    """Whoever makes it, and whether or not it is to be written; nothing is reserved for it."""
    refused, end = run(f"{series},tracker=no_cow", f"a = {private}")

    assert (PRIVATE[private], (), [], []) == (refused.result, refused.vmas, book(refused), book(end))


@for_each("shared", [MAP, DRIVER, "a = mmap bar[0:4] devmem shared r"])
def test_a_shared_mapping_is_not(shared: str) -> None:
    """It is reserved as by track_ctx."""
    mapped, _ = run(SPEC, shared)
    other, _ = run("7.2", shared)

    assert ("ok", other.book, other.tracked) == (mapped.result, mapped.book, mapped.tracked)


@for_each("how", ["part[0:2]", "halves"])
def test_a_part_of_a_private_mapping_is_refused(how: str) -> None:
    """As every kernel does, whatever its tracker."""
    (refused, _), (other, _) = (
        run(spec, f"a = mmap bar[0:4] driver {how} asis private rw") for spec in (SPEC, "7.2")
    )

    assert ("EINVAL", "EINVAL") == (refused.result, other.result)


def test_ordinary_private_memory_is_no_matter() -> None:
    """Only frames are asked for at the seam."""
    *_, written, _ = run(SPEC, "a = mmap anon[0:2] private rw", "write a[0] 1")

    assert "ok" == written.result


@for_each("series", ["6.1", "7.2"])
def test_what_a_fixed_mapping_replaces_is_gone_when_it_is_refused(series: str) -> None:
    """As with any refusal by a driver: the place is empty by then."""
    mapped, refused, _ = run(f"{series},tracker=no_cow", MAP, "mmap bar[0:2] devmem private rw over a[0:2]")

    assert ("EAGAIN", 1) == (refused.result, len(refused.vmas or ()))
    assert mapped.vmas != refused.vmas


@for_each("walker", ["early_refusal", "page_test_skip"])
def test_no_walker_can_miss_a_copied_page(walker: str) -> None:
    """walks_all, which both break, is not even asked: no page of a frame is ever copied."""
    verdicts = {}
    for machine in (f"7.2,walker={walker}", f"{SPEC},walker={walker}"):
        result = check(ModelMachine(machine), load_scope("standard"), limits=Exhaustive(depth=2))
        verdicts[machine] = next(answer for answer in result.answers if answer.name == "walks_all")

    before, after = verdicts.values()
    assert (2, None, True) == (before.length, after.length, after.vacuous)
