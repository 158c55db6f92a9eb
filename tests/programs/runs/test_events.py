"""The steps inside one operation, in words."""

from __future__ import annotations

from for_each import for_each

from pfnlab.base.trace import Event
from pfnlab.base.units import PfnRange
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.events import core_order, event_text
from pfnlab.programs.runs.places import Places

PLACES = Places({"low": PfnRange(0x10, 0x20), "bar": PfnRange(0xF8000, 0xF8010)})


@for_each(("pfn", "text"), [(0x11, "map_sync low[1]"), (0xF8001, None)])
def test_the_direct_map_follows_below_1_mib_only(pfn: int, text: str | None) -> None:
    """Elsewhere the call returns at once, and is not told (S2.8.2)."""
    assert text == event_text(Event("memtype_kernel_map_sync", pfn, pfn + 1), PLACES)


@for_each(("series", "count"), [("6.1", 2), ("6.12", 2), ("6.16", 0), ("7.2", 0)])
def test_fork_lets_the_direct_map_follow_what_it_follows(series: str, count: int) -> None:
    """Once a mapping while fork reserves for the child, never since they share a context (discussion 003)."""
    text = "pfnlab program 1\ndevice low: lowmem, 16 pages\n\n"
    text += "a = mmap low[0:4] devmem-sync shared rw\nb = mmap low[8:12] devmem shared rw\nc = fork\n"

    *_, fork, _ = ModelMachine(series).run_one(load_text(text)).steps

    assert count == sum(event.startswith("map_sync") for event in fork.events or ())


def test_a_copy_that_loses_its_flag_is_a_part_of_the_split() -> None:
    """Links that follow belong to the split, and are not told, as where the copy keeps it (S3.5.1)."""
    told = ("split", "dup", "track_clear", "rmap_add", "rmap_del", "rmap_add", "gather", "rmap_del", "finish")

    words = [word for word, _ in core_order([(name, "") for name in told])]

    assert ["split", "dup", "track_clear", "gather", "unlink", "finish"] == words


@for_each(
    ("said", "words"),
    [
        (("rmap_del", "rmap_add", "rmap_del", "free_now"), ["free"]),
        (("rmap_del", "rmap_del", "free_now", "rmap_add"), ["unlink", "unlink", "free", "link"]),
        (("rmap_add", "move_tables", "rmap_del"), ["link", "move_tables", "unlink"]),
    ],
)
def test_vmas_that_merge_are_not_told_of_their_links(said: tuple[str, ...], words: list[str]) -> None:
    """A VMA leaves the reverse map while its borders change, and is in it again at once (S5.3.2)."""
    assert words == [word for word, _ in core_order([(name, "") for name in said])]
