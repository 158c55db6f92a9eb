"""Recorded runs of real kernels, predicted: what is exact, what waits, and that a wrong one is noticed."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from counting import Parts
from hostile_results import VALUES, places, spoiled
from hypothesis import given, settings
from hypothesis import strategies as st

from pfnlab.base.errors import Misuse
from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.programs.lang.device_ops import VfioReset
from tests.recorded.cases import translate
from tests.recorded.matrix import MatrixResult, predict_files
from tests.recorded.recorded_calls import BAR

RECORDED = Path(__file__).parent


def first_rows(name: str, key: str, value: str) -> list[dict[str, object]]:
    """The rows of one recorded case."""
    lines = (RECORDED / name).read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row[key] == value]


def written(folder: Path, rows: list[dict[str, object]]) -> Path:
    """The rows as a file of their own."""
    path = folder / "rows.jsonl"
    path.write_text("\n".join(json.dumps(row, separators=(",", ":")) for row in rows), encoding="utf-8")
    return path


@cache
def predicted(name: str) -> MatrixResult:
    """What one file comes to; the tests that ask are on one worker."""
    return predict_files([RECORDED / name])


def test_mincore_at_a_hole_is_predicted_with_its_digits(tmp_path: Path) -> None:
    """S12.3.7: recordings keep the vector of a call that failed; 7.3 told the page before the hole."""
    rows = first_rows("cases-vfio.jsonl", "case", "vfio-gup")
    text = json.dumps([row for row in rows if str(row["kernel_release"]).startswith("7.3")])
    (row,) = json.loads(text.replace("mincore A 0 4", "mincore A 0 12"))
    (told,) = [observed for observed in row["obs"] if "mincore" in observed["op"]]
    told.update(ret=-1, errno="ENOMEM", val="1".ljust(12, "0"))

    result = predict_files([written(tmp_path, [row])])

    assert (1, ()) == (result.exact, result.details)


def test_cases_are_counted(tmp_path: Path) -> None:
    """Kernel by kernel, as they are predicted."""
    parts = Parts()
    rows = first_rows("cases-vfio.jsonl", "case", "vfio-gup")

    predict_files([written(tmp_path, rows)], counted=parts)

    assert parts.expected == parts.done > 1


@pytest.mark.xdist_group("recorded")
@pytest.mark.parametrize(
    ("name", "cases", "waiting"),
    [
        ("cases.jsonl", 113, 0),
        ("order.jsonl", 63, 0),
        ("cases-driver.jsonl", 48, 0),
        ("cases-vfio.jsonl", 15, 0),
        pytest.param("races.jsonl", 450, 61, marks=pytest.mark.target("long")),
    ],
)
def test_every_recorded_case_is_predicted_or_waits(name: str, cases: int, waiting: int) -> None:
    """
    No recorded observation of any kernel is predicted wrongly.
    """
    result = predicted(name)

    assert [] == [line for line in result.details if line.startswith("wrong")]
    assert (cases, cases - waiting, waiting, 0) == (result.cases, result.exact, result.waiting, result.wrong)


def race(**words: str) -> dict[str, object]:
    """The one recorded schedule that these words say."""
    lines = map(json.loads, (RECORDED / "races.jsonl").read_text(encoding="utf-8").splitlines())
    (row,) = (row for row in lines if words.items() <= row.items())
    return row  # type: ignore[no-any-return]


REVOKED = {"race": "munmap", "held": "flush_tlb_mm_range", "by": "umr_same", "kernel_release": "7.2.13"}
MAPPED = {"race": "munmap", "held": "unlink", "by": "mmap_uc", "kernel_release": "6.1.192"}
ZAPPED = {"race": "munmap", "held": "unlink", "by": "zap_same", "kernel_release": "6.1.192"}
ESCAPED = {"race": "mmap", "held": "pt_mmap", "by": "umr_other", "kernel_release": "7.2.13"}


@pytest.mark.parametrize(
    ("words", "changed"),
    [
        (REVOKED, {"answer": "R"}),
        (REVOKED, {"flushes": 2}),
        (REVOKED, {"held": "untrack_pfn"}),
        (MAPPED, {"mode": "WC"}),
        (MAPPED, {"reads": "STALE"}),
        (ZAPPED, {"errno": None}),
        (ESCAPED, {"by": "umr_n"}),
        (REVOKED, {"escaped": True}),
    ],
)
def test_a_changed_schedule_is_noticed(
    tmp_path: Path, words: dict[str, str], changed: dict[str, object]
) -> None:
    """
    Everything recorded of a schedule is really compared.
    """
    row = race(**words)

    assert 1 == predict_files([written(tmp_path, [row])]).exact
    assert 1 == predict_files([written(tmp_path, [row | changed])]).wrong


def test_without_the_nested_gather_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    A model whose gathers do not look at each other lets unmap_mapping_range return too early (S8.1.8).
    """
    monkeypatch.setattr(MmuGather, "finish", MmuGather.flush_mmu_tlbonly)

    result = predict_files([written(tmp_path, [race(**REVOKED)])])

    assert "answer recorded 'I', predicted 'R'" in result.details[0]


@pytest.mark.xdist_group("recorded")
def test_a_recorded_reset_is_one() -> None:
    """It once waited."""
    program = translate("a case", ["0 vfioreset"], 0)

    assert [VfioReset(BAR)] == [op.call for op in program.ops]


