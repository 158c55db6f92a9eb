"""Packages that are not installed: every command that needs them says in one line how to install them."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib.metadata import metadata
from pathlib import Path

import pytest
from core_builder import kernel_image

from pfnlab.base.errors import MissingTool
from pfnlab.base.extras import imported_from, installation, need_packages
from pfnlab.lab.lens.vmlinux import vmlinux_of

PROGRAM = "munmap-middle"

#: An interpreter that cannot import some packages, and what it is told to do.
BLOCKED = "import sys; sys.modules.update(dict.fromkeys({packages!r})); "
COMMAND = BLOCKED + "from pfnlab.cli import main; main({words!r})"


def python(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """A Python program, run on a cache of its own."""
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "PFNLAB_CACHE": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def without(packages: list[str], *words: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """`pfnlab WORDS` where *packages* are not installed."""
    return python(COMMAND.format(packages=packages, words=list(words)), folder)


CAMPAIGN = """form = 1
name = "one"
says = "One program"

[[catalogue]]
machines = [["model:6.12", "model:7.2"]]
programs = ["munmap-middle"]
"""


def test_a_plain_installation_needs_two_packages() -> None:
    """Whatever else is needed belongs to an extra."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))[
        "project"
    ]

    names = [needed.partition(">")[0] for needed in project["dependencies"]]

    assert ["greenlet", "msgspec"] == names


#: For each package of an extra, commands that need it.
NEEDING = [
    ("web", "starlette", ["explore", "--no-browser"]),
    ("web", "uvicorn", ["explore", "--no-browser"]),
    ("web", "anyio", ["explore", "--no-browser"]),
    ("mcp", "mcp", ["mcp"]),
    ("mcp", "anyio", ["mcp"]),
    ("lens", "drgn", ["run", PROGRAM, "--on", "qemu:7.3", "--look", "memory"]),
    ("lens", "lz4", ["run", PROGRAM, "--on", "qemu:7.3", "--look", "memory"]),
    ("lens", "zstandard", ["run", PROGRAM, "--on", "qemu:7.3", "--look", "memory"]),
    ("lens", "drgn", ["fuzz", "--on", "model:7.3", "--on", "qemu:7.3", "--look", "memory"]),
    ("lens", "drgn", ["draw", PROGRAM, "--on", "qemu:7.3", "--look", "memory"]),
    ("cluster", "distributed", ["check", "--scope", "small", "--cluster", "tcp://127.0.0.1:1"]),
    ("cluster", "distributed", ["campaign", "run", "c.toml", "--cluster", "tcp://127.0.0.1:1"]),
    ("postgres", "psycopg", ["campaign", "results", "--store", "postgresql://nobody@127.0.0.1:1/none"]),
    ("postgres", "psycopg", ["campaign", "run", "c.toml", "--store", "postgresql://n@127.0.0.1:1/none"]),
    ("postgres", "psycopg", ["campaign", "status", "--store", "postgresql://n@127.0.0.1:1/none"]),
    (
        "frames",
        "polars",
        ["campaign", "results", "--store", "pfnlab.db", "--format", "parquet", "-o", "found.parquet"],
    ),
]


@pytest.mark.parametrize(("extra", "package", "words"), NEEDING, ids=str)
def test_a_command_without_its_package_says_what_to_install(
    extra: str, package: str, words: list[str], tmp_path: Path
) -> None:
    """On one line, as a missing tool, before anything else is done."""
    (tmp_path / "c.toml").write_text(CAMPAIGN, encoding="utf-8")
    if "parquet" in words:
        without([], "campaign", "run", "c.toml", "--jobs", "1", folder=tmp_path)

    answer = without([package], *words, folder=tmp_path)

    assert (3, "") == (answer.returncode, answer.stdout)
    remedy = f"{sys.executable} -m pip install 'pfnlab[{extra}]'"
    assert f"needs {package}, which is not installed: {remedy}\n" in answer.stderr
    assert 1 == answer.stderr.count("\n"), answer.stderr


@pytest.mark.parametrize("frame", ["pandas", "polars"])
def test_a_frame_without_its_package_says_what_to_install(frame: str, tmp_path: Path) -> None:
    """The same line, as an error that Python catches."""
    program = f"import pfnlab as pl\ntry: pl.run({PROGRAM!r}, on=['model:7.3']).to_{frame}()\n"
    program += "except pl.Undecided as missing: print(missing)"

    answer = python(BLOCKED.format(packages=[frame]) + f"exec({program!r})", tmp_path)

    assert f"a data frame needs {frame}, which is not installed: {sys.executable}" in answer.stdout


@pytest.mark.parametrize(
    ("package", "magic"), [("zstandard", b"\x28\xb5\x2f\xfd"), ("lz4", b"\x02\x21\x4c\x18")]
)
def test_a_kernel_that_cannot_be_unpacked_says_what_to_install(
    package: str, magic: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where only this one form needs a package."""
    monkeypatch.setitem(sys.modules, package, None)

    with pytest.raises(MissingTool, match=rf"needs {package}, which is not installed: .* 'pfnlab\[lens\]'"):
        vmlinux_of(kernel_image(magic + bytes(64)))


def test_the_command_is_typed_as_in_a_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the interpreter lies below the folder one is in, its name is as short as one would type it."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    monkeypatch.chdir(tmp_path)

    assert ".venv/bin/python -m pip install 'pfnlab[web]'" == installation("web")


def test_pip_knows_the_extra_of_what_is_installed() -> None:
    """Every extra that a message names is one of the package, so no other pfnlab is asked for."""
    offered = set(metadata("pfnlab").get_all("Provides-Extra") or ())

    assert {extra for extra, _, _ in NEEDING} | {"frames"} <= offered


def test_a_package_that_does_not_load_is_no_defect() -> None:
    """A library of the system may be missing: the reason is told."""
    reason = r"a store cannot be used \(no pq wrapper\): "

    with pytest.raises(MissingTool, match=reason), imported_from("web", "a store"):
        raise ImportError("no pq wrapper\nattempts made: ...")


def test_a_module_of_our_own_that_is_missing_is_a_defect() -> None:
    """Nothing to install would help."""
    with pytest.raises(ModuleNotFoundError), imported_from("web", "the explorer"):
        import pfnlab.no_such_module  # noqa: F401


def test_what_is_installed_is_not_asked_for() -> None:
    """Nothing is said of it."""
    need_packages("web", "a test", "pytest")
