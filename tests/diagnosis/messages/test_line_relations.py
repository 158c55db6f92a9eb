"""A line that is skipped by its shape would have said nothing."""

from __future__ import annotations

from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st
from sampling import all_wordings, rendered

from pfnlab.diagnosis.messages.explaining import explain
from pfnlab.diagnosis.messages.line_relations import LineRelations, Relation
from pfnlab.diagnosis.messages.matching import matcher

_BEFORE, _AFTER = "[    1.000000] ", b"[    1.000001] usb 1-1: new device"


def decided(*texts: str) -> list[Relation]:
    """The last relation of each text, where each is seen often, one after another."""
    relations = LineRelations(matcher(), ["type 01 class"], ["registered"])
    every = []
    for text in texts:
        seen = [relations.relation((_BEFORE + text).encode(), _AFTER) for _ in range(20)]
        every.append(seen[-1])
    return every


@for_each(
    ("text", "expected"),
    [
        ("systemd[1]: Mounted /dev/sda1 at /mnt", Relation.NONE),
        ("pci 0000:00:00.0: [8086:1237] type 00 class 0x060000", Relation.NONE),
        ("pci 0000:00:03.0: [1b36:000c] type 01 class 0x060400", Relation.FACT),
        ("igb 0000:01:00.0 eth0: registered", Relation.OUTCOME),
        ("x86/PAT: Xorg:1 freeing invalid memtype [mem 0xfd000000-0xfd003fff]", Relation.ANY),
        ("mount <b>/dev/sda1</b>", Relation.ANY),
    ],
)
def test_what_a_line_is_to_messages(text: str, expected: Relation) -> None:
    """Once it was seen often."""
    assert [expected] == decided(text)


def test_a_shape_does_not_hide_a_word_with_digits() -> None:
    """`type 00` and `type 01` differ in digits alone."""
    host, bridge = (f"pci 0000:00:03.0: [1b36:000c] type 0{digit} class 0x060400" for digit in "01")

    assert [Relation.NONE, Relation.FACT] == decided(host, bridge)


def test_a_line_that_may_go_on_is_not_decided_by_its_shape() -> None:
    """The next one has no timestamp."""
    relations = LineRelations(matcher(), [], [])

    seen = {
        relations.relation(b"[    1.000000] systemd[1]: Mounted /dev/sda1", b"at /mnt") for _ in range(20)
    }

    assert {Relation.ANY} == seen


@given(st.sampled_from([wording.text for _, wording in all_wordings()]), st.randoms())
def test_no_line_of_a_wording_is_skipped(text: str, rng: object) -> None:
    """Nor one with the same shape and other digits, after that was seen often."""
    line = rendered(text)
    other = "".join(rng.choice("0123456789") if one.isdigit() else one for one in line)  # type: ignore[attr-defined]
    alone = explain([f"{_BEFORE}{line}\n".encode() + _AFTER]).events

    many = f"{_BEFORE}{other}\n" * 20 + f"{_BEFORE}{line}\n"
    found = explain([many.encode() + _AFTER]).events

    assert {event.family.name for event in alone} <= {event.family.name for event in found}


@given(st.integers(1, 40))
def test_an_outcome_is_heard_after_a_claim(times: int) -> None:
    """However often lines like it were skipped."""
    skipped = "".join(f"{_BEFORE}e1000e 0000:{at % 99:02}:00.0 eth0: registered\n" for at in range(times))
    claim = f"{_BEFORE}e1000e 0000:01:00.0: BAR 0: can't reserve [mem 0xfd000000-0xfd01ffff]\n"
    up = f"{_BEFORE}e1000e 0000:01:00.0 eth0: registered\n"
    end = _AFTER.decode()

    (before,) = explain([(skipped + claim + end).encode()]).events
    (after,) = explain([(skipped + claim + up + end).encode()]).events

    assert before.family.verdict is not after.family.verdict
