"""A program's call as a system call of the modelled kernel."""

from __future__ import annotations

import errno
from typing import NamedTuple

from pfnlab.errors import Defect, ModelledErrno
from pfnlab.hw.cachemode import CacheMode
from pfnlab.mm.aperture import arch_io_free_memtype_wc, arch_io_reserve_memtype_wc, set_memory
from pfnlab.mm.fault import Signal, access
from pfnlab.mm.flags import prot_flags
from pfnlab.mm.kernel import Kernel, Task
from pfnlab.mm.madvise import do_madvise
from pfnlab.mm.mlock import do_mlock, do_mlockall, do_mseal, do_msync
from pfnlab.mm.mmap import do_mmap
from pfnlab.mm.mprotect import do_mprotect
from pfnlab.mm.mremap import Remap, do_mremap
from pfnlab.mm.unmap import do_munmap
from pfnlab.mm.users.devmem import DevMem
from pfnlab.mm.users.driver import RAM_PFN, DriverFile, DriverState
from pfnlab.mm.users.pci import PciBar
from pfnlab.mm.users.vfio import BAR_OFFSET, VfioDevice
from pfnlab.mm.vma import MappedFile
from pfnlab.mm.walk import mincore, process_vm_readv
from pfnlab.mm.zap import unmap_mapping_range
from pfnlab.programs.driver_calls import (
    DRIVER_RAM,
    ArchIoFreeMemtypeWc,
    ArchIoReserveMemtypeWc,
    ArchPhysWcAdd,
    IoMappingCreateWc,
    IoMappingFree,
    Ioremap,
    Iounmap,
    MemoryDisable,
    MemoryEnable,
    Memremap,
    MemremapPages,
    Memunmap,
    MemunmapPages,
    ReleaseMemRegion,
    RemapPfnRange,
    RequestMemRegion,
    SetMemory,
    UnmapMappingRange,
    VfioClose,
    ZapVmaPtes,
)
from pfnlab.programs.ops import (
    Call,
    Exec,
    Exit,
    Fork,
    Kill,
    Look,
    Madvise,
    Mincore,
    Mlock,
    Mlockall,
    Mmap,
    Mprotect,
    Mremap,
    Mseal,
    Msync,
    Munlock,
    Munmap,
    ProcessVmReadv,
    Read,
    ReadMemtypeList,
    Thread,
    Write,
)
from pfnlab.programs.places import Places
from pfnlab.programs.span import Span
from pfnlab.units import PfnRange


class Outcome(NamedTuple):
    """What a call gave back: errno, 0 for success, and a value where there is one."""

    errno: int
    value: int | str | None = None


def perform(kernel: Kernel, task: Task, call: Call, places: Places) -> Outcome:
    """Run *call* as *task*."""
    match call:
        case Read(span=span) | Write(span=span):
            return _touch(kernel, task, span, call.value if isinstance(call, Write) else None, places)
        case Fork(child=child):
            return Outcome(kernel.fork(task, child))
        case Exit() | Kill():
            kernel.exit(task)
            return Outcome(0)
        case Exec():
            kernel.execve(task)
            return Outcome(0)
        case Thread(child=child):
            kernel.thread(task, child)
            return Outcome(0)
        case Look():
            return Outcome(0)
        case ArchPhysWcAdd():
            # Whoever has the PAT needs no MTRR: nothing happens, and there is no handle (S9.8).
            return Outcome(0, 0)
        case Mremap():
            return _mremap(kernel, task, call, places)
        case Mincore(span=span):
            refused, digits = kernel.call(task, lambda: mincore(task.mm, *_pages(places, span)))
            return Outcome(refused, None if refused else str(digits))
    refused, _ = kernel.call(task, lambda: _system_call(kernel, task, call, places))
    return Outcome(refused)


def _system_call(kernel: Kernel, task: Task, call: Call, places: Places) -> None:
    """Make the system call behind *call*.

    :raises ModelledErrno: what it answers
    """
    mm = task.mm
    match call:
        case Mmap():
            _mmap(kernel, task, call, places)
        case Munmap(span=span):
            do_munmap(mm, *_pages(places, span))
        case Mprotect(span=span, prot=prot):
            do_mprotect(mm, *_pages(places, span), prot_flags(prot))
        case Madvise(span=span, advice=advice):
            do_madvise(mm, *_pages(places, span), advice)
        case Mlock(span=span):
            do_mlock(mm, *_pages(places, span), locked=True)
        case Munlock(span=span):
            do_mlock(mm, *_pages(places, span), locked=False)
        case Mlockall():
            do_mlockall(mm)
        case Msync(span=span):
            do_msync(mm, *_pages(places, span))
        case Mseal(span=span):
            do_mseal(mm, *_pages(places, span))
        case ProcessVmReadv(span=span):
            process_vm_readv(mm, _pages(places, span)[0])
        case ReadMemtypeList():
            kernel.book.debugfs()
        case MemoryDisable(device=device) | MemoryEnable(device=device):
            _vfio(kernel, places, device).set_memory(isinstance(call, MemoryEnable))
        case VfioClose(device=device):
            # The agent has the descriptor, and what the agent does is no part of an order.
            with kernel.trace.unseen():
                _vfio(kernel, places, device).close()
        case _:
            _ask_driver(kernel, task, call, places)


