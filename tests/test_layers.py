"""Packages and their rooms import only from their left, read from the sources."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import tooling
from for_each import for_each

SOURCE = Path(__file__).parent.parent / "src" / "pfnlab"

rooms = tooling.draw_rooms()

#: What `import pfnlab` names.
_OFFERED = ("pfnlab.api.", "pfnlab.base.version.")

MODULES = sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))


def imported(tree: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every pfnlab module a source imports, wherever in it.

    :param package: the package of the module, for relative imports
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            stem = ".".join((*base, *([node.module] if node.module else [])))
            yield from ((node.lineno, f"{stem}.{alias.name}") for alias in node.names)


def violations(module: str, text: str) -> list[str]:
    """The imports of *module* (its path below src/pfnlab) that do not point left."""
    parts = Path(module).with_suffix("").parts
    if parts[0] == "__init__":
        # It offers what is in the api, for type checkers as imports.
        found = ours(text, ("pfnlab",))
        return [f"{module}:{line} imports {name}" for line, name in found if not name.startswith(_OFFERED)]
    own = rooms.part_of(".".join(parts))
    if own is None and not list(ours(text, ("pfnlab", *parts[:-1]))) and parts[-1] == "__init__":
        # The door of a wing whose rooms are the parts.
        return []
    if own is None:
        return [f"{module} is in no layer: add it to WINGS of tools/draw_rooms.py"]
    package = ("pfnlab", *parts[:-1])
    wrong = []
    for line, name in ours(text, package):
        target = rooms.part_of(name.removeprefix("pfnlab."))
        if target == own:
            continue
        alone = own in rooms.ALONE and target not in rooms.ALONE[own]
        if alone or target is None or rooms.RANK[target] >= rooms.RANK[own]:
            wrong.append(f"{module}:{line} imports {name}")
    return wrong


def ours(text: str, package: tuple[str, ...]) -> list[tuple[int, str]]:
    # `import pfnlab` alone names no layer, and is refused as one; so is evidence/, which the wheel has not.
    found = ((line, name, name.split(".")[0]) for line, name in imported(ast.parse(text), package))
    return [
        (line, f"{first}.{first}" if first in (name, "evidence") else name)
        for line, name, first in found
        if first in ("pfnlab", "evidence")
    ]


@for_each("module", MODULES)
def test_modules_import_from_their_left(module: str) -> None:
    """A module imports its own package and those left of it, nothing else of pfnlab."""
    assert violations(module, (SOURCE / module).read_text(encoding="utf-8")) == []


@for_each(
    ("module", "text"),
    [
        ("kernel/hw/pat.py", "from pfnlab.kernel.mm.vma import Vma"),
        ("kernel/hw/pat.py", "import pfnlab.kernel.mm.vma"),
        ("kernel/hw/pat.py", "from pfnlab.kernel import mm"),
        ("kernel/hw/pat.py", "import pfnlab"),
        ("kernel/hw/pat.py", "from ..mm import vma"),
        ("base/units.py", "from pfnlab import errors"),
        ("base/made.py", "from pfnlab import __version__"),
        ("base/errors.py", "from pfnlab.base.trace import Trace"),
        ("lab/lens/btf.py", "from pfnlab.lab.images import cache"),
        ("lab/lens/snapshot.py", "from pfnlab.programs.lang.span import Span"),
        ("lab/lens/snapshot.py", "from pfnlab.kernel.mm.vma import Vma"),
        ("lab/images/kernels.py", "from pfnlab.lab.vm import qemu"),
        ("programs/lang/ops.py", "from pfnlab.programs.runs.places import Places"),
        ("checker/search/explore.py", "from pfnlab.kernel.mm.kernel import Kernel"),
        ("checker/scopes/domain.py", "from pfnlab.checker.check import check"),
        ("lab/images/kernels.py", "def late():\n    from pfnlab.present.report import table"),
        ("kernel/hw/pat.py", "if TYPE_CHECKING:\n    from pfnlab.kernel.mm.vma import Vma"),
        ("__init__.py", "from pfnlab.base.units import PAGE_SIZE"),
        ("__init__.py", "from pfnlab import api"),
        ("api/live.py", "from pfnlab.cli.run import run_programs"),
        ("helpers/odd.py", "import os"),
        ("cli/reader.py", "from pfnlab.elsewhere import odd"),
        ("cli/reader.py", "from evidence.pages import odd"),
        ("cli/reader.py", "import evidence"),
    ],
)
def test_an_import_from_the_right_is_caught(module: str, text: str) -> None:
    """Every way of writing a wrong import is seen, in functions and under conditions too."""
    assert len(violations(module, text)) == 1


@for_each(
    ("module", "text"),
    [
        (
            "kernel/hw/pat.py",
            "from pfnlab.base.units import PfnRange\nimport os\nfrom pfnlab.kernel.hw.bits import MASK",
        ),
        (
            "kernel/hw/pat.py",
            "from . import bits\nfrom .bits import MASK\nfrom ...base.units import PfnRange",
        ),
        ("kernel/hw/__init__.py", "from .pat import PAT"),
        ("__init__.py", "if TYPE_CHECKING:\n    from pfnlab.api import run as run"),
        (
            "cli/reader.py",
            "from pfnlab.base.version import VERSION\nfrom pfnlab.present.report.table import step_rows",
        ),
        ("lab/images/kernels.py", "from pfnlab.lab.lens.btf import types"),
        ("checker/check.py", "from pfnlab.checker.races.race import Race"),
        ("lab/vm/qemu.py", "from . import channel\nfrom ..images import cache"),
    ],
)
def test_an_import_from_the_left_passes(module: str, text: str) -> None:
    """The package itself, everything left of it and other libraries are free."""
    assert violations(module, text) == []


#: Modules that begin something: the command, `import pfnlab`, a script that stands alone, and the door
#: of designs.
_BEGINNINGS = (
    "__init__.py",
    "__main__.py",
    "design.py",
    "export/state_script.py",
)

#: Where modules are looked for by their names: verbs, the parts of results, and the kinds of machines.
_BY_NAME = re.compile(
    r"verbs/|present/document/\w+_part\.py|programs/model/model_machine|lab/running/named_kernel"
)


def unreached(texts: dict[str, str]) -> list[str]:
    """The modules that no beginning imports, directly or through others.

    :param texts: sources by path below src/pfnlab
    """
    by_name = {_dotted(module): module for module in texts}
    reached = set()
    asked = [module for module in texts if module in _BEGINNINGS or _BY_NAME.match(module)]
    while asked:
        module = asked.pop()
        if module in reached:
            continue
        reached.add(module)
        package = ("pfnlab", *Path(module).parts[:-1])
        for _, name in imported(ast.parse(texts[module]), package):
            # A package is imported with its module, and what is taken from a module is no module.
            words = name.split(".")
            names = [".".join(words[:count]) for count in range(1, len(words) + 1)]
            asked += [by_name[one] for one in names if one in by_name]
    return sorted(set(texts) - reached)


def _dotted(module: str) -> str:
    return ".".join(("pfnlab", *Path(module).with_suffix("").parts)).removesuffix(".__init__")


def test_every_module_serves_a_verb() -> None:
    """What makes pages of docs/ and nothing else is in evidence/pages/, beside the package."""
    texts = {module: (SOURCE / module).read_text(encoding="utf-8") for module in MODULES}

    assert [] == unreached(texts)


def test_a_module_that_serves_no_verb_is_noticed() -> None:
    """What it imports alone is neither; what is imported in a function is reached."""
    texts = {
        "__main__.py": "def late():\n    from pfnlab.cli import reader",
        "cli/__init__.py": "",
        "cli/reader.py": "from .run import perform",
        "cli/run.py": "",
        "present/report/page.py": "from pfnlab.present.report import only",
        "present/report/only.py": "",
    }

    assert ["present/report/only.py", "present/report/page.py"] == unreached(texts)


def test_there_are_modules_to_check() -> None:
    """The sources were found, so passing means something."""
    assert "base/units.py" in MODULES
