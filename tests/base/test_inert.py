"""Texts that others wrote act on nothing: no terminal, no compiler, no shell, no reader of markup."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import shlex
import subprocess
import tokenize
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest
from for_each import for_each
from hostile_texts import hostile_texts
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pfnlab.base.inert import (
    annotation,
    c_comment,
    c_string,
    csv_cell,
    json_line,
    line_comment,
    markdown,
    markdown_begun,
    markdown_block,
    markdown_code,
    message,
    one_line,
    python_comment,
    recorded_line,
    shell_line,
    shell_path,
    shell_word,
    shell_words,
    url_part,
    visible,
    word,
    xml_attribute,
    xml_line,
    xml_text,
)

#: Warnings are errors, as in the line that an export has for its build; and trigraphs count.
STRICT = ("gcc", "-Wall", "-Wextra", "-Werror", "-trigraphs", "-o", "told", "told.c")

#: Many texts at a time: a compiler takes longer to begin than to read them.
many = st.lists(hostile_texts, min_size=30, max_size=60)


def ran(words: list[str], folder: Path, text: str | None = None) -> bytes:
    """What a command prints, which has to end well; a make that runs the tests is nothing to it."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    answer = subprocess.run(
        words, cwd=folder, capture_output=True, timeout=60, input=text and text.encode(), check=False, env=env
    )
    assert (0, b"") == (answer.returncode, answer.stderr)
    return answer.stdout


@given(st.text())
def test_a_message_moves_no_cursor(text: str) -> None:
    """Nothing in it is a control character but the end of a line and the tabulator; it can be written."""
    said = message(text)

    assert set() == {*"\x1b\x07\x08\r\x00\x7f\x9b"} & {*said}
    assert bool(text) == bool(said.encode())


@pytest.mark.parametrize("text", ["a.pfn:1:2: no\n    x y\n\t^", "é 漢 …", ""])
def test_a_message_stays_as_it_is(text: str) -> None:
    """Its lines, the caret under the place, and letters of all languages."""
    assert text == message(text)


def test_a_long_message_has_its_beginning_and_its_end() -> None:
    """The place is said at the beginning, the remedy at the end; each line by itself."""
    said = message(f"{'a' * 999}\nfile: {'b' * 10_000}: write c")

    assert ["a" * 999, 1003] == [said.split("\n")[0], len(said.split("\n")[1])]
    assert said.split("\n")[1].startswith("file: b") and said.endswith("b: write c")


def test_a_line_of_json_is_visible_and_means_the_same() -> None:
    """What JSON itself leaves as it is, is escaped."""
    value = {"a\x9b\x7f": ["\x1b[2J", "\u202e", "\U000e0041", "é\t\n"]}

    line = json_line(value)

    assert (value, line) == (json.loads(line), visible(line)) and "é" in line


