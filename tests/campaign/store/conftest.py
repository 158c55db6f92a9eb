"""Where the store of a test is: in a file, and with `make test-postgres` on a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from server import postgresql


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a server's database."""
    with postgresql() as address:
        yield address


@pytest.fixture(params=["file", pytest.param("server", marks=pytest.mark.target("postgres"))])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store."""
    if request.param == "file":
        return str(tmp_path / "results.db")
    import psycopg

    found: str = request.getfixturevalue("server")
    with psycopg.connect(found, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return found
