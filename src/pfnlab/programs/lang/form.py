"""The JSON form of a program, with exactly the content of the text form, and the hash of its content."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec

from pfnlab.errors import ProgramError
from pfnlab.programs.lang.checks import check_program
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import area_text, device_text, op_text
from pfnlab.programs.lang.words import FIRST_LINE, MAX_BYTES, TOO_LARGE, VERSION, did_you_mean, quoted

#: The value of ``format`` in every JSON program.
FORMAT = f"pfnlab-program/{VERSION}"

_BYTE = re.compile(r" \(byte (\d+)\)")


def to_json(program: Program) -> bytes:
    """The JSON form of *program*, readable, ending in a newline."""
    content = {"format": FORMAT, **msgspec.to_builtins(program)}
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def from_json(content: bytes, source: str = "<program>") -> Program:
    """Read the JSON form.

    :raises ProgramError: malformed JSON, fields that do not belong, or a program that cannot be
    """
    if len(content) > MAX_BYTES:
        raise ProgramError(TOO_LARGE, source=source)
    fields = _decoded(content, source)
    given = fields.pop("format", None)
    if given != FORMAT:
        found = "is missing" if given is None else f"is {quoted(str(given))}"
        raise ProgramError(f'the field `format` {found}: write "format": "{FORMAT}"', source=source)
    try:
        program = msgspec.convert(fields, Program)
    except msgspec.ValidationError as error:
        raise ProgramError(f"the JSON is no program: {error}", source=source) from None
    _known(fields, msgspec.to_builtins(program), "$", source)
    check_program(program, source)
    return program


def program_hash(program: Program) -> str:
    """The sha256 of what *program* does: its devices, areas and operations.

    Title, question, expectations, comments and layout do not count.
    """
    lines = [FIRST_LINE]
    lines += map(device_text, program.devices)
    lines += map(area_text, program.areas)
    lines += map(op_text, program.ops)
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def _decoded(content: bytes, source: str) -> dict[str, Any]:
    """The fields of a JSON object."""
    try:
        fields = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        message = str(error)
        line = column = 0
        if found := _BYTE.search(message):
            before = content[: int(found[1])]
            line = before.count(b"\n") + 1
            column = len(before) - (before.rfind(b"\n") + 1) + 1
            message = message.replace(found[0], "")
        raise ProgramError(message, source=source, line=line, column=column) from None
    except RecursionError:
        raise ProgramError("the JSON is nested too deeply to be a program", source=source) from None
    if not isinstance(fields, dict):
        raise ProgramError("the JSON is no program: write an object", source=source)
    return fields


def _known(given: object, known: object, path: str, source: str) -> None:
    """Refuse fields of *given* that the program read from it does not have."""
    if isinstance(given, dict) and isinstance(known, dict):
        for field, value in given.items():
            if field not in known:
                near = did_you_mean(field, known)
                raise ProgramError(f"{path} has no field {quoted(field)}{near}", source=source)
            _known(value, known[field], f"{path}.{field}", source)
    elif isinstance(given, list) and isinstance(known, list | tuple):
        for number, (value, other) in enumerate(zip(given, known, strict=True)):
            _known(value, other, f"{path}[{number}]", source)
