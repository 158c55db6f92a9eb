"""A trace, or another tool's program, as the text of a pfnlab program.

Tasks that never use device memory are left out, along with their forks. Each operation has a comment giving
its source lines and the error it got there. Calls that the language cannot express are counted at the top.
"""

import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

from msgspec.structs import replace

from pfnlab.base.errors import Misuse, ProgramError, Undecided
from pfnlab.base.inert import line_comment, one_line
from pfnlab.export.file_calls import TracedProcesses
from pfnlab.export.following import RecoveredOp
from pfnlab.programs.lang import ops
from pfnlab.programs.lang.device_ops import VfioReset
from pfnlab.programs.lang.printer import header_lines, op_lines
from pfnlab.programs.lang.problems import format_text
from pfnlab.programs.lang.process_ops import Setrlimit
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import ANON, MAX_OPS, MAX_TASKS, tasks_named
from pfnlab.programs.runs.places import PAST_END_PAGES

#: The question in a program made from a trace.
_QUESTION = "Is anything still reserved after these processes exit?"

#: The width of comments on lines of their own.
_WIDTH = 100

# Characters allowed in a title taken from a trace or its head.
_MOST_TITLE = 200

#: Operations that matter only if a task has, or inherits, tracked mappings.
_WEAK = (ops.Fork, ops.Thread, ops.Exec, ops.Exit, ops.Kill, ops.Mlockall, ops.Munlockall, Setrlimit)


class RecoveredProgram(NamedTuple):
    """The result of reading an strace log.

    :param lines: the number of its lines
    """

    source: str
    lines: int
    trace: TracedProcesses

    def text(self) -> str:
        """The program in canonical layout, with its comments.

        :raises Misuse: if nothing maps device memory
        :raises Undecided: if the language cannot express all of it
        """
        steps, renamed, lost = _named(_kept(self.trace.follower.steps))
        unsaid = self.trace.follower.unsaid + lost
        if not any(isinstance(step.call, ops.Mmap) and step.call.source.name != ANON for step in steps):
            raise Misuse(self._nothing())
        steps, far = self._reached(steps)
        unsaid += far
        if not steps:
            raise Misuse(f"{self.source}: every mapping lies behind the end of its device: {_listed(unsaid)}")
        acts = tuple(self._op(step, renamed) for step in steps)
        program = self._program(steps, acts)
        return _laid_out(program, steps, self._remarks(unsaid), self.source)

    def _reached(self, steps: list[RecoveredOp]) -> tuple[list[RecoveredOp], Counter[str]]:
        """The steps, limited to how far beyond a device's end a program can reach.

        A mapping that ends further out is shortened to the maximum, and still fails; one that starts
        further out is left out.
        """
        kept, far = [], Counter[str]()
        self.trace.windows.resolve()
        for step in steps:
            call = step.call
            if isinstance(call, ops.Mmap) and call.source.name != ANON:
                span = self.trace.windows.span(call.source)
                pages = next(
                    device.pages for device in self.trace.windows.devices() if device.name == span.name
                )
                if not span.start < pages:
                    far[f"mmap of pages behind the end of {span.name}"] += 1
                    continue
                if (beyond := span.end - pages - PAST_END_PAGES) > 0:
                    source = replace(call.source, end=call.source.end - beyond)
                    says = f"{step.says} ({call.source.pages} pages)".lstrip()
                    step = step._replace(call=replace(call, source=source), says=says)
            kept.append(step)
        return kept, far

    def _nothing(self) -> str:
        dropped, unsaid = self.trace.dropped, self.trace.follower.unsaid
        problem = f"{self.source}: no call maps device memory{': ' if unsaid else ''}{_listed(unsaid)}"
        if unsaid and not dropped:
            return problem
        maps = dropped["mmap"] + dropped["mmap2"]
        problem += f"{';' if unsaid else ':'} of {dropped.total()} calls {maps} are mmap"
        return f"{problem}: trace with strace -f -y -o FILE, from the beginning of the process on"

    def _program(self, steps: list[RecoveredOp], acts: tuple[ops.Op, ...]) -> ops.Program:
        command = one_line(self.trace.commands.get(steps[0].task, "").rpartition("/")[2])
        title = f"From a trace of {command}" if command else ""
        sizes: dict[str, int] = {}
        for area in self.trace.follower.areas():
            sizes[area.name] = max(area.pages, sizes.get(area.name, 0))
        return ops.Program(
            title[:_MOST_TITLE],
            _QUESTION,
            tuple(self.trace.windows.devices()),
            acts,
            tuple(ops.Area(name, pages) for name, pages in sizes.items()),
        )

    def _op(self, step: RecoveredOp, renamed: dict[str, str]) -> ops.Op:
        call: Any = step.call
        if isinstance(call, (ops.Mmap, ops.RemapFilePages)) and call.source.name != ANON:
            call = replace(call, source=self.trace.windows.span(call.source))
        elif isinstance(call, VfioReset):
            call = VfioReset(self.trace.windows.span(Span(call.device, 0, 1)).name)
        elif isinstance(call, (ops.Fork, ops.Thread)):
            call = replace(call, child=renamed[call.child])
        named = {field: renamed[task] for field, task in tasks_named(call).items()}
        if named:
            call = replace(call, **named)
        return ops.Op(call, renamed[step.task])

    def _remarks(self, unsaid: Counter[str]) -> Iterator[str]:
        yield from self.trace.windows.comments()
        yield ""
        yield f"From {self.source}, {self.lines} lines. A trace has no loads and stores."
        for kind, count in unsaid.items():
            yield f"not said, {count}: {kind}"
        if self.trace.dropped:
            names = ", ".join(f"{name} {count}" for name, count in sorted(self.trace.dropped.items()))
            yield f"other calls, {sum(self.trace.dropped.values())}: {names}"


