"""The kernel module that accompanies a program and acts as the driver; written for
maintainers reading a report.

It contains only the functions that the program needs: a misc device that maps physical memory and handles
requests, and a PCI driver if the program binds a driver to its device.
"""

from collections.abc import Iterator
from functools import cache
from importlib.resources import files

import msgspec

from pfnlab.base.inert import c_comment, c_string
from pfnlab.base.made import command
from pfnlab.base.toml_text import package_tables
from pfnlab.base.version import VERSION
from pfnlab.export.driver_requests import LETTER, DriverWork
from pfnlab.export.pieces import comment, function, with_needs
from pfnlab.export.subject import Subject
from pfnlab.programs.lang.device_ops import DriverMap, DriverMode
from pfnlab.programs.lang.printer import way_text

_LICENSE = "SPDX-License-Identifier: GPL-2.0-or-later"

#: The way in which its driver is loaded.
LOAD = "Load: insmod {module}.ko, and rmmod {module} when it is done"

#: Headers for the code generated here, but not for pieces.
_HEADERS = ("<linux/fs.h>", "<linux/miscdevice.h>", "<linux/module.h>")


class _Way(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A way of filling entries: one table in ``module/ways.toml``."""

    pieces: tuple[str, ...]
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
    names = [piece for way in work.ways for piece in _ways()[way.how].pieces]
    names += [piece for request in work.requests for piece in request.pieces]
    names += ["ram"] * work.own_pages + ["set_memory"] * work.own_pages + ["pci_driver"] * work.binds
    pieces = with_needs(dict.fromkeys(names), {}, "module")
    asks = ["<linux/uaccess.h>"] * work.has_arguments
    headers = sorted({*_HEADERS, *asks, *(header for piece in pieces for header in piece.includes)})
    own = f"#include {c_string(f'{module_name(subject)}.h')}"
    describes = c_string(f"What {subject.identifier}.c asks of a driver")
    parts = [
        _head(subject),
        "\n".join([*(f"#include {header}" for header in headers), "", own]),
        *(piece.text for piece in pieces if piece.text),
        *_device(work),
        *_loading(work, {piece.name for piece in pieces}),
        f'MODULE_LICENSE("GPL");\nMODULE_DESCRIPTION({describes});',
    ]
    return "\n\n".join(parts) + "\n"


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
