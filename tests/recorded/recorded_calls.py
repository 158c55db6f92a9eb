"""The verbs of recorded runs (S12) as operations of ours.

A recorded operation is ``ACTOR VERB ARGS`` on letters instead of areas. Which verbs wait for a later part of
pfnlab is in ``waiting.json``, one reason each.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

from pfnlab.programs.lang.device_ops import (
    DriverHow,
    DriverMap,
    DriverMode,
    Ioremap,
    IoremapMode,
    Iounmap,
    MemoryDisable,
    MemoryEnable,
    ReleaseMemRegion,
    RemapPfnRange,
    RequestMemRegion,
    UnmapMappingRange,
    VfioClose,
    VfioReset,
    ZapVmaPtes,
)
from pfnlab.programs.lang.fields import Shape
from pfnlab.programs.lang.ops import (
    MAIN_TASK,
    Call,
    Exec,
    Exit,
    Fork,
    ForkRefusal,
    Kill,
    Look,
    Madvise,
    Mlock,
    Mlockall,
    Mmap,
    Mprotect,
    Mremap,
    Mseal,
    Msync,
    Munlock,
    Munmap,
    Read,
    RemapFilePages,
    Via,
    Write,
)
from pfnlab.programs.lang.process_ops import ADVICE
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import Mincore, ProcessVmReadv, Status, Walk, Walker
from pfnlab.programs.lang.words import ROWS

#: The recorded device: one BAR, of which every case has a window of its own of so many pages (S12.1).
BAR = "bar"
BAR_PAGES = 16384
WINDOW_PAGES = 64

_WAITING = Path(__file__).with_name("waiting.json")

#: The value a touch writes when the case names none.
_WRITTEN = 0x5A5A5A5A

#: PCI_COMMAND_MEMORY.
_COMMAND_MEMORY = 0x2

_VIAS: dict[str, Via] = {
    "wc": "wc",
    "uc": "uc",
    "mem": "devmem",
    "memsync": "devmem-sync",
    "procwc": "proc-wc",
    "procuc": "proc-uc",
    "kdrv": "driver",
    "vfio": "vfio",
    "anon": "anon",
}


class Waiting(Exception):
    """A recorded operation has no counterpart yet.

    :param op: the recorded operation
    :param reason: the later capability it waits for
    """

    def __init__(self, op: str, reason: str) -> None:
        self.op = op
        self.reason = reason
        super().__init__(f"{op}: {reason}")


class Letters(dict[str, int]):
    """Pages of every letter's area so far, and the settings for operations to come.

    :ivar driver: the way the driver maps next, which an ioctl sets
    :ivar pids: the control group's pids.max, ``max`` or how many
    :ivar failed: how many forks were made to fail, whose children have no number
    """

    driver = DriverMap("remap")
    pids = "max"
    failed = 0


@cache
def waiting_reasons() -> dict[str, str]:
    """The verbs and modes that wait, each with the capability it waits for."""
    reasons: dict[str, str] = json.loads(_WAITING.read_text(encoding="utf-8"))
    return reasons


def task_name(actor: str) -> str:
    """The task of a recorded actor number."""
    return MAIN_TASK if actor == "0" else f"p{actor}"


def call_of(text: str, verb: str, args: list[str], letters: Letters) -> Call:
    """The operation that a recorded one stands for.

    :param text: all of it, for messages
    :raises Waiting: it waits for a later capability
    """
    reason = waiting_reasons().get(verb)
    if reason is not None:
        raise Waiting(text, reason)
    try:
        return _VERBS[verb](args, letters)
    except KeyError as unknown:
        reason = waiting_reasons().get(str(unknown.args[0]), "an operation pfnlab does not know")
        raise Waiting(text, reason) from None


def pages_of(text: str) -> Span:
    """The pages of a letter's area that an operation names, as ``0 pte A 2 4``."""
    return _span(Letters(), *text.split()[2:])


