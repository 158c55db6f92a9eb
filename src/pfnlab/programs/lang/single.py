"""Reading a single line: an operation or a range that continues a program, or a device.

This is for machines that get their operations one at a time. The reader for whole programs reads the line,
knowing the names in the program, so the same words are accepted and the same mistakes are refused.
"""

from pfnlab.base.errors import ProgramError
from pfnlab.programs.lang.device_ops import DRIVER_RAM, MOVED_BAR
from pfnlab.programs.lang.lines import Line
from pfnlab.programs.lang.ops import Device, Op, Program
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.text import Reading, parse
from pfnlab.programs.lang.words import FIRST_LINE, HEADERS, NO_DEVICE

#: The words that start lines other than operations.
_OTHER_LINES = (*HEADERS, "pfnlab", "expect")


def read_op(text: str, program: Program, source: str = "<operation>") -> Op:
    """Read *text* as the next operation in *program*.

    :param program: may have no operations yet, and may end with a processor held
    :raises ProgramError: if *text* is not an operation, or not one that is allowed at this point
    """
    reading = _reading(program, source)
    line = _line(text, program, source, "an operation, e.g. `munmap a[4:8]`")
    if line.free is not None or line.next in _OTHER_LINES:
        line.fail("not an operation: write one, e.g. `munmap a[4:8]`", 1)
    reading.line(line)
    return reading.ops[0]


def read_span(text: str, program: Program, source: str = "<range>") -> Span:
    """Read *text* as a range at the end of *program*: ``a[4:8]``, ``a[3]`` or ``a``, of an area or a device.

    :raises ProgramError: if *text* is not a range, or nothing has that name
    """
    reading = _reading(program, source)
    line = _line(text, program, source, "a range, e.g. `a[4:8]`")
    return reading.lone_span(line, {*reading.scope.devices, *NO_DEVICE, DRIVER_RAM, MOVED_BAR})


def read_device(text: str) -> Device:
    """Read *text* as a device, e.g. ``bar: pci, 16 pages``.

    :raises ProgramError: if *text* is not a device
    """
    if "\n" in text:
        raise ProgramError("a device is one line: write `bar: pci, 16 pages`", source="<device>")
    lines = (FIRST_LINE, f"device {text}", "x = mmap anon[0:1] shared none")
    return parse("\n".join(lines), "<device>").devices[0]


def _reading(program: Program, source: str) -> Reading:
    """A reader positioned after the last line of *program*."""
    reading = Reading(source)
    reading.go_on(program)
    return reading


def _line(text: str, program: Program, source: str, wanted: str) -> Line:
    line = Line(text.rstrip("\n"), len(program.ops) + 1, source)
    if "\n" in line.raw:
        line.fail(f"this is more than one line: write {wanted}", 1)
    if not line.tokens and line.free is None:
        line.fail(f"nothing is written here: write {wanted}", 1)
    return line
