"""A store on a server: what is missing is one line. The other tests ask it what it stores."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pfnlab.base.errors import MissingTool, Misuse, Undecided
from pfnlab.campaign.store.store import Store


def test_without_psycopg_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line."""
    monkeypatch.setitem(sys.modules, "psycopg", None)

    with pytest.raises(MissingTool, match=r"pip install 'pfnlab\[postgres\]'"):
        Store("postgresql://lab@/results")


@pytest.mark.target("postgres")
def test_a_server_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    """There is no socket in an empty folder."""
    with pytest.raises(Undecided) as refused:
        Store(f"postgresql://lab@/results?host={tmp_path}")

    assert "the store on PostgreSQL failed" in str(refused.value) and "\n" not in str(refused.value)


def test_a_store_on_a_server_is_not_copied_as_a_file(address: str, tmp_path: Path) -> None:
    """The server has a tool of its own."""
    with Store(address) as store:
        if address.startswith("postgresql:"):
            with pytest.raises(Misuse, match="pg_dump"):
                store.backup(tmp_path / "copy.db")
        else:
            store.backup(tmp_path / "copy.db")
            assert (tmp_path / "copy.db").exists()
