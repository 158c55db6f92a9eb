"""A kernel's memory and types as a single drgn program, on which all drgn functions work."""

from collections.abc import Collection, Mapping

from drgn import Architecture, BadDataError, FindObjectFlags, Object, Platform, Program

from pfnlab.lab.lens import LensError
from pfnlab.lab.lens.btf import Btf
from pfnlab.lab.lens.btf_drgn import BtfTypes
from pfnlab.lab.lens.kallsyms import read_kallsyms
from pfnlab.lab.lens.memory import MemorySource

#: Objects available by name, with their types, which BTF does not have.
OBJECTS = {
    "init_task": "struct task_struct",
    "init_pid_ns": "struct pid_namespace",
    "memtype_rbroot": "struct rb_root_cached",
    "page_offset_base": "unsigned long",
    "vmemmap_base": "unsigned long",
    "special_mapping_vmops": "struct vm_operations_struct",
}

#: The address at which the kernel's image is mapped (``__START_KERNEL_map``).
KERNEL_MAP = 0xFFFFFFFF80000000


def find_symbols(source: MemorySource, names: Collection[str] = tuple(OBJECTS)) -> dict[str, int]:
    """The run-time addresses of those symbols that are in the kernel's table; LensError if it is damaged."""
    image = KERNEL_MAP - source.info.number("phys_base")
    return read_kallsyms(lambda address, size: source.read(address - image, size), source.info, names)


def open_program(source: MemorySource, btf: Btf, symbols: Mapping[str, int]) -> Program:
    """A drgn program over *source*.

    :param btf: the types of its kernel
    :param symbols: run-time addresses; those in :data:`OBJECTS` are available as objects
    :raises LensError: if *source* contains no kernel
    """
    program = Program(Platform(Architecture.X86_64))
    try:
        program.set_linux_kernel_custom(source.info.text, source.live)
    except (BadDataError, ValueError) as trouble:
        raise LensError(f"{source.name}: drgn does not accept its VMCOREINFO: {trouble}") from trouble

    def read(address: int, count: int, offset: int, physical: bool) -> bytes:
        del offset, physical
        return source.read(address, count)

    for start, size in source.ranges():
        program.add_memory_segment(start, size, read, True)
    BtfTypes(program, btf).register()

    def find(program: Program, name: str, flags: FindObjectFlags, filename: str | None) -> Object | None:
        if filename:
            return None
        if flags & FindObjectFlags.VARIABLE and name in symbols and name in OBJECTS:
            return Object(program, program.type(OBJECTS[name]), address=symbols[name])
        if flags & FindObjectFlags.CONSTANT:
            value = btf.constants().get(name)
            if value is not None:
                return Object(program, program.int_type("long", 8, True), value)
        return None

    program.register_object_finder("symbols", find, enable_index=0)
    return program
