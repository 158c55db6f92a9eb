"""The work of a driver for a program: its ways to map, and the requests that the module beside it answers."""

from __future__ import annotations

import msgspec

from pfnlab.programs.lang.device_ops import (
    DRIVER_RAM,
    OWN_RAM,
    ArchIoFreeMemtypeWc,
    ArchIoReserveMemtypeWc,
    ArchPhysWcAdd,
    Bind,
    DriverMap,
    IoMappingCreateWc,
    IoMappingFree,
    Ioremap,
    IoremapMode,
    Iounmap,
    Memremap,
    MemremapPages,
    Memunmap,
    MemunmapPages,
    ReleaseMemRegion,
    RemapPfnRange,
    RequestMemRegion,
    SetMemory,
    SetPagesArray,
    Unbind,
    UnmapMappingRange,
    ZapVmaPtes,
)
from pfnlab.programs.lang.ops import Call, Mmap, Program

#: The letter of the requests' numbers, as the kernel's other drivers have one.
LETTER = "p"

#: The functions that an ioremap calls by its mode.
_IOREMAP: dict[IoremapMode, str] = {
    "uc-": "ioremap",
    "wc": "ioremap_wc",
    "wb": "ioremap_cache",
    "uc": "ioremap_uc",
    "wt": "ioremap_wt",
}

#: The modes of ``with_mode()`` in the module, and how a request ends that asks for them.
_MODES = {
    "asis": ("AS_IS", ""),
    "wc": ("WC", "_WC"),
    "uc-": ("UC_MINUS", "_UC_MINUS"),
    "wt": ("WT", "_WT"),
}


class ModuleRequest(msgspec.Struct, frozen=True):
    """A request to the module.

    :param name: of its ioctl, ``DRIVER_ZAP``
    :param answer: the expression that answers it, or a statement before ``return 0`` where ``plain``
    :param pieces: the pieces of the module that it calls
    :param plain: the kernel's function returns nothing
    """

    name: str
    answer: str
    pieces: tuple[str, ...] = ()
    plain: bool = False


def module_request(call: Call) -> ModuleRequest | None:
    """The request that does *call*; None where no request does."""
    match call:
        case ZapVmaPtes():
            return ModuleRequest("DRIVER_ZAP", "zap(ask.start, ask.len)", ("zap",))
        case UnmapMappingRange(keep_cows=keeps):
            unmap = f"unmap_mapping_range(file->f_mapping, ask.start, ask.len, {int(not keeps)})"
            return ModuleRequest("DRIVER_UNMAP" + "_KEEP_COWS" * keeps, unmap, plain=True)
        case RemapPfnRange(mode=mode):
            name, end = _MODES[mode]
            return ModuleRequest(
                f"DRIVER_REMAP{end}", f"remap_again(ask.start, ask.len, {name})", ("remap_again",)
            )
        case RequestMemRegion():
            return ModuleRequest("DRIVER_CLAIM", "claim(ask.start, ask.len)", ("claim",))
        case ReleaseMemRegion():
            return ModuleRequest("DRIVER_RELEASE", "release()", ("claim",), plain=True)
        case SetMemory(mode=mode):
            set_mode = f"set_memory_{mode}"
            answer = f"set_memory({set_mode}, ask.start, ask.len)"
            return ModuleRequest(f"DRIVER_{set_mode.upper()}", answer, ("set_memory",))
        case SetPagesArray(mode=mode):
            set_mode = f"set_pages_array_{mode}"
            answer = f"set_pages({set_mode}, ask.start, ask.len)"
            return ModuleRequest(f"DRIVER_{set_mode.upper()}", answer, ("set_pages",))
        case ArchPhysWcAdd():
            return ModuleRequest("DRIVER_PHYS_WC_ADD", "arch_phys_wc_add(ask.start, ask.len)", ("io",))
        case _:
            return _held(call)


