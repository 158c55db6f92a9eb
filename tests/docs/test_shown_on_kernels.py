"""Commands of pages that need a kernel, a network or more time print what the page says.

``console kernel``, ``console slow`` and ``console network`` run with ``make test-pages`` alone. No other run
imports this file, which reads all pages to know which of them have such blocks.
"""

from __future__ import annotations

import re

import pytest
import tooling
from having import bootable, status

shown = tooling.shown()
pages = tooling.markdown_pages()

#: Pages by name.
PAGES = {str(path.relative_to(pages.ROOT)): path.read_text(encoding="utf-8") for path in pages.page_files()}


def needs_of(name: str) -> set[frozenset[str]]:
    """What the terminals of a page need, each."""
    return {terminal.needs for terminal in shown.terminals(PAGES[name], name)}


def kernels_of(text: str) -> set[str]:
    """The kernels of the archive that the terminals of a page boot."""
    typed = [
        one.typed
        for terminal in shown.terminals(text, "")
        if "kernel" in terminal.needs
        for one in terminal.commands
    ]
    return set(re.findall(r"qemu:(\d[\d.]*\d)\b", " ".join(typed)))


KERNEL = [name for name in PAGES if frozenset({"kernel"}) in needs_of(name)]
LONG = [name for name in PAGES if any({"slow", "network"} & needs for needs in needs_of(name))]


@pytest.mark.lab
@pytest.mark.timeout(600)
@pytest.mark.xdist_group("pages-on-kernels")
@pytest.mark.parametrize("name", KERNEL)
def test_commands_on_kernels_print_what_the_page_shows(name: str) -> None:
    """One page after the other, for they share the kernels' guests."""
    for kernel in kernels_of(PAGES[name]):
        if status(kernel) == "gone":
            pytest.skip(f"{kernel} is not to be had any more")
        bootable(kernel)

    assert [] == shown.run_page(PAGES[name], name, {"kernel"})[0]


@pytest.mark.lab
@pytest.mark.timeout(3600)
@pytest.mark.xdist_group("pages-on-kernels")
@pytest.mark.parametrize("name", LONG)
def test_long_commands_print_what_the_page_shows(name: str) -> None:
    """All blocks of the page, in order."""
    assert [] == shown.run_page(PAGES[name], name, shown.KINDS)[0]
