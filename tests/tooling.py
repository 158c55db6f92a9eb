"""The scripts of ``tools/`` and ``evidence/tools/`` as modules: they are no part of a package."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

_ROOT = Path(__file__).parents[1]
_FOLDERS = (_ROOT / "tools", _ROOT / "evidence" / "tools", _ROOT / "docs" / "site")


def write_properties() -> ModuleType:
    """The tables of properties in docs/."""
    markdown_pages()
    return _tool("write_properties")


def demo() -> ModuleType:
    """``make demo``."""
    return _tool("demo")


def check_release() -> ModuleType:
    """What refuses a release with a private finding in it."""
    return _tool("check_release")


def idioms() -> ModuleType:
    """The counter of idioms that a native reader stops at."""
    return _tool("idioms")


def build_release() -> ModuleType:
    """What builds wheel and source archive."""
    check_release()
    return _tool("build_release")


def copied_modes() -> ModuleType:
    """What looks at a copied page behind swap and migration."""
    return _tool("copied_modes")


def inspect_states() -> ModuleType:
    """What compares the inspector with kernels in known states."""
    known_machines()
    _tool("pasted_bundle")
    return _tool("inspect_states")


def page_tables() -> ModuleType:
    """What puts tables into pages."""
    return _tool("page_tables")


def hold_exports() -> ModuleType:
    """What runs exported programs in guests."""
    page_tables()
    _tool("own_guest")
    return _tool("hold_exports")


def hold_functions() -> ModuleType:
    """What compares the data about kernel functions with a tree."""
    read_functions()
    return _tool("hold_functions")


def hold_kselftests() -> ModuleType:
    """What runs exported selftests under the kernel's own layout."""
    hold_exports()
    return _tool("hold_kselftests")


def known_machines() -> ModuleType:
    """What says which machines are inspected, and what is to be found there."""
    return _tool("known_machines")


def count_vmas() -> ModuleType:
    """What counts the VMAs of guests."""
    run_selftest()
    return _tool("count_vmas")


def find_shown() -> ModuleType:
    """What finds the programs that show each switch."""
    return _tool("find_shown")


def draw_rooms() -> ModuleType:
    """What draws packages and rooms."""
    return _tool("draw_rooms")


def hold_patches() -> ModuleType:
    """The tool that compares patched kernels with their models."""
    page_tables()
    return _tool("hold_patches")


def hold_reverts() -> ModuleType:
    """The tool that asks kernels without a commit for their bugs."""
    page_tables()
    return _tool("hold_reverts")


def hunt_defects() -> ModuleType:
    """The tool that hunts for planted defects."""
    page_tables()
    return _tool("hunt_defects")


def record_coverage() -> ModuleType:
    """The recorder of kernel functions that programs reach."""
    return _tool("record_coverage")


def record_sizes() -> ModuleType:
    """The recorder of sizes of structures and slab caches."""
    return _tool("record_sizes")


def record_claims() -> ModuleType:
    """What records claims on patched kernels."""
    hold_patches()
    return _tool("record_claims")


def make_editors() -> ModuleType:
    """What makes the grammars of editors."""
    return _tool("make_editors")


def make_methods() -> ModuleType:
    """What makes the methods of machines."""
    return _tool("make_methods")


def make_man() -> ModuleType:
    """What makes the man pages."""
    return _tool("make_man")


def run_selftest() -> ModuleType:
    """What runs the kernel's selftest in guests."""
    page_tables()
    _tool("own_guest")
    return _tool("run_selftest")


def reached_processors() -> ModuleType:
    """What counts the processors that flushes reach."""
    _tool("own_guest")
    return _tool("reached_processors")


def markdown_pages() -> ModuleType:
    """What reads the Markdown pages."""
    return _tool("markdown_pages")


def shown() -> ModuleType:
    """What runs the commands that pages show."""
    markdown_pages()
    return _tool("shown")


def build_site() -> ModuleType:
    """What builds the documentation site."""
    write_reference()
    return _tool("build_site")


def site_tables() -> ModuleType:
    """What makes blocks of the site's tables that do not fit."""
    return _tool("tables")


def write_reference() -> ModuleType:
    """What writes the reference pages."""
    markdown_pages()
    return _tool("write_reference")


def write_schemas() -> ModuleType:
    """What writes the schemas of results."""
    return _tool("write_schemas")


def _tool(name: str) -> ModuleType:
    if name not in sys.modules:
        file = next(path for folder in _FOLDERS if (path := folder / f"{name}.py").is_file())
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def read_functions() -> ModuleType:
    """What reads which functions are in which source file."""
    return _tool("read_functions")