def _held(call: Call) -> ModuleRequest | None:
    # What the module keeps until it is undone.
    match call:
        case Ioremap(mode=mode):
            function = _IOREMAP[mode]
            at = f"(void __force *){function}(ask.start, ask.len)"
            return _hold(f"DRIVER_{function.upper()}", "undo_ioremap", at)
        case Memremap(mode=mode):
            at = f"memremap(ask.start, ask.len, MEMREMAP_{mode.upper()})"
            return _hold(f"DRIVER_MEMREMAP_{mode.upper()}", "undo_memremap", at)
        case IoMappingCreateWc():
            return _hold("DRIVER_IO_MAPPING", "undo_io_mapping", "io_mapping_create_wc(ask.start, ask.len)")
        case ArchIoReserveMemtypeWc():
            return ModuleRequest("DRIVER_RESERVE_WC", "reserve_wc(ask.start, ask.len)", ("reserve_wc",))
        case ArchIoFreeMemtypeWc():
            return ModuleRequest("DRIVER_FREE_WC", "free_wc(ask.start, ask.len)", ("free_wc",), plain=True)
        case MemremapPages(p2pdma=peers):
            kind = "MEMORY_DEVICE_PCI_P2PDMA" if peers else "MEMORY_DEVICE_GENERIC"
            answer = f"hold_pages(ask.start, ask.len, {kind})"
            return ModuleRequest("DRIVER_MEMREMAP_PAGES" + "_P2PDMA" * peers, answer, ("memremap_pages",))
        case Iounmap():
            return _let_go("DRIVER_IOUNMAP", "undo_ioremap")
        case Memunmap():
            return _let_go("DRIVER_MEMUNMAP", "undo_memremap")
        case IoMappingFree():
            return _let_go("DRIVER_IO_MAPPING_FREE", "undo_io_mapping")
        case MemunmapPages():
            return _let_go("DRIVER_MEMUNMAP_PAGES", "undo_pages", "memremap_pages")
        case _:
            return None


def _hold(name: str, undo: str, at: str) -> ModuleRequest:
    return ModuleRequest(name, f"hold({undo}, ask.start, ask.len, {at})", (undo,))


def _let_go(name: str, undo: str, piece: str | None = None) -> ModuleRequest:
    return ModuleRequest(name, f"let_go({undo}, 0, 0)", (piece or undo,))


class DriverWork(msgspec.Struct, frozen=True):
    """All that a program asks of a driver.

    :param ways: how the driver maps, each way once
    :param requests: what it does on request, each once
    :param binds: it is bound to a device
    :param own_pages: it has pages of ordinary memory
    :param tells_pages: it says where these are, for requests that name them as any other memory
    """

    ways: tuple[DriverMap, ...]
    requests: tuple[ModuleRequest, ...]
    binds: bool
    own_pages: bool
    tells_pages: bool

    @classmethod
    def of(cls, program: Program) -> DriverWork:
        """The work of a driver for *program*; nothing of it where user space does all by itself."""
        calls = [op.call for op in program.ops]
        ways = dict.fromkeys(call.driver for call in calls if isinstance(call, Mmap) and call.driver)
        found = {request.name: request for call in calls if (request := module_request(call))}
        own = [call for call in calls if getattr(getattr(call, "span", None), "name", "") == DRIVER_RAM]
        return cls(
            tuple(ways),
            tuple(found.values()),
            binds=any(isinstance(call, Bind | Unbind) for call in calls),
            own_pages=bool(own) or any(way.how in OWN_RAM for way in ways),
            tells_pages=any(not isinstance(call, SetMemory | SetPagesArray) for call in own),
        )

    def __bool__(self) -> bool:
        return bool(self.ways or self.requests or self.binds)

    @property
    def asked(self) -> bool:
        """True where a request says what it is for: a range of bytes."""
        return bool(self.requests) or self.tells_pages

    @property
    def chooses(self) -> bool:
        """True where a file has to be told how it maps."""
        return len(self.ways) > 1
