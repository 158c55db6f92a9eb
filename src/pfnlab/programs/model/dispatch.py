"""A program's calls as system calls of the modelled kernel."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, NamedTuple, assert_never, get_args

from pfnlab.base.errors import Defect, ModelledErrno, machine_decides, no_rule
from pfnlab.base.units import PAGE_SHIFT, PHYSICAL_MASK, PfnRange
from pfnlab.kernel.hw.cachemode import CacheMode
from pfnlab.kernel.mm.fault import Signal, access
from pfnlab.kernel.mm.flags import prot_flags
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.mmap import do_mmap
from pfnlab.kernel.mm.more import aperture
from pfnlab.kernel.mm.more.clear_refs import clear_refs
from pfnlab.kernel.mm.more.lives import create_thread, execve, exit_group, fork
from pfnlab.kernel.mm.more.madvise import do_madvise, process_madvise
from pfnlab.kernel.mm.more.mempolicy import do_mbind
from pfnlab.kernel.mm.more.mlock import do_mlock, do_mlockall, do_mseal, do_msync, do_munlockall
from pfnlab.kernel.mm.more.mprotect import do_mprotect
from pfnlab.kernel.mm.more.oom_kill import process_mrelease
from pfnlab.kernel.mm.more.readers import mincore, status
from pfnlab.kernel.mm.more.remap_file import remap_file_pages
from pfnlab.kernel.mm.mremap import Remap, do_mremap
from pfnlab.kernel.mm.rlimit import do_setrlimit
from pfnlab.kernel.mm.shmem import ShmemFile, check_offsets_of_device
from pfnlab.kernel.mm.space import MmStruct
from pfnlab.kernel.mm.unmap import do_munmap
from pfnlab.kernel.mm.users.devmem import DevMem
from pfnlab.kernel.mm.users.driver import RAM_PFN, BareDriverFile, DriverFile, DriverState
from pfnlab.kernel.mm.users.own_pages import OwnPagesFile
from pfnlab.kernel.mm.users.pci import PciBar, PciDevice, found_again, plugged, unplugged
from pfnlab.kernel.mm.users.perf import open_event
from pfnlab.kernel.mm.users.second_file import ExportFile, StackFile
from pfnlab.kernel.mm.users.vfio import BAR_OFFSET, VfioDevice
from pfnlab.kernel.mm.vma import MappedFile
from pfnlab.kernel.mm.zap import END_OF_FILE, unmap_mapping_range
from pfnlab.programs.lang import device_ops, ops
from pfnlab.programs.lang.areas import VVAR
from pfnlab.programs.lang.process_ops import ProcessMadvise, ProcessMrelease, Setrlimit
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import ClearRefs, Mincore, ProcessVmReadv, Status, Walk
from pfnlab.programs.lang.words import NO_DEVICE
from pfnlab.programs.model.walking import process_vm_readv, status_text, walked
from pfnlab.programs.runs.observation import MOVED, SAME
from pfnlab.programs.runs.places import Places, without_contents

if TYPE_CHECKING:
    from typing_extensions import TypeIs

#: The number of frames that an entry can address.
_FRAMES = PHYSICAL_MASK + 1 >> PAGE_SHIFT

# Looking up a call's class costs as much as a single case.
_SYSTEM_CALLS = frozenset(get_args(ops.SystemCall))
_DRIVER_REQUESTS = frozenset(get_args(device_ops.DriverRequest))


class CallResult(NamedTuple):
    """The result of a call: its errno (0 for success), and its value if it has one."""

    errno: int
    value: int | str | None = None


def perform(kernel: Kernel, task: Task, call: ops.Call, places: Places) -> CallResult:
    """Run *call* as *task*, without reporting contents that depend on the machine."""
    done = _perform(kernel, task, call, places)
    return done if done.value is None else done._replace(value=without_contents(call, done.value, places))


def _is_system_call(call: ops.Call) -> TypeIs[ops.SystemCall]:
    return type(call) in _SYSTEM_CALLS


def _perform(kernel: Kernel, task: Task, call: ops.Call, places: Places) -> CallResult:
    if _is_system_call(call):
        return CallResult(*kernel.call(task, lambda: _system_call(kernel, task, call, places)))
    match call:
        case ops.Read(span=span) | ops.Write(span=span):
            return _touch(task, span, call.value if isinstance(call, ops.Write) else None, places)
        case ops.Fork(child=child):
            return CallResult(fork(kernel, task, child, call.refused))
        case ops.Exit() | ops.Kill():
            exit_group(kernel, task)
            return CallResult(0)
        case ops.Exec():
            execve(kernel, task)
            return CallResult(0)
        case ops.Thread(child=child):
            create_thread(kernel, task, child)
            return CallResult(0)
        case ops.Look():
            return CallResult(0)
        case ops.Release():
            raise Defect("a release is done by the machine that holds the processors")
        case Mincore(span=span):
            _, told = kernel.call(task, lambda: mincore(task.mm, *places.pages(span)))
            assert told is not None
            return CallResult(*told)


def _is_for_driver(call: ops.SystemCall) -> TypeIs[device_ops.DriverRequest]:
    return type(call) in _DRIVER_REQUESTS


def _system_call(kernel: Kernel, task: Task, call: ops.SystemCall, places: Places) -> int | str | None:
    """Make the system call for *call*.

    :return: its value, if it has one
    :raises ModelledErrno: if it fails
    """
    mm = task.mm
    if _is_for_driver(call):
        _ask_driver(kernel, task, call, places)
        return None
    match call:
        case ops.Mmap():
            _mmap(kernel, task, call, places)
        case ops.Munmap(span=span):
            do_munmap(mm, *places.pages(span))
        case ops.Mremap():
            return _mremap(mm, call, places)
        case ops.Mprotect(span=span, prot=prot):
            do_mprotect(mm, *places.pages(span), prot_flags(prot))
        case ops.PkeyMprotect(span=span, prot=prot, keyed=keyed):
            do_mprotect(mm, *places.pages(span), prot_flags(prot), keyed=keyed)
        case ops.Madvise(span=span, advice=advice):
            do_madvise(mm, *places.pages(span), advice)
        case ProcessMadvise(span=span, advice=advice, target=target):
            process_madvise(mm, kernel.tasks.get(target), *places.pages(span), advice)
        case ops.Mlock(span=span):
            do_mlock(mm, *places.pages(span), locked=True)
        case ops.Munlock(span=span):
            do_mlock(mm, *places.pages(span), locked=False)
        case ops.Mlockall():
            do_mlockall(mm)
        case ops.Munlockall():
            do_munlockall(mm)
        case ops.Msync(span=span):
            do_msync(mm, *places.pages(span))
        case ops.Mseal(span=span):
            do_mseal(mm, *places.pages(span))
        case ops.Mbind(span=span, policy=policy, move=move):
            do_mbind(mm, *places.pages(span), policy, move=move)
        case ops.RemapFilePages(span=span):
            check_offsets_of_device(mm, *places.pages(span))
            _check_offset(task, call, places)
            remap_file_pages(mm, *places.pages(span), _pgoff(call.via, call.source, places))
        case ops.ReadMemtypeList():
            kernel.book.debugfs()
        case device_ops.MemoryDisable(device=device) | device_ops.MemoryEnable(device=device):
            _vfio(kernel, places, device).set_memory(isinstance(call, device_ops.MemoryEnable))
        case device_ops.D3(device=device) | device_ops.D0(device=device):
            _vfio(kernel, places, device).set_power(asleep=isinstance(call, device_ops.D3))
        case device_ops.VfioReset(device=device):
            _vfio(kernel, places, device).reset()
        case device_ops.VfioClose(device=device):
            # The agent has the descriptor, and its calls are not part of an order.
            with kernel.trace.unseen(), kernel.as_init():
                _vfio(kernel, places, device).close()
        case (
            device_ops.Remove()
            | device_ops.Rescan()
            | device_ops.RescanMoved()
            | device_ops.Unplug()
            | device_ops.Plug()
        ):
            _slot(kernel, places, call.device, call)
        case device_ops.Bind(device=device):
            _pci(kernel, places, device).bind(kernel)
        case device_ops.Unbind(device=device):
            _pci(kernel, places, device).unbind(kernel)
        case device_ops.ArchPhysWcAdd():
            # A machine with PAT needs no MTRR, so nothing happens and there is no handle (S9.8).
            return 0
        case Walk():
            return walked(task, call, places)
        case ProcessVmReadv():
            return process_vm_readv(task, call, places)
        case ClearRefs(kind=kind):
            clear_refs(mm, kind)
        case ProcessMrelease(victim=victim, killed=killed):
            process_mrelease(kernel, victim, killed=killed)
        case Setrlimit(resource=resource, room=room):
            do_setrlimit(mm, resource, room)
        case Status():
            return status_text(status(mm))
        case _:
            assert_never(call)
    return None


def _check_offset(task: Task, call: ops.RemapFilePages, places: Places) -> None:
    """Check that the offset means the same on every machine in the mapping's file.

    :raises Undecided: if it does not
    """
    vma = task.mm.vma_lookup(places.pages(call.span)[0])
    file = None if vma is None else vma.file
    other_bar = isinstance(file, PciBar) and file.bar != places.devices[call.source.name]
    from_bar = call.via in ("wc", "uc") and file is not None and file.kind not in ("wc", "uc")
    if other_bar or from_bar:
        raise machine_decides(f"where {call.source} by {call.via} is in another file depends on the machine")


def _ask_driver(kernel: Kernel, task: Task, call: device_ops.DriverRequest, places: Places) -> None:
    """Make a call for *task* that only the driver can make."""
    if kernel.driver is None:
        kernel.driver = DriverState()
    driver: DriverState = kernel.driver
    match call:
        case device_ops.ZapVmaPtes(span=span):
            driver.zap(task.mm, *places.pages(span))
        case device_ops.UnmapMappingRange(span=span, keep_cows=keep, to_end=to_end):
            pages = _pfns(places, span)
            if to_end:
                pages = PfnRange(pages.start, END_OF_FILE)
            unmap_mapping_range(kernel, pages, "driver", even_cows=not keep)
        case device_ops.RemapPfnRange(span=span, mode=mode):
            driver.remap_pfn_range(task.mm, *places.pages(span), mode)
        case device_ops.RequestMemRegion(span=span):
            driver.request_mem_region(kernel, _pfns(places, span))
        case device_ops.ReleaseMemRegion():
            driver.release_mem_region(kernel)
        case device_ops.Ioremap(span=span, mode=mode):
            driver.ioremap(kernel, _pfns(places, span), CacheMode.from_short(mode))
        case device_ops.Iounmap():
            driver.let_go(kernel, "ioremap")
        case device_ops.Memremap(span=span, mode=mode):
            driver.memremap(kernel, _pfns(places, span), CacheMode.from_short(mode))
        case device_ops.Memunmap():
            driver.let_go(kernel, "memremap")
        case device_ops.IoMappingCreateWc(span=span):
            driver.io_mapping_create_wc(kernel, _pfns(places, span))
        case device_ops.IoMappingFree():
            driver.let_go(kernel, "io_mapping")
        case device_ops.ArchIoReserveMemtypeWc(span=span):
            aperture.arch_io_reserve_memtype_wc(kernel, _pfns(places, span))
        case device_ops.ArchIoFreeMemtypeWc(span=span):
            aperture.arch_io_free_memtype_wc(kernel, _pfns(places, span))
        case device_ops.SetMemory(span=span, mode=mode):
            aperture.set_memory(kernel, _pfns(places, span), CacheMode.from_short(mode))
        case device_ops.SetPagesArray(span=span, mode=mode):
            aperture.set_pages_array(kernel, _pfns(places, span), CacheMode.from_short(mode))
        case device_ops.MemremapPages(span=span, p2pdma=p2pdma):
            driver.memremap_pages(kernel, _pfns(places, span), p2pdma)
        case device_ops.MemunmapPages():
            driver.let_go(kernel, "memremap_pages")
        case _:
            assert_never(call)


def _vfio(kernel: Kernel, places: Places, device: str) -> VfioDevice:
    """The device, which the agent opens before the first operation on it."""
    if device not in kernel.vfio:
        pfns = places.devices[device]
        with kernel.as_init():
            kernel.vfio[device] = VfioDevice(kernel, places.whole or pfns, pfns)
    vfio: VfioDevice = kernel.vfio[device]
    return vfio


def _pci(kernel: Kernel, places: Places, device: str) -> PciDevice:
    """The device as of the last bus scan; a kernel that was booted without it scans now."""
    if device == device_ops.MOVED_BAR:
        device = next(iter(kernel.pci))
    pci: PciDevice = kernel.pci.setdefault(device, PciDevice(places.devices[device]))
    return pci


def _slot(kernel: Kernel, places: Places, name: str, call: device_ops.SlotCall) -> None:
    """Plug or unplug a device."""
    device = _pci(kernel, places, name)
    match call:
        case device_ops.Remove():
            device.remove(kernel)
        case device_ops.Unplug():
            # Kernel threads do this, and the program's tasks do not notice.
            with kernel.trace.unseen():
                if device.known:
                    device.remove(kernel)
                unplugged(kernel, device.bar)
        case device_ops.Plug():
            plugged(kernel, places.devices[name])
            kernel.pci[name] = found_again(kernel, places.devices[name])
        case device_ops.Rescan() | device_ops.RescanMoved() if not device.known:
            bar = places.devices[device_ops.MOVED_BAR if isinstance(call, device_ops.RescanMoved) else name]
            kernel.pci[name] = found_again(kernel, bar, device.bar)


def _pfns(places: Places, span: Span) -> PfnRange:
    """The page frames of a device's span."""
    base = RAM_PFN if span.name == device_ops.DRIVER_RAM else places.devices[span.name].start
    return PfnRange(base + span.start, base + span.end)


