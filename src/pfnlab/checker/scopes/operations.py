"""The operations possible in a state: the scope's templates, filled in with the state's mappings."""

from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from pfnlab.base.errors import Undecided
from pfnlab.checker.scopes.naming import AreaNames, Naming, area_base, area_number
from pfnlab.checker.scopes.scope import Part, Scope, Template
from pfnlab.kernel.mm.kernel import Kernel, Task
from pfnlab.kernel.mm.vma import Vma
from pfnlab.programs.lang.areas import AREA_ALIGN_PAGES
from pfnlab.programs.lang.ops import MAIN_TASK, Call, Exec, Exit, Fork, Kill, Mmap, Mremap, Op, Read, Write
from pfnlab.programs.lang.printer import op_text
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import RANGE_WALKERS, ProcessVmReadv, Walk
from pfnlab.programs.lang.words import MAX_AREAS

#: The letters that name areas, and those that name forked tasks.
_AREAS, _TASKS = "abcdefghijklmno", "pqrstuvwxyz"


class ScopeStep(NamedTuple):
    """One operation as a search action, using the names of the state it begins in."""

    op: Op

    @property
    def kind(self) -> str:
        """The operation's keyword, with any forced failure."""
        call = self.op.call
        word = type(call).__struct_config__.tag
        how = call.source.name if isinstance(call, Mmap) and call.via == "anon" else getattr(call, "via", "")
        forced = f" {self.op.fail.function} fails" if self.op.fail is not None else ""
        refused = f" {call.refused}" if isinstance(call, Fork) and call.refused else ""
        return f"{word}{f' {how}' if how else ''}{refused}{forced}"

    def __str__(self) -> str:
        return op_text(self.op)


def area_name(number: int) -> str:
    """The name of area *number*, counted from 0."""
    round_number, letter = divmod(number, len(_AREAS))
    return _AREAS[letter] + (str(round_number) if round_number else "")


def child_name(number: int) -> str:
    """The name of the *number*-th task forked in a program, counted from 0."""
    round_number, letter = divmod(number, len(_TASKS))
    return _TASKS[letter] + (str(round_number) if round_number else "")


def operations(kernel: Kernel, scope: Scope) -> Iterator[Op]:
    """Every operation in *scope* that a task of *kernel* can try, task by task."""
    processes = len({id(task.mm) for task in kernel.tasks.values()})
    for task in kernel.tasks.values():
        vmas = [vma for vma in task.mm if vma.start - area_base(area_number(vma.start)) < AREA_ALIGN_PAGES]
        free = _free_area(vmas, scope)
        for template in scope.templates:
            yield from _instances(template, task, vmas, free, processes, scope)


def _free_area(vmas: list[Vma], scope: Scope) -> str | None:
    """The lowest area without a mapping, or None if the task may not use another area."""
    used = {area_number(vma.start) for vma in vmas}
    if len(used) >= scope.areas:
        return None
    return area_name(next(number for number in range(len(used) + 1) if number not in used))


def _instances(
    template: Template, task: Task, vmas: list[Vma], free: str | None, processes: int, scope: Scope
) -> Iterator[Op]:
    op, call = template.op, template.op.call
    if isinstance(call, Mmap):
        if free is not None:
            yield _op_of(op, task, msgspec.structs.replace(call, name=free))
    elif isinstance(call, Fork):
        # A refused fork creates no task, but is tried only if one more task would be allowed.
        if processes < scope.tasks:
            yield _op_of(op, task, msgspec.structs.replace(call, child=f"p{len(task.mm.kernel.tasks)}"))
    elif isinstance(call, Exit | Kill | Exec):
        if processes > 1:
            yield _op_of(op, task, call)
    elif template.part is None:
        yield _op_of(op, task, call)
    elif template.part == "all":
        for number in sorted({area_number(vma.start) for vma in vmas}):
            vmas_inside = [vma for vma in vmas if area_number(vma.start) == number]
            if len(vmas_inside) > 1:
                yield _op_of(op, task, _with_span(call, vmas_inside[0].start, vmas_inside[-1].end))
    else:
        for vma in vmas:
            pages = _pages(vma, template.part, scope.halves)
            if pages is None:
                continue
            if isinstance(call, Mremap):
                yield from _mremaps(op, task, template.how, *pages, free)
            else:
                yield _op_of(op, task, _with_span(call, *pages))


