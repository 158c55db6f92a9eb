"""A store on a PostgreSQL server, for campaigns on several hosts."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pfnlab.base.errors import Undecided
from pfnlab.base.extras import imported_from
from pfnlab.campaign.store.database import Database

#: The lock that a connection holds while it creates or migrates the tables.
_MAKING = 0x70666E6C

#: Seconds to wait for the server.
_ANSWERS = 20


class PostgresDatabase(Database):
    """A database on a server.

    :param address: ``postgresql://USER@HOST/NAME``
    :raises MissingTool: if psycopg is not installed
    :raises Undecided: if the server does not answer
    """

    def __init__(self, address: str) -> None:
        self.address = address
        with imported_from("postgres", "a store on PostgreSQL"):
            import psycopg
        self._error = psycopg.Error
        with self._errors():
            self._connection = psycopg.connect(address, autocommit=True, connect_timeout=_ANSWERS)

    def _written(self, statement: str) -> str:
        return statement.replace("%", "%%").replace("?", "%s")

    def columns(self) -> set[tuple[str, str]]:
        # Query the catalogue, because the session's cached names may be older than the
        # lock it has just taken.
        found = self.rows(
            "SELECT table_name, column_name FROM information_schema.columns "
            "WHERE table_schema = ANY (current_schemas(false))"
        )
        return {(table, column) for table, column in found}

    def only_read(self) -> None:
        self.execute("SET default_transaction_read_only = on")

    @contextmanager
    def transaction(self, *, by_one: bool = False) -> Iterator[None]:
        with self._errors(), self._connection.transaction():
            if by_one:
                self.execute("SELECT pg_advisory_xact_lock(?)", (_MAKING,))
            yield

    def alone(self, number: int) -> bool:
        """Take an advisory lock, which the server drops when the connection is gone."""
        ((got,),) = self.rows("SELECT pg_try_advisory_lock(?)", (number,))
        return bool(got)

    def release(self, number: int) -> None:
        self.rows("SELECT pg_advisory_unlock(?)", (number,))

    def is_taken(self, number: int) -> bool:
        free = self.alone(number)
        if free:
            self.release(number)
        return not free

    def close(self) -> None:
        with suppress(self._error):
            self._connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except self._error as trouble:
            reason = str(trouble).strip().splitlines() or [type(trouble).__name__]
            raise Undecided(
                f"the store on PostgreSQL failed: {reason[0]}; what was kept is kept: see that the server "
                "runs and has room, then try again"
            ) from trouble
