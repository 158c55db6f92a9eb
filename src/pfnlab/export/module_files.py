"""The kernel module that accompanies a program and acts as the driver; written for
maintainers reading a report.

It contains only the functions that the program needs: a misc device that maps physical memory and handles
requests, and a PCI driver if the program binds a driver to its device.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

import msgspec

from pfnlab.base.inert import c_comment, c_string
from pfnlab.base.made import command
from pfnlab.base.toml_text import package_tables
from pfnlab.base.version import VERSION
from pfnlab.export.pieces import comment, function, pieces_called, with_needs
from pfnlab.export.subject import Subject
from pfnlab.programs.lang import device_ops
from pfnlab.programs.lang.device_ops import DriverMap, DriverMode
from pfnlab.programs.lang.fields import Ending, Flag, Row, Shape, Word
from pfnlab.programs.lang.ops import Call, Mmap, Program
from pfnlab.programs.lang.printer import way_text
from pfnlab.programs.lang.words import ROWS, word_of

_LICENSE = "SPDX-License-Identifier: GPL-2.0-or-later"

#: The way in which its driver is loaded.
LOAD = "Load: insmod {module}.ko, and rmmod {module} when it is done"

#: Headers for the code generated here, but not for pieces.
_HEADERS = ("<linux/fs.h>", "<linux/miscdevice.h>", "<linux/module.h>")


class _Way(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A way of filling entries: one table in ``module/ways.toml``."""

    answer: str
    operations: str = ""


@cache
def _ways() -> dict[str, _Way]:
    return package_tables(__package__, "module/ways.toml", dict[str, _Way])


def _file(name: str) -> str:
    return files("pfnlab.export").joinpath("module", name).read_text(encoding="utf-8")


#: The driver's change to the mode in vm_page_prot, which starts out as write-back.
_PROT: dict[DriverMode, str] = {
    "wc": "pgprot_writecombine",
    "uc-": "pgprot_noncached",
    "wt": "pgprot_writethrough",
}

#: Each of the driver's own pages has its own reference count.
_FREE_RAM = "free_pages_exact(page_address(ram), RAM_PAGES * PAGE_SIZE);"


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
    :param plain: True if the kernel function returns void
    """

    name: str
    answer: str
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
            return ModuleRequest(f"DRIVER_REMAP{end}", f"remap_again({_RANGE}, {name})")
        case device_ops.Ioremap(mode=mode):
            function = _IOREMAP[mode]
            answer = f"hold(undo_ioremap, {_RANGE}, (void __force *){function}({_RANGE}))"
            return ModuleRequest(f"DRIVER_{function.upper()}", answer)
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
    return ModuleRequest(name, answer.rstrip(";"), answer.endswith(";"))


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


def module_name(subject: Subject) -> str:
    """The name of the module, and of its files, device and PCI driver."""
    return f"{subject.identifier}_driver"


def module_files(subject: Subject, work: DriverWork) -> dict[str, str]:
    """The module's source, the header that it shares with the program, and a ``Makefile`` for both."""
    name = module_name(subject)
    return {
        f"{name}.c": _source(subject, work),
        f"{name}.h": _header(subject, work),
        "Makefile": _file("Makefile.in").format(license=_LICENSE, module=name, program=subject.identifier),
    }


def _header(subject: Subject, work: DriverWork) -> str:
    name = module_name(subject)
    guard = f"{name.upper()}_H"
    lines = [f"/* {_LICENSE} */", f"/* What {c_comment(subject.identifier)}.c asks of its driver. */"]
    lines += [f"#ifndef {guard}", f"#define {guard}", ""]
    if work.has_arguments or work.chooses:
        lines += ["#include <linux/ioctl.h>"] + ["#include <linux/types.h>"] * work.has_arguments + [""]
    lines += [f"#define DRIVER_NAME {c_string(name)}", '#define DRIVER_DEVICE "/dev/" DRIVER_NAME', ""]
    if work.has_arguments:
        lines += ["/* Bytes of physical memory, or of the process that asks. */"]
        lines += ["struct driver_request {", "\t__u64 start, len;", "};", ""]
    numbers = [f"#define {request.name} {_number('_IOW', i)}" for i, request in enumerate(work.requests, 2)]
    if work.chooses:
        numbers.insert(0, f"#define DRIVER_WAY _IO('{LETTER}', 0) /* how the file maps */")
    if work.tells_pages:
        numbers.insert(0, f"#define DRIVER_RAM {_number('_IOR', 1)} /* where the driver's own pages are */")
    return "\n".join([*lines, *numbers, *([""] if numbers else []), "#endif", ""])


def _number(direction: str, number: int) -> str:
    return f"{direction}('{LETTER}', {number}, struct driver_request)"


def _source(subject: Subject, work: DriverWork) -> str:
    device = [*_device(work)]
    loading = [*_loading(work, {piece.name for piece in with_needs(_used(device), {}, "module")})]
    pieces = with_needs(_used([*device, *loading]), {}, "module")
    asks = ["<linux/uaccess.h>"] * work.has_arguments
    headers = sorted({*_HEADERS, *asks, *(header for piece in pieces for header in piece.includes)})
    own = f"#include {c_string(f'{module_name(subject)}.h')}"
    describes = c_string(f"What {subject.identifier}.c asks of a driver")
    parts = [
        _head(subject),
        "\n".join([*(f"#include {header}" for header in headers), "", own]),
        *(piece.text for piece in pieces if piece.text),
        *device,
        *loading,
        f'MODULE_LICENSE("GPL");\nMODULE_DESCRIPTION({describes});',
    ]
    return "\n\n".join(parts) + "\n"


def _used(parts: list[str]) -> tuple[str, ...]:
    return pieces_called("\n".join(parts), "module")


