"""Lines made from templates."""

from __future__ import annotations

from collections.abc import Iterator

from evidence.pages.message_example import rendered
from pfnlab.diagnosis.messages.family_files import Family, Wording, families

__all__ = ["all_wordings", "rendered"]


def all_wordings() -> Iterator[tuple[Family, Wording]]:
    """All families with each of their wordings."""
    return ((family, wording) for family in families() for wording in family.wording)
