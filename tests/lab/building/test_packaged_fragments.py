"""The configurations that kernels of one's own are built with."""

from __future__ import annotations

import re
from importlib import resources

import pytest

FRAGMENTS = ("lab", "minimal", "debug")


def fragment(name: str) -> str:
    """The text of one of :data:`FRAGMENTS`."""
    return (resources.files("pfnlab.lab.building") / f"{name}.config").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FRAGMENTS)
def test_a_fragment_has_lines_that_merge_config_reads(name: str) -> None:
    """An option, what it is set to, and nothing else beside comments."""
    lines = [line for line in fragment(name).splitlines() if line and not line.startswith("#")]

    assert [] == [line for line in lines if not re.fullmatch(r"CONFIG_\w+=([ymn]|\d+)", line)]


@pytest.mark.parametrize("name", FRAGMENTS)
def test_an_option_stands_once(name: str) -> None:
    """The second would win without a word."""
    options = re.findall(r"^CONFIG_(\w+)=", fragment(name), re.M)

    assert len(options) == len(set(options))


def test_the_debugging_fragment_only_adds() -> None:
    """It is for a kernel that has the whole of the lab's."""
    options = {
        name: dict(re.findall(r"^CONFIG_(\w+)=(\w+)", fragment(name), re.M)) for name in ("lab", "debug")
    }

    assert {} == {
        name: value for name, value in options["debug"].items() if options["lab"].get(name, value) != value
    }
