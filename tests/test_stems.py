"""A module has its name for itself: a stem stands for one module in the whole source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "pfnlab"

#: All but those of verbs, which have the names of their verbs.
_MODULES = [
    path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if path.parent != SOURCE / "verbs"
]


def twice(modules: Iterable[str]) -> dict[str, list[str]]:
    """The stems that more than one module has, with those modules; the doors of rooms are all ``__init__``.

    :param modules: paths below the package
    """
    places: dict[str, list[str]] = defaultdict(list)
    for module in sorted(modules):
        places[Path(module).stem].append(module)
    return {stem: where for stem, where in places.items() if len(where) > 1 and not stem.startswith("__")}


def test_a_stem_stands_for_one_module() -> None:
    """Elsewhere than in verbs, which have the names of their verbs."""
    assert {} == twice(_MODULES)


def test_a_second_module_of_a_stem_is_noticed() -> None:
    """In any room; each room has a door."""
    modules = ["a/one.py", "b/c/one.py", "b/two.py", "a/__init__.py", "b/__init__.py"]

    assert {"one": ["a/one.py", "b/c/one.py"]} == twice(modules)
