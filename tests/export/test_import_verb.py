"""The verb ``import``: forms, files, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.verbs.import_ import ImportRequest, perform

RECORDED = Path(__file__).parent / "recorded"


def imported(request: ImportRequest) -> str:
    (result,) = perform(request, print)
    return result.text


def test_a_resource_file_says_where_a_bar_is() -> None:
    """For one device, and by its name."""
    file = RECORDED / "resource"
    for word in (str(file), f"0000:00:10.0={file}"):
        text = imported(ImportRequest(source=str(RECORDED / "devmem.strace"), resource=(word,)))

        assert "device  bar: pci, 16384 pages\n" in text
        assert "a = mmap bar[0] devmem-sync shared rw" in text


def test_output_of_any_bytes_may_be_in_a_log(tmp_path: Path) -> None:
    """A traced program prints what it likes."""
    path = tmp_path / "odd.strace"
    path.write_bytes(b"\xff\xfe\x00\x1b[2J\n" + (RECORDED / "devmem.strace").read_bytes())

    text = imported(ImportRequest(source=str(path)))

    assert "# not said, 1: lines that are not a system call" in text
    assert "\x1b" not in text


@for_each(
    ("request_", "problem"),
    [
        (ImportRequest(source="/nonexistent"), "/nonexistent"),
        (
            ImportRequest(source=str(RECORDED / "bar_user.py")),
            "bar_user.py: not an strace log: make one with",
        ),
        (
            ImportRequest(source="a", resource=(str(RECORDED / "bar_user.py"),)),
            "bar_user.py:1: this is not a line of a sysfs resource file",
        ),
        (
            ImportRequest(source="a", resource=(str(RECORDED / "resource"), str(RECORDED / "resource"))),
            "already given: write DEVICE=FILE for each device",
        ),
        (
            ImportRequest(source=str(RECORDED / "devmem.strace"), output=RECORDED / "devmem.strace"),
            "devmem.strace",
        ),
    ],
)
def test_bad_input_is_refused_in_a_line(request_: ImportRequest, problem: str) -> None:
    """It says what to write instead."""
    with pytest.raises(Misuse) as refused:
        imported(request_)

    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)