@pytest.mark.target("long")
@pytest.mark.xdist_group("recorded")
def test_waiting_cases_are_listed_with_what_they_wait_for() -> None:
    """
    The checked-in list names exactly the cases, operations and capabilities that wait.
    """
    listed = (RECORDED / "waiting.txt").read_text(encoding="utf-8").splitlines()

    details = [line for path in sorted(RECORDED.glob("*.jsonl")) for line in predicted(path.name).details]

    assert listed == [line for line in details if line.startswith("waiting")]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("errno", "EPERM"),
        ("memtype", [[0, 3, "WC"]]),
        ("dmesg", ["x86/PAT: p0:PID freeing invalid memtype [mem +1-+3]"]),
    ],
)
def test_a_changed_recording_is_noticed(tmp_path: Path, field: str, value: object) -> None:
    """
    Each recorded field is really compared.
    """
    rows = first_rows("cases.jsonl", "case", "middle-wcS")[:1]
    changed = rows[0]["obs"][1]  # type: ignore[index]
    changed |= {field: value} | ({"ret": -1} if field == "errno" else {})

    result = predict_files([written(tmp_path, rows)])

    assert 1 == result.wrong


@pytest.mark.parametrize(("field", "value"), [("val", ["none"]), ("val", ["bar+0 L1 PAT2(UC-)"])])
def test_a_changed_entry_is_noticed(tmp_path: Path, field: str, value: object) -> None:
    """
    Recorded page-table entries are compared word by word.
    """
    rows = first_rows("cases.jsonl", "case", "whole-wcS")[:1]
    rows[0]["obs"][1][field] = value  # type: ignore[index]

    result = predict_files([written(tmp_path, rows)])

    assert 1 == result.wrong


@pytest.mark.parametrize("event", ["flush:A+3..5<unmap_page_range", "erase:+3", "free:A+3"])
def test_a_missing_event_is_noticed(tmp_path: Path, event: str) -> None:
    """
    Recorded orders are compared event by event.
    """
    rows = first_rows("order.jsonl", "op_id", "munmap-middle")[:1]
    rows[0]["events"].remove(event)  # type: ignore[attr-defined]

    result = predict_files([written(tmp_path, rows)])

    assert 1 == result.wrong


def test_a_changed_flush_count_is_noticed(tmp_path: Path) -> None:
    """
    Recorded flush counts are compared.
    """
    rows = first_rows("order.jsonl", "op_id", "munmap-middle")[:1]
    rows[0]["flushes"] = 2

    result = predict_files([written(tmp_path, rows)])

    assert 1 == result.wrong


def case(*ops: str) -> bytes:
    """The line of a case of these operations, after which nothing was there."""
    observed = [
        {"op": op, "ret": 0, "errno": "0", "memtype": [], "dmesg": [], "val": []} for op in (*ops, "END")
    ]
    row = {"case": "x", "kernel_release": "7.2.13", "ops": ops, "obs": observed}
    return json.dumps(row, separators=(",", ":")).encode()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff\xfe", "rows.jsonl:1: not a recorded case"),
        (b'{"case": 1}', "rows.jsonl:1: not a recorded case"),
        (b'{"case":"x","kernel_release":"2.4.0","ops":[],"obs":[]}', "2.4.0 has no profile"),
        (case("0"), "rows.jsonl:1: not a recorded case: an operation has other words than recordings have"),
        (case("0 pte A 0 1 1"), "rows.jsonl:1: not a recorded case: an operation has other words"),
        (case("0 map A wc S x 8 rw"), "rows.jsonl:1: not a recorded case: an operation has other words"),
        (case("0 pte A 0 999999999"), "rows.jsonl:1: not a recorded case: .*no pages of the"),
        (case("0 maps").replace(b'{"op":"0 maps"', b'{"op":"0"'), "`0 maps` was observed as `0`"),
        (
            case("0 maps").replace(b'"val":[]', b'"val":' + b"[" * 100_000),
            "rows.jsonl:1: not a recorded case",
        ),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    """
    A line that is no recorded case ends in one clear line that says where.
    """
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)

    with pytest.raises(Misuse, match=says):
        predict_files([path])


#: A line of each kind.
LINES = [
    (RECORDED / name).read_text(encoding="utf-8").splitlines()[0]
    for name in ("cases.jsonl", "cases-driver.jsonl", "cases-vfio.jsonl", "order.jsonl", "races.jsonl")
]

#: Words that operations are made of, and some that none has.
WORDS = ["0", "1", "A", "8", "-1", "rw", "S", "wc", "x", "map", "pte", "smaps", "touch", "fork", "munmap"]
WORDS += ["none", "99999999", "0x10", "", "\n"]


@settings(max_examples=150)
@given(data=st.data())
def test_whatever_stands_in_a_recording_it_is_predicted_or_refused(
    tmp_path: Path, data: st.DataObject
) -> None:
    """Several of its places hold something else, or an operation has other words."""
    row = json.loads(data.draw(st.sampled_from(LINES)))
    chosen = data.draw(
        st.dictionaries(
            st.sampled_from(list(places(row))),
            st.sampled_from(sorted(VALUES.values()))
            | st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join).map(json.dumps),
            min_size=1,
            max_size=3,
        )
    )
    path = tmp_path / "rows.jsonl"
    path.write_text(spoiled(row, chosen), encoding="utf-8")

    try:
        result = predict_files([path])
    except Misuse as refused:
        assert "\n" not in str(refused)
    else:
        assert 1 == result.cases
