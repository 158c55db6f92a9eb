"""Twelve wings, read from the sources: a wing imports only wings above it, in functions too.

The kernel, the programs and the checker know nothing but the base and each other.
"""

from __future__ import annotations

import tooling
from for_each import for_each
from test_layers import MODULES, SOURCE, ours

rooms = tooling.draw_rooms()

#: The wings in their order.
ORDER = list(rooms.WINGS)

#: The wings that carry the idea, and what they may know.
IDEA = ["base", "kernel", "programs", "checker"]


def downward(module: str, text: str) -> list[str]:
    """The imports of *module* (its path below src/pfnlab) that do not point to its own wing or one above."""
    names = module.removesuffix(".py").split("/")
    own = _wing(".".join(names))
    found = (
        (line, name, _wing(name.removeprefix("pfnlab.")))
        for line, name in ours(text, ("pfnlab", *names[:-1]))
    )
    return [
        f"{module}:{line}: {own} imports {name} of {wing}"
        for line, name, wing in found
        if wing is None or own is None or ORDER.index(wing) > ORDER.index(own)
    ]


def _wing(name: str) -> str | None:
    part = rooms.part_of(name)
    return None if part is None else rooms.WING_OF[part]


@for_each("module", [module for module in MODULES if module != "__init__.py"])
def test_modules_import_from_wings_above(module: str) -> None:
    """Its own wing and those above it, nothing else of pfnlab."""
    assert [] == downward(module, (SOURCE / module).read_text(encoding="utf-8"))


def test_what_carries_the_idea_comes_first() -> None:
    """So that whoever reads from the top needs nothing of the rest."""
    assert ORDER[: len(IDEA)] == IDEA


#: A module of each of two wings, the upper one first.
_PAIRS = [
    ("base", "kernel"),
    ("kernel", "programs"),
    ("programs", "checker"),
    ("checker", "lab"),
    ("discussions", "hunt"),
    ("hunt", "faces"),
    ("campaign", "present"),
    ("present", "faces"),
]


@for_each(("upper", "lower"), _PAIRS)
@for_each("form", ["{}", "def late():\n    {}", "if TYPE_CHECKING:\n    {}"], ids=["above", "late", "types"])
def test_an_import_from_a_wing_below_is_caught(upper: str, lower: str, form: str) -> None:
    """Wherever it is written; the other way round it is free."""
    above, below = (_part(wing) for wing in (upper, lower))
    to_below, to_above = (form.format(f"import pfnlab.{part.replace('/', '.')}") for part in (below, above))

    found = [downward(f"{above}.py", to_below), downward(f"{below}.py", to_above)]

    line = 1 + form.count("\n")
    assert [[f"{above}.py:{line}: {upper} imports pfnlab.{below.replace('/', '.')} of {lower}"], []] == found


def _part(wing: str) -> str:
    """The path of the first part of a wing."""
    return rooms.WINGS[wing][0][0].replace(".", "/")
