"""One device: is it write-combining, all of it, and for whom?"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from for_each import for_each
from inspector.machines import ADDRESS, BASE, DEVICE, SIZE, entries, entry, mapping, snapshot

from pfnlab.base.errors import Misuse
from pfnlab.diagnosis.inspector.device import CombiningAnswer, DeviceAnswer, device_answer
from pfnlab.diagnosis.inspector.host_snapshot import MtrrRegister
from pfnlab.diagnosis.inspector.joined_host import JoinedHost
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.hw.mtrr import MtrrType
from pfnlab.kernel.hw.pci_regions import Bar


def asked(pid: int | None = None, bar: int | None = None, **parts: Any) -> DeviceAnswer:
    """The answer about the device of a machine with other *parts*."""
    return device_answer(
        JoinedHost(snapshot(mtrrs=(), mtrr_default=MtrrType.UC) if not parts else _with(parts)),
        ADDRESS,
        bar=bar,
        pid=pid,
    )


def _with(parts: dict[str, Any]) -> Any:
    return snapshot(**{"mtrrs": (), "mtrr_default": MtrrType.UC, **parts})


def test_all_of_it_is_write_combining() -> None:
    """One entry over the whole BAR."""
    answer = asked(book=(entry(0, 16),))

    assert (CombiningAnswer.YES, ()) == (answer.combining, answer.todo)


def test_a_holder_is_named_with_its_modules() -> None:
    """A reader unloads modules, not drivers."""
    bound = msgspec.structs.replace(DEVICE, driver="nouveau", modules=("nouveau",))

    answer = asked(book=(entry(0, 16),), devices=(bound,))

    assert ("driver nouveau (module nouveau)",) == answer.bars[0].holders


def test_a_hole_is_a_no() -> None:
    """Half of the BAR is reserved, and the cover names the hole."""
    answer = asked(book=(entry(0, 8),))

    assert CombiningAnswer.NO is answer.combining
    assert [("wc", SIZE // 2), (None, SIZE // 2)] == [
        (place.mode, place.bounds[1] - place.bounds[0]) for place in answer.bars[0].cover
    ]
    assert answer.todo


def test_a_neighbour_that_ends_there_is_no_cover() -> None:
    """An entry up to the BAR's first byte says nothing about the BAR."""
    answer = asked(book=(entry(-16, 0),))

    assert {} == answer.bars[0].reserved


def test_many_small_entries_cover_as_one_does() -> None:
    """Pieces with one mode are one piece."""
    answer = asked(book=tuple(entry(page, page + 1) for page in range(16)))

    assert CombiningAnswer.YES is answer.combining
    assert 1 == len(answer.bars[0].cover)


def test_an_mtrr_can_make_it_so() -> None:
    """Uncached-minus under a write-combining MTRR."""
    answer = asked(
        book=(entry(0, 16, CacheMode.UC_MINUS),), mtrrs=(MtrrRegister(BASE, BASE + SIZE, MtrrType.WC),)
    )

    assert CombiningAnswer.YES is answer.combining


def test_without_the_list_nothing_is_known() -> None:
    """And it says how to read it."""
    answer = asked(book=None)

    assert CombiningAnswer.UNKNOWN is answer.combining
    assert "memtype list" in answer.todo[0]


def test_for_a_process_its_entries_decide() -> None:
    """The list says write-combining, the page tables do not."""
    mine = mapping(0, 16, entries=entries(0, 16, CacheMode.UC_MINUS))

    assert CombiningAnswer.NO is asked(pid=7, book=(entry(0, 16),), mappings=(mine,)).combining


def test_for_a_process_without_entries_the_list_decides() -> None:
    """A mapping that reserves has the mode of its reservation."""
    mine = mapping(0, 8)

    answer = asked(pid=7, book=(entry(0, 8),), mappings=(mine,))

    assert CombiningAnswer.YES is answer.combining
    assert "list" == answer.bars[0].users[0].known


def test_of_a_driver_s_mapping_the_list_says_nothing() -> None:
    """vfio inserts without a reservation: only entries tell."""
    theirs = mapping(0, 8, path="anon_inode:[vfio-device]")

    assert CombiningAnswer.UNKNOWN is asked(pid=7, book=(entry(0, 8),), mappings=(theirs,)).combining


def test_prefetchable_bars_are_asked_first() -> None:
    """A register BAR beside it is not meant."""
    registers = Bar(0, BASE + SIZE, BASE + 2 * SIZE)
    two = (msgspec.structs.replace(DEVICE, bars=(registers, *DEVICE.bars)),)

    assert [2] == [bar.number for bar in asked(book=(entry(0, 16),), devices=two).bars]
    assert [0] == [bar.number for bar in asked(bar=0, book=(entry(0, 16),), devices=two).bars]


@for_each(
    ("words", "message"),
    [
        ({"address": "0000:99:00.0"}, "there is no PCI device '0000:99:00.0'"),
        ({"bar": 1}, "has no memory BAR 1: it has 2"),
        ({"pid": 4}, "process 4 maps none of these BARs"),
    ],
)
def test_what_there_is_not(words: dict[str, Any], message: str) -> None:
    """One line, with what there is."""
    address = words.get("address", ADDRESS)

    with pytest.raises(Misuse, match=message):
        device_answer(JoinedHost(snapshot()), address, bar=words.get("bar"), pid=words.get("pid"))


def test_the_domain_may_be_left_out() -> None:
    """As lspci writes it."""
    assert ADDRESS == device_answer(JoinedHost(snapshot()), ADDRESS.removeprefix("0000:")).address
