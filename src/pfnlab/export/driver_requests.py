"""The driver's work for a program: its ways of mapping, and the requests that its kernel module handles."""

from __future__ import annotations

import msgspec

from pfnlab.export.pieces import pieces_called
from pfnlab.programs.lang import device_ops
from pfnlab.programs.lang.fields import Ending, Flag, Row, Shape, Word
from pfnlab.programs.lang.ops import Call, Mmap, Program
from pfnlab.programs.lang.words import ROWS, word_of

#: The letter used in the ioctl numbers, like the one other kernel drivers have.
LETTER = "p"

#: The ioremap function for each mode.
_IOREMAP: dict[device_ops.IoremapMode, str] = {
    **{"uc-": "ioremap", "wc": "ioremap_wc", "wb": "ioremap_cache", "uc": "ioremap_uc"},
    "wt": "ioremap_wt",
}

#: The modes of ``with_mode()`` in the module, and the ending of requests that use them.
_MODES = {"asis": ("AS_IS", ""), "wc": ("WC", "_WC"), "uc-": ("UC_MINUS", "_UC_MINUS"), "wt": ("WT", "_WT")}


class ModuleRequest(msgspec.Struct, frozen=True):
    """A request to the module.

    :param name: the name of its ioctl, e.g. ``DRIVER_ZAP``
    :param answer: the expression that answers it, or a statement before ``return 0`` if ``plain``
    :param pieces: the pieces of the module that it calls
    :param plain: True if the kernel function returns void
    """

    name: str
    answer: str
    pieces: tuple[str, ...] = ()
    plain: bool = False


#: A request to the module, as described in a row.
_RANGE = "ask.start, ask.len"


def module_request(call: Call) -> ModuleRequest | None:
    """The request for *call*, or None."""
    match call:
        case device_ops.UnmapMappingRange(keep_cows=keeps):
            unmap = f"unmap_mapping_range(file->f_mapping, {_RANGE}, {int(not keeps)})"
            return ModuleRequest("DRIVER_UNMAP" + "_KEEP_COWS" * keeps, unmap, plain=True)
        case device_ops.RemapPfnRange(mode=mode):
            name, end = _MODES[mode]
            return ModuleRequest(f"DRIVER_REMAP{end}", f"remap_again({_RANGE}, {name})", ("remap_again",))
        case device_ops.Ioremap(mode=mode):
            function = _IOREMAP[mode]
            at = f"(void __force *){function}({_RANGE})"
            answer = f"hold(undo_ioremap, {_RANGE}, {at})"
            return ModuleRequest(f"DRIVER_{function.upper()}", answer, ("undo_ioremap",))
    row = ROWS.get(type(call))
    return None if row is None or not row.wire.startswith("driver ") else _declared(call, row)


def _declared(call: Call, row: Row) -> ModuleRequest:
    """The request in a row: it is named as in the protocol, followed by the values of the other fields."""
    words, ends, verb = {"asked": _RANGE}, "", row.wire.split()[1].replace("-", "_")
    for name, field in zip(call.__struct_fields__, row.fields, strict=True):
        value = getattr(call, name)
        match field:
            case Ending():
                verb = words[name] = f"{word_of(type(call))}_{value}"
            case Word():
                words[name] = f"{field.c}{value.upper()}" if field.c else str(field.numbers[value])
                ends += f"_{value.replace('-', '_minus')}" if value != field.default else ""
            case Flag():
                words[name] = field.c[value]
                ends += f"_{field.word}" * value
    others = "".join(f", {{{name}}}" for name in words if name != "asked")
    asked = f"{{asked}}{others}" if row.fields else ""
    answer = (row.asks or f"{word_of(type(call))}({asked})").format_map(words)
    name = f"DRIVER_{verb}{ends}".upper()
    return ModuleRequest(name, answer.rstrip(";"), pieces_called(answer, "module"), answer.endswith(";"))


class DriverWork(msgspec.Struct, frozen=True):
    """Everything that the driver does for a program.

    :param ways: the driver's ways of mapping, each once
    :param requests: the requests it handles, each once
    :param binds: it binds to a device
    :param own_pages: it has pages of ordinary memory
    :param tells_pages: it reports the address of these pages, for requests that refer
        to them like other memory
    """

    ways: tuple[device_ops.DriverMap, ...]
    requests: tuple[ModuleRequest, ...]
    binds: bool
    own_pages: bool
    tells_pages: bool

    @classmethod
    def of(cls, program: Program) -> DriverWork:
        """The driver's work for *program*; empty if user space can do everything."""
        calls = [op.call for op in program.ops]
        ways = dict.fromkeys(call.driver for call in calls if isinstance(call, Mmap) and call.driver)
        found = {request.name: request for call in calls if (request := module_request(call))}
        own = [
            call
            for call in calls
            if getattr(getattr(call, "span", None), "name", "") == device_ops.DRIVER_RAM
        ]
        return cls(
            tuple(ways),
            tuple(found.values()),
            binds=any(isinstance(call, device_ops.Bind | device_ops.Unbind) for call in calls),
            own_pages=bool(own) or any(way.how in device_ops.OWN_RAM for way in ways),
            tells_pages=any(ROWS[type(call)].fields[0] is not Shape.OWN_PAGES for call in own),
        )

    def __bool__(self) -> bool:
        return bool(self.ways or self.requests or self.binds)

    @property
    def has_arguments(self) -> bool:
        """True if a request has an argument, which is a range of bytes."""
        return bool(self.requests) or self.tells_pages

    @property
    def chooses(self) -> bool:
        """True if a file must be told how to map."""
        return len(self.ways) > 1
