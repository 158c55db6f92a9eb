"""The man pages in ``man/``."""

from __future__ import annotations

import subprocess

import pytest
import tooling

PAGES = sorted(tooling.make_man().FOLDER.glob("*.1"))


def test_pages_are_what_the_tool_makes() -> None:
    """Whoever changes a help makes the pages anew: python tools/make_man.py --write."""
    made = tooling.make_man().man_pages()

    assert {path.name: path.read_text(encoding="utf-8") for path in PAGES} == made


def test_a_page_that_was_changed_by_hand_is_named(
    tmp_path: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --write the tool only says which page is not up to date."""
    tool = tooling.make_man()
    monkeypatch.setattr(tool, "FOLDER", tmp_path)
    tool.main(["--write"])
    (tool.FOLDER / "pfnlab-run.1").write_text("something else\n")

    code = tool.main([])

    assert (code, capsys.readouterr().out.split()[0]) == (1, "man/pfnlab-run.1")


def test_every_section_is_in_the_page_of_a_verb() -> None:
    """A page has what one looks for in a man page."""
    page = tooling.make_man().man_pages()["pfnlab-kernels-build.1"]

    headings = [line[4:] for line in page.splitlines() if line.startswith(".SH ")]

    assert headings == [
        *("NAME", "SYNOPSIS", "DESCRIPTION", "ARGUMENTS", "OPTIONS", "EXAMPLES", "EXIT STATUS"),
        *("FILES", "ENVIRONMENT", "SEE ALSO"),
    ]


def test_a_line_that_begins_with_a_dot_is_no_request() -> None:
    """Help may say anything; roff reads none of it as its own."""
    assert tooling.make_man()._text(".so /etc/passwd \\n") == "\\&.so /etc/passwd \\en"


@pytest.mark.target("shells")
def test_mandoc_has_no_objection() -> None:
    """mandoc says nothing about any page."""
    said = subprocess.run(["mandoc", "-T", "lint", *PAGES], capture_output=True, text=True, timeout=60)

    assert said.stdout == ""


@pytest.mark.target("shells")
def test_groff_has_no_warning() -> None:
    """What shows pages on most machines has no warning either."""
    command = ["groff", "-man", "-ww", "-Tutf8", "-z", *PAGES]
    said = subprocess.run(command, capture_output=True, text=True, timeout=60)

    assert said.stderr == ""
