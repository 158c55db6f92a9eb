"""Inputs that a reader once answered wrongly, and those that hunts begin with: all are answered well."""

from __future__ import annotations

from pathlib import Path

import pytest
from answered import answer
from every_reader import CORPUS, READERS, Reader
from for_each import for_each

#: Readers that need a package which a machine may lack.
_NEEDS = {"core": "drgn"}

KEPT = [(reader, path) for reader in READERS for path in reader.kept()]

each_reader = pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)


@for_each(("reader", "path"), KEPT)
def test_a_kept_input_is_answered_in_one_line(reader: Reader, path: Path) -> None:
    """Or it is read; never with a traceback, and nothing that it holds acts."""
    assert "" == answer(reader, path.read_bytes()).fault


@each_reader
def test_what_a_hunt_begins_with_is_answered(reader: Reader) -> None:
    """And some of it is read, else the hunt would only see refusals."""
    if reader.name in _NEEDS:
        pytest.importorskip(_NEEDS[reader.name], reason="the lens is not here: pip install 'pfnlab[lens]'")
    inputs = list(reader.first())

    answers = [answer(reader, data) for data in inputs]

    assert [] == [given for given in answers if given.fault]
    assert "read" in {given.words for given in answers}


def test_kept_inputs_have_a_reader() -> None:
    """A folder of any other name would be read by no test."""
    assert set() == {path.name for path in CORPUS.iterdir()} - {reader.name for reader in READERS}
