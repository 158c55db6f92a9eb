"""A program's call as a system call of the modelled kernel."""

from __future__ import annotations

import errno
from typing import NamedTuple

from pfnlab.errors import Defect, ModelledErrno
from pfnlab.hw.cachemode import CacheMode
from pfnlab.hw.entry import pte_present
from pfnlab.mm.fault import Signal, access
from pfnlab.mm.flags import prot_flags
from pfnlab.mm.kernel import Kernel, Task
from pfnlab.mm.madvise import do_madvise
from pfnlab.mm.mlock import do_mlock, do_mlockall, do_mseal, do_msync
from pfnlab.mm.mmap import do_mmap
from pfnlab.mm.mprotect import do_mprotect
from pfnlab.mm.mremap import Remap, do_mremap
from pfnlab.mm.unmap import Steps, do_munmap
from pfnlab.mm.users.devmem import DevMem
from pfnlab.mm.users.driver import DriverFile, DriverState
from pfnlab.mm.users.pci import PciBar
from pfnlab.mm.vma import MappedFile, Vma
from pfnlab.mm.walk import mincore, process_vm_readv
from pfnlab.mm.zap import unmap_mapping_range
from pfnlab.programs.ops import (
    Call,
    Exec,
    Exit,
    Fork,
    Ioremap,
    Iounmap,
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
    ReleaseMemRegion,
    RemapPfnRange,
    RequestMemRegion,
    Span,
    UnmapMappingRange,
    Write,
    ZapVmaPtes,
)
from pfnlab.programs.places import Places
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
        case Look():
            return Outcome(0)
        case Mremap():
            return _mremap(kernel, task, call, places)
        case Mincore(span=span):
            refused, digits = kernel.call(task, mincore(task.mm, *_pages(places, span)))
            return Outcome(refused, None if refused else str(digits))
    refused, _ = kernel.call(task, _steps(kernel, task, call, places))
    return Outcome(refused)


def _steps(kernel: Kernel, task: Task, call: Call, places: Places) -> Steps[None]:
    """The system call behind *call*, not yet run."""
    mm = task.mm
    match call:
        case Mmap():
            return _mmap(kernel, task, call, places)
        case Munmap(span=span):
            return do_munmap(mm, *_pages(places, span))
        case Mprotect(span=span, prot=prot):
            return do_mprotect(mm, *_pages(places, span), prot_flags(prot))
        case Madvise(span=span, advice=advice):
            return do_madvise(mm, *_pages(places, span), advice)
        case Mlock(span=span):
            return do_mlock(mm, *_pages(places, span), locked=True)
        case Munlock(span=span):
            return do_mlock(mm, *_pages(places, span), locked=False)
        case Mlockall():
            return do_mlockall(mm)
        case Msync(span=span):
            return do_msync(mm, *_pages(places, span))
        case Mseal(span=span):
            return do_mseal(mm, *_pages(places, span))
        case ProcessVmReadv(span=span):
            return process_vm_readv(mm, _pages(places, span)[0])
    return _driver_steps(kernel, task, call, places)


def _driver_steps(kernel: Kernel, task: Task, call: Call, places: Places) -> Steps[None]:
    """What only the driver can do, asked by *task*."""
    if kernel.driver is None:
        kernel.driver = DriverState()
    driver: DriverState = kernel.driver
    mm = task.mm
    match call:
        case ZapVmaPtes(span=span):
            start, end = _pages(places, span)
            return driver.zap(mm.vma_lookup(start), start, end)
        case UnmapMappingRange(span=span, keep_cows=keep):
            return unmap_mapping_range(
                kernel, lambda file: file.kind == "driver", _pfns(places, span), even_cows=not keep
            )
        case RemapPfnRange(span=span, mode=mode):
            start, end = _pages(places, span)
            return _remap(driver, mm.vma_lookup(start), start, end, mode)
        case RequestMemRegion(span=span):
            return driver.request_mem_region(kernel, _pfns(places, span))
        case ReleaseMemRegion():
            return driver.release_mem_region(kernel)
        case Ioremap(span=span, mode=mode):
            return driver.ioremap(kernel, _pfns(places, span), CacheMode.from_short(mode))
        case Iounmap():
            return driver.iounmap(kernel)
    raise Defect(f"no system call for {call!r}")


def _remap(driver: DriverState, vma: Vma | None, start: int, end: int, mode: str) -> Steps[None]:
    """The guest driver fills its own VMAs only, and refuses what would stop the kernel."""
    if vma is not None:
        if not isinstance(vma.file, DriverFile) or end > vma.end:
            raise ModelledErrno(errno.EINVAL)
        if any(pte_present(run.bits) for run in vma.mm.tables.runs(start, end)):
            raise ModelledErrno(errno.EBUSY)
    yield from driver.remap_pfn_range(vma, start, end, mode)


def _pages(places: Places, span: Span) -> tuple[int, int]:
    """The virtual pages of an area's span."""
    base, _ = places.areas[span.name]
    return base + span.start, base + span.end


def _pfns(places: Places, span: Span) -> PfnRange:
    """The page frames of a device's span."""
    base = places.devices[span.name].start
    return PfnRange(base + span.start, base + span.end)


def _mmap(kernel: Kernel, task: Task, call: Mmap, places: Places) -> Steps[None]:
    target = call.over or Span(call.name or "", 0, call.source.pages)
    file, pgoff = _file(kernel, call, places)
    return do_mmap(
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
    refused, at = kernel.call(task, do_mremap(task.mm, remap))
    return Outcome(refused) if refused else Outcome(0, "same" if at == start else "moved")


def _touch(kernel: Kernel, task: Task, span: Span, store: int | None, places: Places) -> Outcome:
    try:
        value = access(task.mm, _pages(places, span)[0], store)
    except Signal as signal:
        return Outcome(errno.EFAULT, str(signal))
    return Outcome(0, None if store is not None else value)
