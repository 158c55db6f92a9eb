"""Compiling a module of its own, and storing it."""

from __future__ import annotations

from pathlib import Path

import pytest
from compiled_here import compiled_modules

from pfnlab.checker.search.compiling import compiled, fastest
from pfnlab.errors import Defect, MissingTool

SOURCE = "def shifted(number: int) -> int:\n    return (1 << 63) + number\n"
TYPES = "cpdef unsigned long long shifted(unsigned long long number)\n"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty cache, where things compile."""
    compiled_modules()
    return tmp_path / "cache"


def written(folder: Path, source: str = SOURCE, types: str = TYPES) -> Path:
    """A module with its types."""
    file = folder / "shifting.py"
    file.write_text(source)
    file.with_suffix(".pxd").write_text(types)
    return file


def test_a_module_is_compiled(cache: Path, tmp_path: Path) -> None:
    """It is no longer Python, and answers the same."""
    file = written(tmp_path)

    quick, slow = compiled(file, cache), fastest(file, None, print)

    assert not str(quick.__file__).endswith(".py")
    assert slow.shifted(3) == quick.shifted(3)


def test_what_is_compiled_is_kept(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second time no compiler is needed."""
    file = written(tmp_path)
    first = compiled(file, cache)

    monkeypatch.setenv("PATH", "")

    assert first.__file__ == compiled(file, cache).__file__


@pytest.mark.parametrize("changed", ["source", "types"])
def test_a_change_compiles_anew(changed: str, cache: Path, tmp_path: Path) -> None:
    """Of the source or of the types."""
    before = compiled(written(tmp_path), cache)

    after = compiled(written(tmp_path, SOURCE + ("#\n" if changed == "source" else ""), TYPES + "\n"), cache)

    assert before.__file__ != after.__file__


def test_what_does_not_compile_says_why(cache: Path, tmp_path: Path) -> None:
    """With the compiler's words."""
    with pytest.raises(Defect, match=r"cython.*failed"):
        compiled(written(tmp_path, types="cpdef nonsense shifted(\n"), cache)


def test_a_failed_build_leaves_nothing(cache: Path, tmp_path: Path) -> None:
    """So it is tried again next time."""
    with pytest.raises(Defect):
        compiled(written(tmp_path, types="cpdef nonsense shifted(\n"), cache)

    assert not [file for file in cache.rglob("shifting*") if file.is_file()]


def test_no_headers_are_a_missing_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the remedy."""
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"include": str(tmp_path)})

    with pytest.raises(MissingTool, match="apt-get install python3-dev"):
        compiled(written(tmp_path), tmp_path / "cache")