def _head(subject: Subject) -> str:
    name = module_name(subject)
    lines = [
        f"The driver of {subject.identifier}.c: it does what no system call does.",
        "",
        "Build: make, or make KDIR=HEADERS",
        LOAD.format(module=name),
        "It gives root any physical page: load it for that program alone, on a machine that may crash.",
        f"pfnlab {VERSION} made it ({command() or 'as a library'}).",
    ]
    return f"// {_LICENSE}\n{comment(lines)}"


def _device(work: DriverWork) -> Iterator[str]:
    # The functions of the misc device, and the device itself.
    fields = [".owner = THIS_MODULE,"]
    if work.ways:
        yield function("static int driver_mmap(struct file *file, struct vm_area_struct *vma)", _mmap(work))
        fields.append(".mmap = driver_mmap,")
    if work.has_arguments or work.chooses:
        head = "static long driver_ioctl(struct file *file, unsigned int command, unsigned long argument)"
        yield function(head, _ioctl(work))
        fields.append(".unlocked_ioctl = driver_ioctl,")
    inner = "\n".join(f"\t{field}" for field in fields)
    yield f"static const struct file_operations driver_operations = {{\n{inner}\n}};"
    yield (
        "static struct miscdevice driver_device = {\n\t.minor = MISC_DYNAMIC_MINOR,\n\t.name = DRIVER_NAME,\n"
        "\t.fops = &driver_operations,\n\t.mode = 0600,\n};"
    )


def _mmap(work: DriverWork) -> list[str]:
    if not work.chooses:
        return _way(work.ways[0])
    lines = ["switch ((unsigned long)file->private_data) {"]
    for number, way in enumerate(work.ways):
        lines += [f"case {number}: /* {c_comment(way_text(way))} */", *(f"\t{line}" for line in _way(way))]
    return [*lines, "default:", "\treturn -EINVAL;", "}"]


def _way(way: DriverMap) -> list[str]:
    found = _ways()[way.how]
    start, end = way.part or (0, 0)
    lines = [f"vma->vm_ops = &{found.operations};"] * bool(found.operations)
    if mode := _PROT.get(way.mode):
        lines.append(f"vma->vm_page_prot = {mode}(vma->vm_page_prot);")
    answer = found.answer.format(start=f"{start} * PAGE_SIZE", length=f"{end - start} * PAGE_SIZE")
    return [*lines, f"return {answer};"]


def _ioctl(work: DriverWork) -> list[str]:
    lines = []
    if work.has_arguments:
        lines += ["struct driver_request ask;", ""]
    if work.chooses:
        lines += [
            "if (command == DRIVER_WAY) {",
            "\tfile->private_data = (void *)argument;",
            "\treturn 0;",
            "}",
        ]
    if work.tells_pages:
        lines += ["if (command == DRIVER_RAM) {"]
        lines += ["\task = (struct driver_request){"]
        lines += ["\t\t.start = page_to_phys(ram), .len = RAM_PAGES * PAGE_SIZE,", "\t};"]
        lines += ["\treturn copy_to_user((void __user *)argument, &ask, sizeof(ask)) ? -EFAULT : 0;", "}"]
    if work.requests:
        lines += ["if (copy_from_user(&ask, (void __user *)argument, sizeof(ask)))", "\treturn -EFAULT;"]
        lines += ["switch (command) {"]
        for request in work.requests:
            done = [f"{request.answer};", "return 0;"] if request.plain else [f"return {request.answer};"]
            lines += [f"case {request.name}:", *(f"\t{line}" for line in done)]
        return [*lines, "default:", "\treturn -ENOTTY;", "}"]
    return [*lines, "return -ENOTTY;"]


def _loading(work: DriverWork, pieces: set[str]) -> Iterator[str]:
    # Initialization in order, each step with its undo. The device comes last because it may
    # be opened from then on.
    ends = ["while (!let_go(NULL, 0, 0))", "\t;"] * ("held" in pieces) + ["release();"] * ("claim" in pieces)
    if work.own_pages:
        # A reservation has changed the direct map even if it has been freed again.
        ends += ["set_memory(set_memory_wb, 0, RAM_PAGES * PAGE_SIZE);"]
        ends += [_FREE_RAM]
    if not ends and not work.binds:
        yield "module_misc_device(driver_device);"
        return
    lines = ["void *pages;"] * work.own_pages + ["int error;", ""]
    undo = [_FREE_RAM] * work.own_pages
    if work.own_pages:
        lines += ["pages = alloc_pages_exact(RAM_PAGES * PAGE_SIZE, GFP_KERNEL | __GFP_ZERO);"]
        lines += ["if (!pages)", "\treturn -ENOMEM;", "ram = virt_to_page(pages);"]
    if work.binds:
        lines += ["error = pci_register_driver(&pci_driver);", "if (error)", "\tgoto no_driver;"]
    lines += ["error = misc_register(&driver_device);", "if (error)", "\tgoto no_device;", "return 0;", ""]
    text = function("static int __init load_driver(void)", [*lines, *_undone(work, undo)])
    # Labels start at the beginning of a line.
    yield text.replace("\n\tno_", "\nno_")
    first = ["misc_deregister(&driver_device);"]
    first += ["pci_unregister_driver(&pci_driver);"] * work.binds
    yield function("static void __exit unload_driver(void)", [*first, *ends])
    yield "module_init(load_driver);\nmodule_exit(unload_driver);"


def _undone(work: DriverWork, undo: list[str]) -> list[str]:
    lines = ["no_device:"]
    if work.binds:
        lines += ["pci_unregister_driver(&pci_driver);", "no_driver:"]
    return [*lines, *undo, "return error;"]
