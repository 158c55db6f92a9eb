"""Machines that are made up for a test are gone after it."""

from __future__ import annotations

from pathlib import Path

from asking import NAMING

SOURCE = Path(__file__).parents[2] / "src"


def test_every_module_that_opens_machines_is_imported_first() -> None:
    """Imported under a made-up open_machine, it would keep that for all later tests."""
    naming = {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for path in SOURCE.rglob("*.py")
        if "open_machine" in path.read_text(encoding="utf-8")
    }

    assert {module.__name__ for module in NAMING} == naming
