"""A result has one digest for one content, and none of when and where."""

from __future__ import annotations

import msgspec
import pytest
from made_results import result

from pfnlab.campaign.store.rows import StoredResult, digest_of


def test_the_order_of_keys_does_not_matter() -> None:
    """JSON objects have none."""
    assert digest_of({"a": 1, "b": [2]}) == digest_of({"b": [2], "a": 1})


def test_equal_results_have_one_digest() -> None:
    """However they were made."""
    assert result(1).digest == msgspec.json.decode(msgspec.json.encode(result(1)), type=StoredResult).digest


@pytest.mark.parametrize(
    "changed",
    [
        {"kind": "verdict"},
        {"task": "meet"},
        {"machines": ("model:7.2", "model:6.1")},
        {"verdict": "lost"},
        {"scope": "small"},
        {"subject": "another"},
        {"program": "munmap b\n"},
        {"says": "another"},
        {"detail": {"op": "mmap"}},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_everything_in_it_counts(changed: dict[str, object]) -> None:
    """Another value is another result."""
    assert result().digest != result(**changed).digest


def test_every_field_was_tried() -> None:
    """The list above is whole."""
    without = {"digest", "sightings"}

    assert 9 == len(without ^ set(StoredResult.__struct_fields__))