def _listed(counted: Counter[str]) -> str:
    return "; ".join(f"{kind} ({count})" for kind, count in counted.items())


def _kept(steps: list[RecoveredOp]) -> list[RecoveredOp]:
    """The steps of the tasks that matter."""
    children: dict[str, str] = {}
    strong: set[str] = set()
    for step in steps:
        if isinstance(step.call, (ops.Fork, ops.Thread)):
            children[step.call.child] = step.task
            if step.copied:
                strong.add(step.call.child)
        if not isinstance(step.call, _WEAK) or step.copied:
            strong |= _tasks_of(step)
    # The ancestors of a task that matters.
    for task in tuple(strong):
        above = children.get(task)
        # The rest of the chain is known already; in a damaged log it may be circular.
        while above is not None and above not in strong:
            strong.add(above)
            above = children.get(above)
    kept = [step for step in steps if _matters(step, strong)]
    while kept and isinstance(kept[0].call, ops.Fork) and not kept[0].copied:
        # A shell that did nothing but start the process.
        if any(kept[0].task in _tasks_of(step) for step in kept[1:]):
            break
        kept = kept[1:]
    return kept


def _tasks_of(step: RecoveredOp) -> set[str]:
    """The acting task, and any other task that the step names, except a child that it starts."""
    return {step.task, *tasks_named(step.call).values()}


def _matters(step: RecoveredOp, strong: set[str]) -> bool:
    if step.task not in strong:
        return False
    if isinstance(step.call, (ops.Fork, ops.Thread)):
        return step.call.child in strong
    if isinstance(step.call, (ops.Exec, ops.Exit, ops.Kill)):
        return step.copied or step.always
    return True


def _named(steps: list[RecoveredOp]) -> tuple[list[RecoveredOp], dict[str, str], Counter[str]]:
    """The steps that fit into a program, the names of their tasks, and the kinds of steps left out."""
    renamed: dict[str, str] = {}
    lost: Counter[str] = Counter()
    kept: list[RecoveredOp] = []
    behind = ""
    for step in steps:
        if not renamed:
            renamed[step.task] = ops.MAIN_TASK
        if not _tasks_of(step) <= renamed.keys():
            lost[f"operations of tasks behind the first {MAX_TASKS}"] += 1
            continue
        if isinstance(step.call, (ops.Fork, ops.Thread)):
            if len(renamed) == MAX_TASKS:
                lost[f"tasks behind the first {MAX_TASKS}"] += 1
                continue
            word = "child" if isinstance(step.call, ops.Fork) else "thread"
            number = sum(name.startswith(word) for name in renamed.values()) + 1
            renamed[step.call.child] = f"{word}{number}"
        if len(kept) == MAX_OPS:
            behind = behind or f"operations behind the first {MAX_OPS}, from {step.says} on"
            lost[behind] += 1
            continue
        kept.append(step)
    return kept, renamed, lost


def _laid_out(program: ops.Program, steps: list[RecoveredOp], remarks: Iterator[str], source: str) -> str:
    lines = [*header_lines(program), ""]
    for remark in remarks:
        folded = textwrap.wrap(one_line(remark), _WIDTH, subsequent_indent="  ", break_on_hyphens=False)
        lines += [f"# {line_comment(line)}" for line in folded or [""]] if remark else [""]
    lines.append("")
    lines += [
        f"{line}  # {one_line(step.says)}" if step.says else line
        for line, step in zip(op_lines(program), steps, strict=True)
    ]
    try:
        return format_text("\n".join(lines) + "\n", source)
    except ProgramError as trouble:
        where = trouble.text.partition("  # ")[2]
        raise Undecided(
            f"{source}: no program says all of this: {f'{where}: ' if where else ''}{trouble.message}"
        ) from None
