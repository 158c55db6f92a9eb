"""Versions in lines, and what the wordings of a boot say of its version."""

from __future__ import annotations

import pytest

from pfnlab.diagnosis.messages.kernel_said import narrowed, version_in


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("Linux version 6.1.0-26-amd64 (builder@host) #1 SMP", "6.1.0-26-amd64"),
        ("CPU: 1 PID: 77 Comm: Xorg Not tainted 5.15.0-91-generic #101-Ubuntu", "5.15.0-91-generic"),
        ("CPU: 0 PID: 1 Comm: a Tainted: G        W  O      (2.6.32-5-amd64 #1)", "2.6.32-5-amd64"),
        ("WARNING: at /build/linux-3.2.41/mm/memory.c:100", "3.2.41"),
        ("version 6.1 of a driver", None),
        ("Linux version 5.10.0.0.1234567 (b@h) #1 SMP", None),
        (
            "Linux version 5.10.0-23-arm64 (Debian 10.2.1-6) #1 SMP Debian 5.10.179-1 (2023-05-12)",
            "5.10.0-23-arm64 (5.10.179)",
        ),
        (
            "CPU: 3 PID: 9 Comm: a Not tainted 6.1.0-9-amd64 #1  Debian 6.1.27-1",
            "6.1.0-9-amd64 (6.1.27)",
        ),
        (
            "Linux version 5.15.0-107-generic (b@h) (gcc (Ubuntu 11.4.0-1ubuntu1) 11.4.0) #117-Ubuntu SMP "
            "(Ubuntu 5.15.0-107.117-generic 5.15.149)",
            "5.15.0-107-generic (5.15.149)",
        ),
        ("Linux version 6.11.10-amd64 (b@h) #1 SMP Debian 6.11.10-1", "6.11.10-amd64"),
        ("Linux version 5.4.0-9-generic (b@h) (Ubuntu 9.4.0-1) #1 Debian 9.4.0-1", "5.4.0-9-generic"),
    ],
)
def test_a_line_says_the_version(line: str, version: str | None) -> None:
    """In a banner, beside the taint, in the path of a source; not anywhere."""
    assert version == version_in(line)


@pytest.mark.parametrize(
    ("ranges", "bounds"),
    [
        ([], ("", "")),
        ([("", "")], ("", "")),
        ([("3.5", ""), ("4.10", "6.15"), ("4.9", "6.2")], ("4.10", "6.2")),
        ([("2.6.29", ""), ("", "2.6.33")], ("2.6.29", "2.6.33")),
        ([("6.5", ""), ("", "6.2")], ("", "")),
    ],
)
def test_the_bounds_are_those_that_all_wordings_have(
    ranges: list[tuple[str, str]], bounds: tuple[str, str]
) -> None:
    """Compared by numbers; where no release has them all, none is said."""
    assert bounds == narrowed(ranges)
