"""A shard of the catalogue: what each program came to, in one word."""

from __future__ import annotations

import pytest
from litmus_files import litmus_file

from pfnlab.campaign.work import CatalogueWork, catalogue_shard


@pytest.mark.parametrize(
    ("name", "machines", "verdict", "says"),
    [
        ("munmap-middle", ("model:7.2", "model:7.3"), "agrees", "as expected"),
        ("driver-leaf-gigabyte", ("model:7.3",), "undecided", "undecided: model:7.3"),
        ("driver-leaf-gigabyte", ("model:6.1", "model:7.3"), "undecided", "undecided: model:7.3"),
    ],
)
def test_a_program_has_a_verdict(name: str, machines: tuple[str, ...], verdict: str, says: str) -> None:
    """One without a rule is undecided; it is not lost, which would count as a discovery."""
    text = litmus_file(name).read_text(encoding="utf-8")

    (result,) = catalogue_shard(CatalogueWork(machines=machines, programs={name: text})).results

    assert (verdict, says) == (result.verdict, result.says)
