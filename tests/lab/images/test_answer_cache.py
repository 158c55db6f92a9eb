"""Answers of a long search, kept in the cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfnlab.lab.images.cache import AnswerCache


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache."""
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path))
    return tmp_path


def test_a_later_search_has_the_answers() -> None:
    """One of the same parts, and no other."""
    AnswerCache("a", "b").keep("6.12.94", "bad")

    assert AnswerCache("a", "b")["6.12.94"] == "bad"
    assert AnswerCache("a", "c")["6.12.94"] is None
    assert AnswerCache("a", "b", afresh=True)["6.12.94"] is None


def test_a_file_that_was_cut_is_no_answer(cache: Path) -> None:
    """It is asked again."""
    AnswerCache("a").keep("6.12.94", "bad")
    (file,) = (cache / "bisect").iterdir()
    file.write_bytes(file.read_bytes()[:5])

    assert AnswerCache("a")["6.12.94"] is None
