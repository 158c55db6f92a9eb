"""The page's files: built of their sources, and nothing from elsewhere."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "src" / "pfnlab" / "explorer" / "page"


@pytest.fixture
def build_page() -> ModuleType:
    """The tool that bundles the script."""
    spec = importlib.util.spec_from_file_location("build_page", ROOT / "tools" / "build_page.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_is_built_of_its_sources(build_page: ModuleType) -> None:
    """Who changes a source builds it again, with `make page`."""
    assert build_page.sources_hash() == build_page.built_of()


def test_another_source_has_another_hash(build_page: ModuleType, tmp_path: Path) -> None:
    """A letter more in any source is seen."""
    shutil.copytree(ROOT / "web", tmp_path / "web", ignore=shutil.ignore_patterns("node_modules"))
    with (tmp_path / "web" / "source" / "main.js").open("a", encoding="utf-8") as file:
        file.write("//\n")

    assert build_page.built_of() != build_page.sources_hash(tmp_path / "web")


def test_what_is_bundled_has_its_licence_beside() -> None:
    """Every package that is in the script is named with its licence."""
    licences = (PAGE / "page.js.LICENSES").read_text(encoding="utf-8")

    for package in ("@codemirror/view", "@codemirror/state", "@lezer/highlight", "style-mod", "crelt"):
        assert f"== {package}\n" in licences


def test_nothing_is_loaded_from_elsewhere() -> None:
    """The page names no address but its own."""
    for name in ("page.html", "page.css"):
        text = (PAGE / name).read_text(encoding="utf-8")
        assert "http" not in text.replace("http-equiv", "")
        assert "//" not in text


def test_nothing_moves_the_place_where_the_tab_key_goes_on() -> None:
    """`scrollIntoView` does so in some versions of Chromium: Tab then began behind the step that is shown."""
    sources = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "web" / "source").glob("*.js")}

    assert [] == [name for name, text in sources.items() if "scrollIntoView(" in text]
