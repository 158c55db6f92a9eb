"""Loading programs in any form; the JSON form, which is equivalent to the text form; and the program hash."""

import hashlib
import re
from pathlib import Path
from typing import Any

import msgspec

from pfnlab.base.errors import ProgramError
from pfnlab.base.files import Unreadable, read_bytes
from pfnlab.base.spelling import did_you_mean
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import area_text, device_text, op_text, thp_lines
from pfnlab.programs.lang.text import parse
from pfnlab.programs.lang.validity import check_program
from pfnlab.programs.lang.words import FIRST_LINE, MAX_BYTES, TOO_LARGE, VERSION, quoted


def load_program(path: str | Path) -> Program:
    """Read the program in the file at *path*; its content shows whether it is text or JSON.

    :raises ProgramError: if the file cannot be read, or is not a valid program
    """
    return load_bytes(_read(Path(path)), str(path))


def program_files(folder: Path) -> dict[str, Path]:
    """The program files in *folder* and its subfolders, sorted by name.

    :raises ProgramError: if two files have the same name
    """
    from pfnlab.base.wildcards import searching

    files: dict[str, Path] = {}
    with searching(str(folder)) as search:
        found = search.below(folder, ".pfn")
    for path in sorted(found, key=lambda file: file.stem):
        if (other := files.setdefault(path.stem, path)) is not path:
            raise ProgramError(
                f"there is another program of that name, {other}: rename one", source=str(path)
            )
    return files


def read_program_text(path: Path) -> str:
    """Read the text in the file at *path*, whether or not it is a valid program.

    :raises ProgramError: if the file cannot be read, or is not text
    """
    return _decode(_read(path), str(path))


def load_bytes(content: bytes, source: str = "<program>") -> Program:
    """Read a program from a file's content, text or JSON."""
    if len(content) > MAX_BYTES:
        raise ProgramError(TOO_LARGE, source=source)
    if content.lstrip()[:1] == b"{":
        return from_json(content, source)
    return load_text(_decode(content, source), source)


def load_text(text: str, source: str = "<program>") -> Program:
    """Read a program in its text form.

    :raises ProgramError: at the first error
    """
    return parse(text, source)


def _read(path: Path) -> bytes:
    try:
        return read_bytes(path, "program", MAX_BYTES)
    except Unreadable as trouble:
        raise ProgramError(trouble.reason, source=str(path)) from None


def _decode(content: bytes, source: str) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        before = content[: error.start]
        if b"\0" in before:
            return before.decode()  # binary rather than badly encoded; the caller says so
        line = before.count(b"\n") + 1
        column = len(before.rpartition(b"\n")[2].decode()) + 1
        raise ProgramError(
            "this is not UTF-8: save the file as UTF-8", source=source, line=line, column=column
        ) from None


#: The value of ``format`` in every JSON program.
FORMAT = f"pfnlab-program/{VERSION}"

_BYTE = re.compile(r" \(byte (\d+)\)")


def to_json(program: Program) -> bytes:
    """The JSON form of *program*, indented and with a final newline."""
    content = {"format": FORMAT, **msgspec.to_builtins(program)}
    return msgspec.json.format(msgspec.json.encode(content), indent=2) + b"\n"


def from_json(content: bytes, source: str = "<program>") -> Program:
    """Read the JSON form.

    :raises ProgramError: if the JSON is malformed, has unknown fields, or describes a
        program that breaks a rule
    """
    if len(content) > MAX_BYTES:
        raise ProgramError(TOO_LARGE, source=source)
    fields = _decoded(content, source)
    format_name = fields.pop("format", None)
    if format_name != FORMAT:
        problem = "is missing" if format_name is None else f"is {quoted(str(format_name))}"
        raise ProgramError(f'the field `format` {problem}: write "format": "{FORMAT}"', source=source)
    try:
        program = msgspec.convert(fields, Program)
    except msgspec.ValidationError as error:
        raise ProgramError(f"the JSON is not a program: {error}", source=source) from None
    _check_fields(fields, msgspec.to_builtins(program), "$", source)
    check_program(program, source)
    return program


def program_hash(program: Program) -> str:
    """The SHA-256 of what *program* does: its settings, devices, areas and operations.

    The title, question, expectations, comments and layout do not affect it.
    """
    lines = [FIRST_LINE, *thp_lines(program)]
    lines += map(device_text, program.devices)
    lines += map(area_text, program.areas)
    lines += map(op_text, program.ops)
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def _decoded(content: bytes, source: str) -> dict[str, Any]:
    """The fields in a JSON object."""
    try:
        fields = msgspec.json.decode(content.decode("utf-8"))
    except msgspec.DecodeError as error:
        message = str(error)
        line = column = 0
        if match := _BYTE.search(message):
            before = content[: int(match[1])]
            line = before.count(b"\n") + 1
            column = len(before) - (before.rfind(b"\n") + 1) + 1
            message = message.replace(match[0], "")
        raise ProgramError(message, source=source, line=line, column=column) from None
    except UnicodeDecodeError:
        raise ProgramError("this is not UTF-8: save the file as UTF-8", source=source) from None
    except RecursionError:
        raise ProgramError("the JSON is nested too deeply to be a program", source=source) from None
    if not isinstance(fields, dict):
        raise ProgramError("the JSON is not a program: write an object", source=source)
    return fields


def _check_fields(content: object, accepted: object, path: str, source: str) -> None:
    """Refuse fields in *content* that are not in *accepted*, the program read from it."""
    if isinstance(content, dict) and isinstance(accepted, dict):
        for field, value in content.items():
            if field not in accepted:
                hint = did_you_mean(field, accepted)
                raise ProgramError(f"{path} has no field {quoted(field)}{hint}", source=source)
            _check_fields(value, accepted[field], f"{path}.{field}", source)
    elif isinstance(content, list) and isinstance(accepted, list | tuple):
        for number, (value, accepted_item) in enumerate(zip(content, accepted, strict=True)):
            _check_fields(value, accepted_item, f"{path}[{number}]", source)