@settings(max_examples=6)
@given(many)
def test_c_tells_every_text_and_runs_none(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """Strings are printed as the line that the text is; comments are nothing, in a line or as lines."""
    folder = tmp_path_factory.mktemp("c")
    pairs = [(c_comment(text), c_string(text)) for text in texts]
    rows = "".join(f"/* {comment} */ {string},\n/*\n * {comment}\n */\n" for comment, string in pairs)
    main = f"int main(void)\n{{\n\tfor (int i = 0; i < {len(texts)}; i++)\n\t\tputs(told[i]);\n}}\n"
    (folder / "told.c").write_text(
        f"#include <stdio.h>\nstatic const char *const told[] = {{\n{rows}}};\n{main}", encoding="utf-8"
    )

    ran([*STRICT], folder)

    assert [line_comment(text) for text in texts] == ran(["./told"], folder).decode().split("\n")[:-1]
    assert ["told", "told.c"] == sorted(path.name for path in folder.iterdir())


@for_each(
    "text",
    [
        *(
            "x */ int ran; /*",
            "x /* y",
            "x ??/",
            "x \\",
            "/*/",
            "*/*",
            "%n",
            '"); ran("',
            '??/"',
            "\n#error ran",
        ),
        *("\u202e", "\ud800", "\x00"),
    ],
)
def test_a_compiler_takes_no_text_for_its_own(text: str, tmp_path: Path) -> None:
    """Each of these acts, or is warned of, where it stands as it is."""
    (tmp_path / "told.c").write_text(f"/* {c_comment(text)} */\nconst char *told = {c_string(text)};\n")

    assert b"" == ran([*STRICT, "-fsyntax-only"], tmp_path)


def test_what_ends_a_comment_stays_readable() -> None:
    """With a blank in it."""
    assert "a * / b / * c ?? /" == c_comment("a */ b /* c ??/")


@given(hostile_texts)
def test_python_has_comments_and_nothing_else(text: str) -> None:
    """Also where it looks for an encoding, in the first two lines."""
    source = f"# {python_comment(text)}\n# {python_comment(text)}\nx = 1\n".encode()

    assert ast.dump(ast.parse("x = 1")) == ast.dump(ast.parse(source))
    assert "utf-8" == tokenize.detect_encoding(io.BytesIO(source).readline)[0]


def test_an_encoding_would_be_taken() -> None:
    """So the check above says something."""
    assert "utf_7" == tokenize.detect_encoding(io.BytesIO(b"# title coding: utf_7\n").readline)[0]


@given(hostile_texts)
def test_a_comment_is_one_line(text: str) -> None:
    """Whatever somebody takes for the end of a line."""
    assert [line_comment(f"a{text}")] == f"{line_comment(f'a{text}')}\n".splitlines()


@given(hostile_texts)
def test_a_word_is_one_target_of_make(text: str) -> None:
    """Letters, digits and low lines, a letter first; none of the targets of our files."""
    assert re.fullmatch("[A-Za-z][A-Za-z0-9_]*", word(text)) is not None
    assert word(text) not in ("all", "clean")


def test_make_makes_what_it_is_told(tmp_path: Path) -> None:
    """A name that would be a function, an option, or two words of it."""
    names = [word(text) for text in ("$(shell touch RAN)", "-f RAN", "a b", "all", "x:\n\ttouch RAN", "c#b")]
    (tmp_path / "Makefile").write_text("".join(f"all: {name}\n{name}:\n\t@echo $@\n" for name in names))

    assert sorted(names) == sorted(ran(["make"], tmp_path).decode().split())


@for_each("shell", ["bash", "sh"])
def test_a_shell_gets_every_word(shell: str, tmp_path: Path) -> None:
    """Nothing of them is run; what is seen comes as it is in every shell, and the rest in bash."""
    texts = [
        *(
            "$(touch RAN)",
            "`touch RAN`",
            ";touch RAN",
            "a'b\n;touch RAN;'",
            "a b",
            "",
            "~",
            "*",
            "!!",
            "\\",
            "'",
        ),
        *(
            "\n",
            "a\\'\n;touch RAN",
            "\r",
            "\u202e",
            "\udc80",
            "#",
            "a=b",
            "-n",
            "\x1b",
            "é",
            "{a,b}",
            "\ufe0f",
        ),
    ]

    got = ran([shell], tmp_path, f"printf '%s\\0' {shell_line(texts)}\n").split(b"\0")[:-1]

    assert len(texts) == len(got) and not (tmp_path / "RAN").exists()
    for text, word_got in zip(texts, got, strict=True):
        if shell == "bash" or visible(text) == text.replace("\n", ""):
            assert text.encode("utf-8", "surrogateescape") == word_got


@settings(max_examples=15)
@given(st.lists(hostile_texts.map(lambda text: text.replace("\0", "")), max_size=40))
def test_bash_gets_any_words(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """As many as there are, each with the same bytes, and nothing is made."""
    folder = tmp_path_factory.mktemp("shell")

    got = ran(["bash"], folder, f"printf '%s\\0' x {shell_line(texts)}\n").split(b"\0")[1:-1]

    assert len(texts) == len(got) and not [*folder.iterdir()]
    for text, word_got in zip(texts, got, strict=True):
        assert "\ud800" in text or text.encode("utf-8", "surrogateescape") == word_got


@given(st.lists(hostile_texts))
def test_a_command_line_is_read_again(texts: list[str]) -> None:
    """The same words, on one line; a recorded one stays as it was written."""
    words = [text.replace("\ud800", "").replace("\udc80", "") for text in texts]

    line = shell_line(words)

    assert words == shell_words(line)
    assert line == recorded_line(line) == visible(line) and "\n" not in line


@for_each("text", ["a b", "it's", "", "-x", "a=b", "~/x", "model:7.2,tracker=exact", "é"])
def test_what_is_seen_is_quoted_as_ever(text: str) -> None:
    """As the shell's own form of Python has it."""
    assert shlex.quote(text) == shell_word(text)


@for_each(
    ("recorded", "shown"),
    [
        ("pfnlab run 'a b.pfn' --json", "pfnlab run 'a b.pfn' --json"),
        ("pfnlab run x; rm -rf ~", "pfnlab run 'x;' rm -rf '~'"),
        ("pfnlab run $(touch RAN)\nls", "pfnlab run '$(touch' 'RAN)' ls"),
        ('pfnlab run "$(ls)"', "pfnlab run '$(ls)'"),
        ("pfnlab run 'x", "'pfnlab run '\"'\"'x'"),
    ],
)
def test_a_recorded_command_is_words_alone(recorded: str, shown: str) -> None:
    """No operator of a shell is left in what a file says that it was made by."""
    assert shown == recorded_line(recorded)


@for_each(
    ("name", "written"),
    [("-x.c", "./-x.c"), ("@x.c", "./@x.c"), ("-a b", "'./-a b'"), ("x-.c", "x-.c"), ("a/-b", "a/-b")],
)
def test_a_file_is_no_option(name: str, written: str) -> None:
    """Its folder stands before it."""
    assert written == shell_path(name)


@given(hostile_texts)
def test_a_part_of_an_address_is_one_part(text: str) -> None:
    """No slash, query, fragment or blank of it ends the part, and it is read back whole."""
    part = url_part(text)

    assert not set(part) & set("/?#&<>\"' \\\n")
    assert text.encode(errors="backslashreplace").decode() == unquote(part)


@given(hostile_texts)
def test_xml_has_the_text(text: str) -> None:
    """An element and an attribute have it, and nothing else is there."""
    element = ElementTree.fromstring(
        f"<a b={xml_attribute(text)}><c>{xml_line(text)}</c>{xml_text(text)}</a>"
    )

    assert [one_line(text), one_line(text)] == [element.attrib["b"], element[0].text or ""]
    assert (visible(text), ["c"]) == (element[0].tail or "", [child.tag for child in element])


def shown(source: str) -> tuple[set[str], str]:
    """The kinds of what a reader of Markdown finds in a text, and the words of it."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(source)
    within = [child for token in tokens for child in token.children or []]
    words = [token.content for token in (*tokens, *within) if not token.children]
    return {token.type for token in (*tokens, *within)}, " ".join(words)


@given(hostile_texts)
def test_markdown_shows_the_text(text: str) -> None:
    """As words of a paragraph, as code within one, and as a block."""
    kinds, words = shown(f"{markdown_begun(markdown(f'a {text}'))}\n")
    code_kinds, code = shown(f"x {markdown_code(f'a{text}')}\n")
    block_kinds, block = shown(markdown_block(f"a{text}", "text"))

    assert kinds <= {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}
    assert "".join(one_line(f"a {text}").split()) == "".join(words.split())
    assert code_kinds == {"paragraph_open", "paragraph_close", "inline", "text", "code_inline"}
    assert "".join(one_line(f"xa{text}").split()) == "".join(code.split())
    assert ({"fence"}, visible(f"a{text}").rstrip("\n") + "\n") == (block_kinds, block)


@for_each(
    ("written", "expected"),
    [
        (annotation("a%\r\n::error::", ",:"), "a%25%0D%0A%3A%3Aerror%3A%3A"),
        (csv_cell("=cmd()"), "'=cmd()"),
        (csv_cell(-1), -1),
    ],
)
def test_a_field_stays_one_field(written: object, expected: object) -> None:
    """Nothing ends it but its end."""
    assert expected == written
