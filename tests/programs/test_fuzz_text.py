"""Every text is a program or gets one clear refusal; and every program survives every form."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st
from strategies import commented, mutated, programs

from pfnlab.base.errors import ProgramError
from pfnlab.programs.lang import printer
from pfnlab.programs.lang.load import from_json, load_bytes, load_text, program_hash, to_json
from pfnlab.programs.lang.ops import Op, Program
from pfnlab.programs.lang.problems import format_text

TEXT = st.text() | st.text(alphabet="amnpu[]:=0123456789 \n\t#,.-").map("pfnlab program 1\n".__add__)

#: A loaded machine is no failure.
patient = settings(report_multiple_bugs=False)


def refusal(read: object, content: object) -> ProgramError | None:
    """The error *read* answers *content* with, if any."""
    try:
        read(content)  # type: ignore[operator]
    except ProgramError as error:
        return error
    return None


@patient
@given(TEXT)
def test_any_text_is_read_or_refused(text: str) -> None:
    """Random text raises nothing but ProgramError, with a message of one line."""
    error = refusal(load_text, text)

    assert error is None or "\n" not in error.message


@patient
@given(st.binary() | st.binary().map(b"{".__add__))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """Random bytes raise nothing but ProgramError, with a message of one line."""
    error = refusal(load_bytes, content)

    assert error is None or "\n" not in error.message


@patient
@given(programs().map(printer.format_program).flatmap(mutated))
def test_a_mutated_program_is_read_or_refused_at_a_place(text: str) -> None:
    """A nearly correct text is refused with a line and column that exist, or read."""
    error = refusal(load_text, text)

    lines = text.split("\n")
    if error is not None and error.line:
        assert 1 <= error.line <= max(len(lines), 1)
        assert 1 <= error.column <= len(lines[error.line - 1]) + 1


@pytest.mark.target("long")
@patient
@given(programs().map(printer.format_program).flatmap(mutated))
def test_a_mutated_program_is_laid_out_without_a_change(text: str) -> None:
    """Where a nearly correct text is read, its canonical layout means the same."""
    assume(refusal(load_text, text) is None)

    laid_out = format_text(text)

    assert load_text(text) == load_text(laid_out)


@patient
@given(programs().map(to_json).map(bytes.decode).flatmap(mutated))
def test_mutated_json_is_read_or_refused(text: str) -> None:
    """A nearly correct JSON form raises nothing but ProgramError."""
    error = refusal(load_bytes, text.encode(errors="surrogatepass"))

    assert error is None or "\n" not in error.message


def round_trip(program: Program) -> None:
    """Refuse a program that its own text does not mean."""
    assert program == load_text(printer.format_program(program))


@patient
@given(programs())
def test_text_means_the_program_it_was_printed_from(program: Program) -> None:
    """Printing and reading give the same program."""
    round_trip(program)


def test_a_broken_printer_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The round trip fails when the printer drops the word `populate`."""
    whole = printer.op_lines
    monkeypatch.setattr(
        printer,
        "op_lines",
        lambda program: [re.sub(r" populate\b(?!_)", "", line) for line in whole(program)],
    )

    with pytest.raises(AssertionError):
        settings(patient, phases=[Phase.generate])(given(programs())(round_trip))()


@patient
@given(programs())
def test_operations_written_out_mean_the_same(program: Program) -> None:
    """Lines printed without knowledge of the mappings read as the same operations."""
    header = "".join(f"{line}\n" for line in printer.header_lines(program))

    read = load_text(header + "".join(f"{printer.op_text(op)}\n" for op in program.ops))

    assert program.ops == read.ops


@patient
@given(programs())
def test_json_means_the_program_it_was_made_from(program: Program) -> None:
    """Writing and reading JSON give the same program."""
    assert program == from_json(to_json(program))


@patient
@given(programs())
def test_a_printed_program_is_canonical(program: Program) -> None:
    """The layout of a printed program is the print itself."""
    text = printer.format_program(program)

    assert text == format_text(text)


@patient
@given(programs().map(printer.format_program).flatmap(commented))
def test_layout_settles_at_once(text: str) -> None:
    """Laying out a second time changes nothing."""
    once = format_text(text)

    assert once == format_text(once)


@patient
@given(programs().map(printer.format_program).flatmap(commented))
def test_layout_keeps_every_comment(text: str) -> None:
    """As many comments stand in the result as in the text."""

    def count(text: str) -> int:
        return sum("#" in row for row in text.splitlines() if not row.strip().startswith(("title", "asks")))

    assert count(text) == count(format_text(text))


@patient
@given(st.data(), programs())
def test_the_hash_ignores_comments_and_layout(data: st.DataObject, program: Program) -> None:
    """A commented, spaced text has the hash of the plain program."""
    text = data.draw(commented(printer.format_program(program)))

    assert program_hash(program) == program_hash(load_text(text))


@patient
@given(st.data(), programs(), programs())
def test_the_hash_tells_operations_apart(data: st.DataObject, program: Program, other: Program) -> None:
    """Replacing one operation by a different one changes the hash."""
    at = data.draw(st.integers(0, len(program.ops) - 1))
    new: Op = data.draw(st.sampled_from(other.ops))
    assume(new != program.ops[at])

    changed = msgspec.structs.replace(program, ops=(*program.ops[:at], new, *program.ops[at + 1 :]))

    assert program_hash(program) != program_hash(changed)
