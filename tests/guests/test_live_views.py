"""The bundle and the live views in what a guest's script wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from pfnlab.base.errors import Undecided
from tests.guests.live_views import live_files, ram_for, split_views
from tests.guests.views_in_guest import MARK

VIEW = '{"name": "root", "code": 1, "output": "{}", "errors": "", "seconds": 7.5}'


def test_the_views_follow_the_bundle() -> None:
    """Each by its name."""
    bundle, views = split_views(f"a bundle\nend 3\n\n{MARK}\n{VIEW}\n")

    assert "a bundle\nend 3\n" == bundle
    assert {"root": 1} == {name: view.code for name, view in views.items()}


@pytest.mark.parametrize("text", ["a bundle\n", f"a bundle\n\n{MARK}\n", f"a bundle\n\n{MARK}\nKilled\n"])
def test_a_guest_in_which_python_did_not_run_is_undecided(text: str) -> None:
    """Before the first view, or in one."""
    with pytest.raises(Undecided):
        split_views(text)


def test_a_guest_has_room_for_python_twice_in_half_of_its_ram(tmp_path: Path) -> None:
    """However large this Python is: packed, as it comes with the boot and as a file, and unpacked."""
    with live_files(tmp_path / "bundle.sh", ["root"]) as (_, files):
        size = files["python.tar"].stat().st_size

        assert (ram_for(files) << 20) - size > 4 * size


def test_a_guest_without_views_needs_no_more() -> None:
    """Its kernel says how much."""
    assert 0 == ram_for({})
