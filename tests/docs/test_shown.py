"""Every command a page shows is run, and prints what the page says.

Blocks that need nothing run with ``make test-long``; the others with ``make test-pages``
(``test_shown_on_kernels.py``).
"""

from __future__ import annotations

from pathlib import Path

import pytest
import tooling
from for_each import for_each

shown = tooling.shown()
pages = tooling.markdown_pages()

#: Pages by name.
PAGES = {str(path.relative_to(pages.ROOT)): path.read_text(encoding="utf-8") for path in pages.page_files()}


@for_each("name", PAGES)
def test_every_block_of_commands_is_marked(name: str) -> None:
    """A block that looks like a terminal is one, and says what it needs."""
    shown.terminals(PAGES[name], name)


@for_each("name", [name for name in PAGES if name != "CHANGELOG.md"])
def test_every_form_exists(name: str) -> None:
    """Verbs, options and files that a page names without running them, but for earlier releases."""
    assert [] == shown.unknown_forms(PAGES[name], name)


@pytest.mark.target("long")
@for_each("name", PAGES)
def test_commands_print_what_the_page_shows(name: str) -> None:
    """On models alone."""
    assert [] == shown.run_page(PAGES[name], name)[0]


@for_each("name", PAGES)
def test_every_terminal_is_run_by_some_test(name: str) -> None:
    """By the one above or by one of those on kernels, which take a kernel alone, or what is slow or far."""
    needs = {terminal.needs for terminal in shown.terminals(PAGES[name], name)}

    assert all(one <= {"kernel"} or one & {"slow", "network"} for one in needs)


def page(*lines: str, info: str = "") -> str:
    """A page with one terminal."""
    return "\n".join(["# Page", "", f"```console {info}".rstrip(), *lines, "```", ""])


@for_each(
    ("output", "wrong"),
    [
        (["one", "two", "three"], False),
        (["one", "two"], True),
        (["one", "2", "three"], True),
        (["...", "three"], False),
        (["one", "..."], False),
        (["one", "t...", "three"], False),
        (["...", "four"], True),
    ],
)
def test_a_wrong_output_is_found(output: list[str], wrong: bool) -> None:
    """An ellipsis stands for lines, or for a part of one; anything else is compared."""
    complaints, _ = shown.run_page(page("$ printf 'one\\ntwo\\nthree\\n'", *output), "page")

    assert wrong == bool(complaints)


def test_what_was_printed_can_be_put_into_the_page() -> None:
    """With everything else as it was."""
    _, text = shown.run_page(page("$ echo one", "two", "$ echo three"), "page")

    assert page("$ echo one", "one", "$ echo three") == text


def test_another_point_release_is_no_difference() -> None:
    """The newest of a series is another one next month."""
    assert shown.matches(
        ["model:6.1 is profile 6.1.190, the newest known of 6.1"],
        ["model:6.1 is profile 6.1.192, the newest known of 6.1"],
    )


@for_each(("info", "wrong"), [("", True), ("exit=3", False), ("exit=2", True)])
def test_another_exit_code_is_found(info: str, wrong: bool) -> None:
    """A command ends with 0 or 1, unless its block says otherwise."""
    assert wrong == bool(shown.run_page(page("$ exit 3", info=info), "page")[0])


@for_each(
    "block",
    [
        "    $ pfnlab run x",
        "    pfnlab run x",
        "    bar[0:8] wc  LEAKED",
        "```\nbar[0:8] wc  LEAKED\n```",
        "```\n$ pfnlab run x\n```",
        "```sh\npfnlab run x\n```",
        "```text\nmake test\n```",
        "```console\npfnlab run x\n```",
        "```console quick\n$ pfnlab run x\n```",
    ],
)
def test_a_block_without_its_mark_is_refused(block: str) -> None:
    """Whatever it looks like, its commands would not be run."""
    with pytest.raises(shown.Wrong):
        shown.terminals(f"# Page\n\n{block}\n", "page")


@for_each(
    "form",
    ["pfnlab rum PROGRAM", "pfnlab run PROGRAM --onn model:6.1", "pfnlab run litmus/unmapping/no-such.pfn"],
)
def test_a_form_that_does_not_exist_is_found(form: str) -> None:
    """In a list of forms, and in a sentence."""
    assert 1 == len(shown.unknown_forms(page(form, info="synopsis"), "page"))
    assert 1 == len(shown.unknown_forms(f"Say `{form}`.", "page"))


def test_a_file_that_a_page_shows_is_there(tmp_path: Path) -> None:
    """Under the name in its title, for the commands below it."""
    text = '```pfn title="mine.pfn"\nmine\n```\n\n' + page("$ cat mine.pfn", "mine")

    assert ([], text) == shown.run_page(text, "page", (), tmp_path)
    assert not (pages.ROOT / "mine.pfn").exists()


@pytest.mark.parametrize(
    ("typed", "printed"),
    [
        ("echo one; echo 1 of 2 >&2", ["one"]),
        ("echo one; echo pfnlab: no >&2", ["one", "pfnlab: no"]),
        ("echo one; echo no >&2; exit 2", ["one", "no"]),
    ],
)
def test_progress_is_no_output(typed: str, printed: list[str], tmp_path: Path) -> None:
    """It comes on some days, and not on others; errors are output."""
    assert printed == shown.Clone(tmp_path).run(typed, 80)[1]


def test_a_make_around_it_is_not_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make test-pages` starts the tests, and a make of a page is still the first."""
    monkeypatch.setenv("MAKELEVEL", "1")
    monkeypatch.setenv("MAKEFLAGS", "w")

    assert (0, ["-"]) == shown.Clone(tmp_path).run("echo ${MAKELEVEL:-}${MAKEFLAGS:-}-", 80)


def test_a_page_installs_nothing(tmp_path: Path) -> None:
    """What make would install is up to date where a page runs, and the folder is not the clone's own."""
    shown.Clone(tmp_path)

    assert not (tmp_path / ".venv").is_symlink()
    assert (tmp_path / ".venv" / ".demo").stat().st_mtime >= (pages.ROOT / "pyproject.toml").stat().st_mtime
