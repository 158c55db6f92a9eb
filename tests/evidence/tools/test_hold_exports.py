"""The comparison of exported programs with goldens: what is missing or other is noticed."""

from __future__ import annotations

import tooling
from litmus_files import litmus_file

TOOL = tooling.hold_exports()
KSELFTESTS = tooling.hold_kselftests()

(MIDDLE,) = TOOL.with_goldens([litmus_file("munmap-middle")], "6.1")

GOOD = """TAP version 13
1..4
ok 1 - a = mmap bar[0:16] wc shared rw: ok
ok 2 - munmap a[4:8]: ok
ok 3 - munmap a: ok
ok 4 - left reserved: bar[0:8] wc
"""


def differing(text: str, status: int = 0) -> list[str]:
    """What is said of an output."""
    return list(TOOL.difference(MIDDLE, TOOL.ProgramOutput("munmap-middle", text, status)))


def test_what_the_golden_says_agrees() -> None:
    """Line by line."""
    assert [] == differing(GOOD)


def test_another_value_is_noticed() -> None:
    """Also where the program itself says `ok`."""
    assert ["munmap-middle: 'munmap a: EINVAL', golden 'munmap a: ok'"] == differing(
        GOOD.replace("munmap a: ok", "munmap a: EINVAL")
    )


def test_a_line_that_is_missing_is_noticed() -> None:
    """The program was killed, for instance."""
    assert "3 of 4 tests" in "".join(differing(GOOD[: GOOD.index("ok 4")], 137))


def test_an_exit_code_is_noticed() -> None:
    """It is what a script looks at."""
    assert ["munmap-middle: 0 tests say `not ok`, exit code 1"] == differing(GOOD, 1)


def test_a_program_that_did_not_run_is_noticed() -> None:
    """The guest ended before it."""
    assert ["munmap-middle: it did not run"] == list(TOOL.difference(MIDDLE, None))


def test_a_golden_of_another_way_to_look_is_left_out() -> None:
    """Where looking changed what it says: reading smaps drops leaves of 1 GiB, and a cut of one ends 7.2."""
    assert [] == TOOL.with_goldens([litmus_file("vfio-leaf-gigabyte")], "7.2")


def test_results_of_selftests_are_read() -> None:
    """As run_kselftest.sh prints them."""
    text = "ok 1 selftests: munmap_middle: munmap_middle\nnot ok 2 selftests: lowmem: lowmem # exit=1\n"

    assert {"munmap_middle": "ok", "lowmem": "not ok"} == KSELFTESTS.results_of(text)