def _span(letters: Letters, letter: str, start: str, pages: str = "1") -> Span:
    """Pages of a letter's area; the area is made large enough to say them."""
    name = letter.lower()
    span = Span(name, int(start, 0), int(start, 0) + int(pages, 0))
    if not 0 <= span.start <= span.end <= BAR_PAGES:
        raise ValueError(f"{letter} {start} {pages}: no pages of the recorded BAR")
    letters[name] = max(letters.get(name, WINDOW_PAGES), span.end)
    return span


def _source(mode: str, start: str, pages: str) -> Span:
    if mode == "anon":
        return Span("anon", 0, int(pages))
    return Span(BAR, int(start), int(start) + int(pages))


def _map(args: list[str], letters: Letters) -> Call:
    letter, mode, sharing, start, pages, prot, *flags = args
    via = _VIAS[mode]
    _span(letters, letter, "0", pages)
    extra = flags[0] if flags else ""
    return Mmap(
        letter.lower(),
        _source(mode, start, pages),
        via,
        sharing == "S",
        _prot(prot),
        populate="p" in extra,
        locked="l" in extra,
        driver=letters.driver if via == "driver" else None,
    )


def _mapat(args: list[str], letters: Letters) -> Call:
    letter, at, mode, sharing, start, pages, prot = args
    over = _span(letters, letter, at, pages)
    return Mmap(None, _source(mode, start, pages), _VIAS[mode], sharing == "S", _prot(prot), over=over)


def _mremap(args: list[str], letters: Letters) -> Call:
    letter, at, old, new, flags, *to = args
    fixed = "F" in flags
    if fixed:
        _span(letters, to[0], "0", new)
    return Mremap(
        _span(letters, letter, at, old),
        int(new),
        maymove="M" in flags or fixed,
        fixed=fixed,
        dontunmap="D" in flags,
        name=to[0].lower() if fixed else None,
    )


def _madvise(args: list[str], letters: Letters) -> Call:
    letter, at, pages, advice = args
    if advice.lower() not in ADVICE:
        raise KeyError(advice)
    return Madvise(_span(letters, letter, at, pages), advice.lower())


def _touch(args: list[str], letters: Letters) -> Call:
    letter, at, kind, *value = args
    span = _span(letters, letter, at)
    if kind == "r":
        return Read(span)
    return Write(span, int(value[0], 0) if value else _WRITTEN)


def _prot(letters: str) -> str:
    return "".join(letter for letter in "rwx" if letter in letters) if letters != "none" else "none"


#: The recorded driver's kinds, modes and ioremap variants, by their numbers.
_DRIVER_HOW: tuple[DriverHow, ...] = (
    "remap",
    "fault",
    "part",
    "fault_prot",
    "mixed",
    "halves",
    "ram",
    "ram",
    "refuse",
)
_DRIVER_MODES: tuple[DriverMode, ...] = ("asis", "wc", "uc-")
_IOREMAP_MODES: tuple[IoremapMode, ...] = ("uc-", "wc", "wb", "uc")


def _ioctl(args: list[str], letters: Letters) -> Call:
    """A call of the recorded test driver."""
    number, *rest = args
    match number:
        case "0":
            how, mode, *part = (int(argument) for argument in rest)
            pages = (part[0], part[0] + part[1]) if len(part) == 2 else None
            letters.driver = DriverMap(_DRIVER_HOW[how], _DRIVER_MODES[mode], pages)
            return Look()
        case "1":
            return UnmapMappingRange(_device(rest), keep_cows=rest[2] == "0")
        case "2":
            return ZapVmaPtes(_span(letters, *rest))
        case "3":
            return RequestMemRegion(_device(rest))
        case "4":
            return ReleaseMemRegion()
        case "5":
            return Ioremap(_device(rest), _IOREMAP_MODES[int(rest[2])])
        case "6":
            return Iounmap()
        case "8":
            return RemapPfnRange(_span(letters, *rest), letters.driver.mode)
    raise KeyError(f"ioctl {number}")