def _ask_driver(kernel: Kernel, task: Task, call: Call, places: Places) -> None:
    """What only the driver can do, asked by *task*."""
    if kernel.driver is None:
        kernel.driver = DriverState()
    driver: DriverState = kernel.driver
    match call:
        case ZapVmaPtes(span=span):
            driver.zap(task.mm, *_pages(places, span))
        case UnmapMappingRange(span=span, keep_cows=keep):
            unmap_mapping_range(kernel, _pfns(places, span), "driver", even_cows=not keep)
        case RemapPfnRange(span=span, mode=mode):
            driver.remap_pfn_range(task.mm, *_pages(places, span), mode)
        case RequestMemRegion(span=span):
            driver.request_mem_region(kernel, _pfns(places, span))
        case ReleaseMemRegion():
            driver.release_mem_region(kernel)
        case Ioremap(span=span, mode=mode):
            driver.ioremap(kernel, _pfns(places, span), CacheMode.from_short(mode))
        case Iounmap():
            driver.let_go(kernel, "ioremap")
        case Memremap(span=span, mode=mode):
            driver.memremap(kernel, _pfns(places, span), CacheMode.from_short(mode))
        case Memunmap():
            driver.let_go(kernel, "memremap")
        case IoMappingCreateWc(span=span):
            driver.io_mapping_create_wc(kernel, _pfns(places, span))
        case IoMappingFree():
            driver.let_go(kernel, "io_mapping")
        case ArchIoReserveMemtypeWc(span=span):
            arch_io_reserve_memtype_wc(kernel, _pfns(places, span))
        case ArchIoFreeMemtypeWc(span=span):
            arch_io_free_memtype_wc(kernel, _pfns(places, span))
        case SetMemory(span=span, mode=mode):
            set_memory(kernel, _pfns(places, span), CacheMode.from_short(mode))
        case MemremapPages(span=span, p2pdma=p2pdma):
            driver.memremap_pages(kernel, _pfns(places, span), p2pdma)
        case MemunmapPages():
            driver.let_go(kernel, "memremap_pages")
        case _:
            raise Defect(f"no system call for {call!r}")


def _vfio(kernel: Kernel, places: Places, device: str) -> VfioDevice:
    """The device, which is opened for the first operation on it."""
    if device not in kernel.vfio:
        pfns = places.devices[device]
        kernel.vfio[device] = VfioDevice(kernel, places.whole or pfns, pfns)
    opened: VfioDevice = kernel.vfio[device]
    return opened


def close_files(kernel: Kernel) -> None:
    """No task is left: what the agent held open for them is closed."""
    for device in kernel.vfio.values():
        if device.open:
            with kernel.trace.unseen():
                device.close()


def _pages(places: Places, span: Span) -> tuple[int, int]:
    """The virtual pages of an area's span."""
    base, _ = places.areas[span.name]
    return base + span.start, base + span.end


def _pfns(places: Places, span: Span) -> PfnRange:
    """The page frames of a device's span."""
    base = RAM_PFN if span.name == DRIVER_RAM else places.devices[span.name].start
    return PfnRange(base + span.start, base + span.end)


def _mmap(kernel: Kernel, task: Task, call: Mmap, places: Places) -> None:
    target = call.over or Span(call.name or "", 0, call.source.pages)
    file, pgoff = _file(kernel, call, places)
    do_mmap(
        task.mm,
        _pages(places, target)[0],
        call.source.pages,
        prot_flags(call.prot),
        file=file,
        pgoff=pgoff,
        shared=call.shared,
        fixed=call.over is not None,
        locked=call.locked,
        populated=call.populate,
    )


def _file(kernel: Kernel, call: Mmap, places: Places) -> tuple[MappedFile | None, int]:
    """The file a mapping is made of, and the offset into it in pages."""
    if call.via == "anon":
        return None, 0
    device = places.devices[call.source.name]
    if call.driver is not None:
        how = call.driver
        return DriverFile(how.how, how.mode, how.part or (0, 0)), device.start + call.source.start
    if call.via == "vfio":
        opened = _vfio(kernel, places, call.source.name)
        if not opened.open:
            raise ModelledErrno(errno.EBADF)
        return opened, BAR_OFFSET + call.source.start
    if call.via in ("devmem", "devmem-sync"):
        prepare = kernel.profile.devmem_mmap_prepare
        return DevMem(call.via == "devmem-sync", prepare), device.start + call.source.start
    proc = call.via.startswith("proc-")
    # /proc/bus/pci has no fallocate wrapper that changed; sysfs files learned to say so first in 6.19.
    says_first = kernel.profile.fallocate_checks_op_first and not proc
    fallocate = errno.EOPNOTSUPP if says_first else errno.EFBIG
    file = PciBar(device, proc, call.via.endswith("wc"), fallocate)
    return file, call.source.start + (device.start if proc else 0)


def _mremap(kernel: Kernel, task: Task, call: Mremap, places: Places) -> Outcome:
    start, end = _pages(places, call.span)
    target = call.over or (Span(call.name, 0, 0) if call.name is not None else None)
    remap = Remap(
        start,
        end - start,
        call.pages,
        maymove=call.maymove,
        fixed=call.fixed,
        dontunmap=call.dontunmap,
        to=_pages(places, target)[0] if target else 0,
    )
    refused, at = kernel.call(task, lambda: do_mremap(task.mm, remap))
    return Outcome(refused) if refused else Outcome(0, "same" if at == start else "moved")


def _touch(kernel: Kernel, task: Task, span: Span, store: int | None, places: Places) -> Outcome:
    try:
        value = access(task.mm, task.tlb, _pages(places, span)[0], store)
    except Signal as signal:
        return Outcome(errno.EFAULT, str(signal))
    return Outcome(0, None if store is not None else value)
