"""TOML that users write: it is read, or refused in one line, and never takes long."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import msgspec
import pytest
from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.base.errors import Misuse
from pfnlab.base.toml_text import MOST_TOML, package_tables, toml_content, toml_struct


@pytest.fixture
def usual_recursion() -> Iterator[None]:
    """The depth of calls that a process of ours has; tests of properties raise it."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1000)
    yield
    sys.setrecursionlimit(before)


def test_a_byte_order_mark_is_no_part_of_it() -> None:
    """Some editors write one."""
    assert {"a": 1} == toml_content("\ufeffa = 1\n", "x.toml")


@for_each(
    ("text", "says"),
    [
        ("a = ", "x.toml: this is not TOML: "),
        ("a = 1\r2", "x.toml: this is not TOML: "),
        (f"a = {'[' * 5000}", "x.toml: this is nested too deeply: write tables of values"),
        (f"a = {'{a = ' * 5000}", "x.toml: this is nested too deeply"),
        (f"a = {'9' * 5000}", "x.toml: a number has thousands of digits: write one of at most 18"),
        (f"[{'a . ' * 40}a]", "x.toml: this is nested too deeply"),
    ],
)
@pytest.mark.usefixtures("usual_recursion")
def test_what_is_none_is_refused(text: str, says: str) -> None:
    """In one line."""
    with pytest.raises(Misuse) as refused:
        toml_content(text, "x.toml")

    assert str(refused.value).startswith(says) and "\n" not in str(refused.value)


@pytest.mark.timeout(60)
@for_each("part", ["a.", '"a".', "'a' . ", "\t a ."])
@for_each("form", ["{}a = 1", "[{}a]", "b = {{{}a = 1}}"])
def test_keys_within_keys_are_bounded(part: str, form: str) -> None:
    """Python takes hours for what fits into a file."""
    with pytest.raises(Misuse, match="nested too deeply"):
        toml_content(form.format(part * (MOST_TOML // 4 // len(part))), "x.toml")


@given(st.text("a1\"'[]{}=.,#\n\\ \x00é", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """It is tables, or one line."""
    try:
        content = toml_content(text, "x.toml")
    except Misuse as refused:
        assert "\n" not in str(refused)
    else:
        assert isinstance(content, dict)


def test_tables_of_the_package_have_the_form_that_is_asked_for() -> None:
    """A table that the form has not is no slip that goes unseen."""

    class Other(msgspec.Struct, forbid_unknown_fields=True):
        modes: tuple[object, ...]

    with pytest.raises(msgspec.ValidationError, match=r"palette\.toml: .*unknown field"):
        package_tables("pfnlab.present.picture", "palette.toml", Other)


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    names: tuple[str, ...]
    size: int | None = None


class _Form(msgspec.Struct, forbid_unknown_fields=True):
    row: tuple[_Row, ...] = ()
    head: _Row | None = None


@for_each(
    ("text", "says"),
    [
        ("[[row]]\nnames = []\n[[row]]\nnames = [1]", "[[row]] 2, names 1: write text, not a whole number"),
        ("[[row]]\nnames = []\nsize = 'x'", "[[row]] 1, size: write a whole number, not text"),
        ("[[row]]", "row 1: write the missing key `names`"),
        ("[head]\nnames = 3", "[head], names: write a list, not a whole number"),
        ("[head]\nnames = []\nsiz = 3", "head: there is no key `siz`: did you mean `size`?"),
        ("[row]", "row: write [[row]], not [row]"),
        ("rows = 1", "there is no key `rows`: did you mean `row`?"),
        ('"a - at `$.row" = 1', "there is no key `a - at `$.row`: write one of row, head"),
        ('"a` - at `$.head.size.x" = 1', "[head], [size], x: there is no key `a`"),
        ('"a\\n\\u001b" = 1', "there is no key `a \\x1b`: write one of row, head"),
    ],
)
def test_what_does_not_fit_a_form_is_said_with_its_place(text: str, says: str) -> None:
    """In one line, with what to write instead."""
    with pytest.raises(Misuse) as refused:
        toml_struct(toml_content(text, "x.toml"), "x.toml", _Form)

    assert f"x.toml: {says}" == str(refused.value)