def _device(args: list[str]) -> Span:
    """``bar+2 pg4``: four pages of the BAR from the second one."""
    start = int(args[0].removeprefix("bar"))
    return Span(BAR, start, start + int(args[1].removeprefix("pg"), 0))


def _command(args: list[str], letters: Letters) -> Call:
    """Write the command register; of its bits only that of memory space changed in recordings."""
    return MemoryEnable(BAR) if int(args[0]) & _COMMAND_MEMORY else MemoryDisable(BAR)


def _fork(args: list[str], letters: Letters) -> Call:
    return Fork(task_name(args[0]), None if letters.pids == "max" else "pids_max")


def _failing_fork(refused: ForkRefusal) -> Callable[[list[str], Letters], Call]:
    def fork(args: list[str], letters: Letters) -> Call:
        letters.failed += 1
        return Fork(f"x{letters.failed}", refused)

    return fork


def _pids(args: list[str], letters: Letters) -> Call:
    """The limit of the control group that the actor is in."""
    letters.pids = args[0]
    return Look()


def _remap_file_pages(args: list[str], letters: Letters) -> Call:
    """The file offset counts from the window, in a resource file, or in physical memory."""
    letter, at, pages, pgoff, *physical = args
    source = Span(BAR, int(pgoff), int(pgoff) + int(pages))
    return RemapFilePages(_span(letters, letter, at, pages), source, "devmem" if physical else "wc")


def _walk(walker: Walker, value: int | None = None) -> Callable[[list[str], Letters], Call]:
    return lambda args, letters: Walk(walker, _span(letters, *args), value)


def _ranged(make: Callable[[Span], Call]) -> Callable[[list[str], Letters], Call]:
    return lambda args, letters: make(_span(letters, *args))


def _without_more(kind: type[Call]) -> Callable[[list[str], Letters], Call]:
    """An operation that has no other field than the range or the device it is for."""
    make: Callable[..., Call] = kind
    match ROWS[kind].fields:
        case (Shape.RANGE,):
            return _ranged(make)
        case (Shape.DEVICE,):
            return lambda args, letters: make(BAR)
    return lambda args, letters: make()


#: Operations without words of their own, by the recorded verb.
_PLAIN: dict[str, type[Call]] = {
    "unmap": Munmap,
    "mlock": Mlock,
    "munlock": Munlock,
    "msync": Msync,
    "mseal": Mseal,
    "mincore": Mincore,
    "vfioreset": VfioReset,
    "vfioclose": VfioClose,
    "mlockall": Mlockall,
    "exec": Exec,
    "exit": Exit,
    "kill": Kill,
    "vmrss": Status,
}

_VERBS: dict[str, Callable[[list[str], Letters], Call]] = {
    **{verb: _without_more(kind) for verb, kind in _PLAIN.items()},
    "map": _map,
    "mapat": _mapat,
    "mprotect": lambda args, letters: Mprotect(_span(letters, *args[:3]), _prot(args[3])),
    "madvise": _madvise,
    "mremap": _mremap,
    "touch": _touch,
    "fork": _fork,
    "forksettid": _failing_fork("set_tid"),
    "forkcommit": _failing_fork("overcommit_memory"),
    "cgjoin": lambda args, letters: Look(),
    "cgpids": _pids,
    "ioctl": _ioctl,
    "vfiocmd": _command,
    "pvr": lambda args, letters: ProcessVmReadv(_span(letters, *args)),
    "pvw": _walk("process_vm_writev", _WRITTEN),
    "memread": _walk("mem_read"),
    "memwrite": _walk("mem_write", _WRITTEN),
    "wr": _walk("pipe_write"),
    "vmsplice": _walk("vmsplice"),
    "futex": _walk("futex_wake"),
    "uffd": _walk("userfaultfd"),
    "pagemap": _walk("pagemap"),
    "movepages": _walk("move_pages"),
    "rfp": _remap_file_pages,
    # These only observe, as every step of ours does.
    **dict.fromkeys(("pte", "smaps"), _ranged(lambda pages: Look())),
    "maps": lambda args, letters: Look(),
}
