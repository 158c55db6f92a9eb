"""``pfnlab kernels list --cache`` and ``kernels rm --older``: what is there, and cleaning up."""

from __future__ import annotations

from pathlib import Path

import pytest
from asking import Ask


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_an_empty_cache(ask: Ask, cache: Path) -> None:
    """It need not exist; nothing is made by asking."""
    answer = ask("kernels", "list", "--cache")

    assert (0, True) == (answer.code, answer.out.startswith(f"{cache} is empty; "))
    assert not cache.exists()


def test_each_kind_has_a_line(ask: Ask, cache: Path) -> None:
    """How many, how large, last used; and all of them together."""
    for name in ("states/a.state", "states/b.state", "kernels/6.1/6.1.1-1/vmlinuz"):
        (cache / name).parent.mkdir(parents=True, exist_ok=True)
        (cache / name).write_bytes(b"x" * (1 << 20))

    rows = [line.split() for line in ask("kernels", "list", "--cache").out.splitlines()]

    kernels, booted, whole = (row[:-1] for row in rows[1:4])
    assert (["kernels", "1", "1", "MiB"], ["all", "3", "3", "MiB"]) == (kernels, whole)
    assert ["booted", "guests", "2", "2", "MiB"] == booted


def test_what_is_removed_is_said(ask: Ask, cache: Path) -> None:
    """By its place in the cache."""
    (cache / "states").mkdir(parents=True)
    (cache / "states/a.state").write_bytes(b"x" * 5000)

    kept, removed = ask("kernels", "rm", "--older", "30"), ask("kernels", "rm", "--older", "0")

    assert "0 entries removed, 0 MiB\n" == kept.out
    assert "removed states/a.state, 1 MiB\n1 entry removed, 1 MiB\n" == removed.out


def test_an_age_is_no_less_than_nothing(ask: Ask) -> None:
    """What will be used in the future is not known."""
    assert 2 == ask("kernels", "rm", "--older", "-1").code


@pytest.mark.parametrize("verb", [["fetch", "6.1"], ["list", "--refresh"]])
def test_a_mirror_has_to_be_one(ask: Ask, verb: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The option is for this command alone, and says what to write."""
    monkeypatch.setenv("PFNLAB_MIRROR", "")

    answer = ask("kernels", "--mirror", "example.org", *verb)

    says = "PFNLAB_MIRROR: example.org is not a mirror: write a URI, e.g. http://HOST/debian or file:/DIR"
    assert (2, f"pfnlab: {says}\n") == (answer.code, answer.err)