def _mmap(kernel: Kernel, task: Task, call: ops.Mmap, places: Places) -> None:
    target = call.over or Span(call.name or "", 0, call.source.pages)
    if call.driver is not None and _pgoff(call.via, call.source, places) + call.source.pages > _FRAMES:
        raise no_rule("frames past the end of physical addresses")
    do_mmap(
        task.mm,
        places.pages(target)[0],
        call.source.pages,
        prot_flags(call.prot),
        file=_file(kernel, task, call, places),
        pgoff=_pgoff(call.via, call.source, places),
        shared=call.shared,
        fixed=call.over is not None,
        locked=call.locked,
        populated=call.populate,
    )


def _pgoff(via: ops.Via, source: Span, places: Places) -> int:
    """The offset of *source* in a file, in pages, as that interface counts."""
    if via in NO_DEVICE:
        return 0
    if via == "vfio":
        return BAR_OFFSET + source.start
    return source.start if via in ("wc", "uc") else places.devices[source.name].start + source.start


def _file(kernel: Kernel, task: Task, call: ops.Mmap, places: Places) -> MappedFile | None:
    """The file for a mapping, opened for it."""
    via = call.via
    if via == "anon":
        if not call.shared:
            return None
        return ShmemFile(call.source.pages)
    if via == "perf":
        return open_event(kernel)
    if call.driver is not None and call.driver.how == "bare":
        return BareDriverFile(call.driver.mode)
    if call.driver is not None and call.driver.how in device_ops.OWN_PAGES:
        return OwnPagesFile(call.driver.how, call.driver.mode, _pgoff(via, call.source, places))
    if call.driver is not None:
        second = {"export": ExportFile, **dict.fromkeys(device_ops.STACKED, StackFile)}
        kind = second.get(call.driver.how, DriverFile)
        return kind(call.driver.how, call.driver.mode, call.driver.part or (0, 0))
    if via == "vfio":
        vfio = _vfio(kernel, places, call.source.name)
        if not vfio.open:
            raise ModelledErrno(errno.EBADF)
        return vfio
    if via in ("devmem", "devmem-sync"):
        return DevMem(via == "devmem-sync", kernel.profile.devmem_mmap_prepare)
    proc = via.startswith("proc-")
    pci = _pci(kernel, places, call.source.name)
    pci.open()
    # /proc/bus/pci has no fallocate wrapper that changed; since 6.19, sysfs files check the operation first.
    says_first = kernel.profile.fallocate_checks_op_first and not proc
    fallocate = errno.EOPNOTSUPP if says_first else errno.EFBIG
    revoked = kernel.profile.pci_files_revoked
    return PciBar(pci.bar, proc, via.endswith("wc"), fallocate, revoked, pci)


def _mremap(mm: MmStruct, call: ops.Mremap, places: Places) -> str:
    processors = mm.kernel.processors
    if call.span.name == VVAR and (processors.held or processors.place):
        raise no_rule("looking for vvar with a processor to be held")
    start, end = places.pages(call.span)
    target = call.over or (Span(call.name, 0, 0) if call.name is not None else None)
    remap = Remap(
        start,
        end - start,
        call.pages,
        maymove=call.maymove,
        fixed=call.fixed,
        dontunmap=call.dontunmap,
        to=places.pages(target)[0] if target else 0,
    )
    return SAME if do_mremap(mm, remap) == start else MOVED


def _touch(task: Task, span: Span, store: int | None, places: Places) -> CallResult:
    try:
        value = access(task.mm, task.tlb, places.pages(span)[0], store)
    except Signal as signal:
        return CallResult(errno.EFAULT, str(signal))
    return CallResult(0, None if store is not None else value)