def _pages(vma: Vma, part: Part, halves: int) -> tuple[int, int] | None:
    """The pages in that part of a mapping, or None if the part would be the whole mapping."""
    start, end = vma.start, vma.end
    match part:
        case "whole":
            return start, end
        case "first" if vma.nr > 1:
            return start, start + 1
        case "last" if vma.nr > 1:
            return end - 1, end
        case "middle" if vma.nr > 2:
            return start + 1, end - 1
        case "half" if vma.nr // 2 >= halves:
            return start, start + vma.nr // 2
    return None


def _mremaps(op: Op, task: Task, how: str, start: int, end: int, free: str | None) -> Iterator[Op]:
    span, pages = _span(start, end), end - start
    if how == "shrink":
        if pages > 1:
            yield _op_of(op, task, Mremap(span, pages - 1))
    elif free is not None:
        dontunmap = how == "dontunmap"
        yield _op_of(op, task, Mremap(span, pages, maymove=True, fixed=True, dontunmap=dontunmap, name=free))


def _op_of(op: Op, task: Task, call: Call) -> Op:
    return Op(call, task.comm, op.fail, op.skip, op.hold)


def _with_span(call: Call, start: int, end: int) -> Call:
    span = _span(start, end)
    if _takes_a_page(call):
        span = Span(span.name, span.start, span.start + 1)
    return msgspec.structs.replace(call, span=span)


def _takes_a_page(call: Call) -> bool:
    """True if *call* takes one page from any part of a mapping."""
    if isinstance(call, Walk):
        return call.walker not in RANGE_WALKERS
    return isinstance(call, Read | Write | ProcessVmReadv)


def _span(start: int, end: int) -> Span:
    number = area_number(start)
    base = area_base(number)
    return Span(area_name(number), start - base, end - base)


class Renaming:
    """Translates names in canonical states into names in one program, operation by operation."""

    def __init__(self) -> None:
        self._children = 0
        self._areas = 0

    def op(self, op: Op, kernel: Kernel, naming: Naming) -> Op:
        """*op* with the program's names.

        :param kernel: the kernel before the operation, with the program's names
        :raises Undecided: if a program has no unused name for another area
        """
        task = naming.tasks[0 if op.task == MAIN_TASK else int(op.task[1:])]
        names = naming.of(task.mm)
        call = op.call
        changes: dict[str, object] = {}
        if isinstance(call, Fork):
            changes["child"] = child_name(self._children)
            self._children += 1
        for field in ("span", "over"):
            span = getattr(call, field, None)
            if isinstance(span, Span) and span.name in _AREA_NUMBERS:
                changes[field] = self._span(span, kernel, names)
        if isinstance(call, Mmap | Mremap) and call.name is not None:
            changes["name"] = self._area(_AREA_NUMBERS[call.name], kernel, names)
        return Op(msgspec.structs.replace(call, **changes), task.comm, op.fail, op.skip, op.hold)

    def _span(self, span: Span, kernel: Kernel, names: AreaNames | None) -> Span:
        number = _AREA_NUMBERS[span.name]
        unused = names.unused[number] if names is not None and number < len(names.unused) else 0
        return Span(self._area(number, kernel, names), span.start + unused, span.end + unused)

    def _area(self, number: int, kernel: Kernel, names: AreaNames | None) -> str:
        in_use = {area_number(vma.start) for task in kernel.tasks.values() for vma in task.mm.vmas}
        if names is None:
            if number <= max(in_use, default=-1):
                return area_name(number)
        elif number < len(names.areas):
            return area_name(names.areas[number])
        new = self._areas
        if new == MAX_AREAS:
            # Reuse a name. Areas keep their order, so it must be above all names in use.
            new = max(in_use, default=-1) + 1
        if new == MAX_AREAS:
            raise Undecided(f"not expressible as a program: it uses more than {MAX_AREAS} areas")
        self._areas = max(self._areas, new + 1)
        return area_name(new)


_AREA_NUMBERS = {area_name(number): number for number in range(60)}
