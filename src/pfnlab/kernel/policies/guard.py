"""The guard around a user-defined policy, which checks each call for effects that the
seam's protocol forbids.

Program runs guard the policies of their kernels; searches guard only the first of many similar steps. A
tracker may write the memtype list, but not page tables or VMAs. A flush placement may flush, but may
write none of these. A walker must not write anything. The protocol also defines which methods may
refuse, and what they return. Calls are recorded so that two runs of a program can be compared, because a
policy must be deterministic.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from pfnlab.base.errors import ModelledErrno, PolicyError, Undecided, errno_name
from pfnlab.base.own_code import own_mistakes
from pfnlab.kernel.mm.flags import VM_PAT
from pfnlab.kernel.mm.gather import MmuGather
from pfnlab.kernel.mm.kernel import Kernel
from pfnlab.kernel.mm.locks import RwLock
from pfnlab.kernel.mm.space import TASK_PAGES, MmStruct
from pfnlab.kernel.mm.table_locks import TableLocks
from pfnlab.kernel.mm.vma import Vma
from pfnlab.kernel.policies.own import RETURNS, hooks_of

#: Methods that may raise ModelledErrno; after any other, the kernel could no longer back out.
_REFUSES = (
    *("remap_pfn_range", "memremap_pages", "vmf_insert_pfn", "may_split", "vm_area_dup"),
    *("vma_prepare", "copy_page_range", "zap_page_range_single"),
)

#: The parts of a kernel that exist from boot on.
_PARTS = (
    *("profile", "platform", "trace", "processors", "book", "tracker", "flushes", "walkers"),
    *("memory", "tasks", "i_mmap", "mlock_batch"),
)

#: The seams whose policies may write the memtype list.
_WRITES_BOOK = ("tracker",)


class HookCall(NamedTuple):
    """One call to a policy's method.

    :param arguments: the arguments, in words that mean the same in another run
    :param outcome: the result or refusal, and the memtype list after the call
    """

    hook: str
    arguments: tuple[object, ...]
    outcome: tuple[object, ...]


class Guard:
    """Stands in for a user-defined policy in one kernel: it has the same methods, and checks each call.

    :param policy: an object of the user's class
    :ivar path: the policy's file
    :ivar made: every call made so far
    """

    def __init__(self, path: str, seam: str, policy: object, kernel: Kernel) -> None:
        self.path = path
        self._seam, self._own, self._kernel = seam, policy, kernel
        self.made: list[HookCall] = []
        with own_mistakes():
            for hook in hooks_of(seam):
                setattr(self, hook, self._watched(hook))

    def _watched(self, hook: str) -> Callable[..., Any]:
        method = getattr(self._own, hook)

        def call(*arguments: Any) -> Any:
            words = tuple(map(_words, arguments))
            before, turns = self._state(arguments), self._kernel.processors.turns
            result: Any = None
            refusal: Exception | None = None
            parts = _parts(self._kernel)
            try:
                with own_mistakes(self.path, hook):
                    result = method(*arguments)
            except (ModelledErrno, Undecided) as error:
                refusal = error
            finally:
                # If it was held, other operations have run in the meantime and changed both.
                alone = turns == self._kernel.processors.turns
                if alone:
                    self._check_parts(hook, parts)
            if alone:
                self._compare(hook, before, self._state(arguments))
            outcome = _words(result) if refusal is None else _refusal_text(refusal)
            self.made.append(HookCall(hook, words, (outcome, *self._kernel.book.entries())))
            if refusal is not None:
                if isinstance(refusal, ModelledErrno) and hook not in _REFUSES:
                    self._wrong(
                        hook, f"it must not refuse ({refusal}): the kernel has no way back from there"
                    )
                raise refusal
            if result is not None and hook not in RETURNS:
                self._wrong(hook, f"it returns nothing, and here it returned {result!r}")
            return result

        return call

    def _check_parts(self, hook: str, before: dict[str, object]) -> None:
        """Check that no part of the kernel was replaced, and put back one that was, because others use it."""
        for name, part in before.items():
            if getattr(self._kernel, name, None) is not part:
                setattr(self._kernel, name, part)
                self._wrong(hook, f"it replaced kernel.{name}, which it may use and must leave in its place")

    def _state(self, arguments: Sequence[object]) -> dict[str, object]:
        """The parts of the state that a call must not change, by name."""
        kernel = self._kernel
        spaces = {id(task.mm): task.mm for task in kernel.tasks.values()}
        spaces |= {id(space): space for space in map(_space, arguments) if space is not None}
        vmas = {vma for mm in spaces.values() for vma in mm}
        vmas |= {vma for vma in arguments if isinstance(vma, Vma)}
        state: dict[str, object] = {
            "page tables": {key: mm.tables.runs(0, TASK_PAGES) for key, mm in spaces.items()},
            "VMAs": {vma: _fields(vma) for vma in vmas},
            "who holds which lock": [lock.held for lock in _locks(kernel, spaces.values())],
        }
        if self._seam not in _WRITES_BOOK:
            state["the memtype book"] = kernel.book.entries()
        return state

    def _compare(self, hook: str, before: dict[str, object], after: dict[str, object]) -> None:
        for part, state in before.items():
            if state != after[part]:
                self._wrong(hook, f"it changed {part}, which a {self._seam} must leave alone")

    def _wrong(self, hook: str, message: str) -> None:
        raise PolicyError(self.path, hook, message)


def check_deterministic(path: str, first: Sequence[HookCall], second: Sequence[HookCall]) -> None:
    """Check that two runs of one program made the same calls and got the same results.

    :raises PolicyError: the message names the method of the first call that differs
    """
    for call, repeat in zip_longest(first, second):
        if call != repeat:
            differing_call = call or repeat
            assert differing_call is not None
            raise PolicyError(
                path, differing_call.hook, "it is not deterministic: in a second run it did otherwise"
            )


def _parts(kernel: Kernel) -> dict[str, object]:
    return {name: getattr(kernel, name, None) for name in _PARTS}


def _locks(kernel: Kernel, spaces: Iterable[MmStruct]) -> Iterator[RwLock | TableLocks]:
    yield from (kernel.book.lock, *kernel.i_mmap_rwsems.values())
    for mm in spaces:
        yield from (mm.mmap_lock, mm.table_locks)


def _space(argument: object) -> MmStruct | None:
    return argument.mm if isinstance(argument, Vma | MmuGather) else None


def _fields(vma: Vma) -> tuple[object, ...]:
    """The fields of a VMA that belong to mm, which is all but the tracker's flag and record."""
    return vma.start, vma.end, vma.pgoff, vma.flags & ~VM_PAT, vma.page_prot, vma.file, vma.anon_vma


def _words(argument: object) -> object:
    if isinstance(argument, Vma):
        return ("vma", argument.start, argument.end, argument.pgoff, argument.flags)
    if isinstance(argument, MmuGather):
        return ("gather", argument.fullmm, argument.pending, argument.mm.tlb_gen)
    if isinstance(argument, list | tuple):
        return tuple(map(_words, argument))
    return argument if isinstance(argument, int | str | None) else type(argument).__name__


def _refusal_text(refusal: Exception) -> str:
    return errno_name(refusal.errno) if isinstance(refusal, ModelledErrno) else str(refusal)
