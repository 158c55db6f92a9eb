"""The meaning of names at a line of a program: devices, areas and tasks."""

from __future__ import annotations

from pfnlab.programs.lang.areas import VVAR
from pfnlab.programs.lang.ops import MAIN_TASK, Device
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.words import (
    KEYWORDS,
    MAX_AREAS,
    MAX_NUMBER,
    MAX_PAGES,
    NAME,
    VVAR_MOVED,
    did_you_mean,
    page_count,
    quoted,
)


class Wrong(Exception):
    """A header, operation or expectation that breaks a rule.

    :param message: what is wrong and what to write instead
    :param part: the field that is wrong, by which the caller finds its place in the text
    """

    def __init__(self, message: str, part: str) -> None:
        self.message = message
        self.part = part
        super().__init__(message)


class Names:
    """The devices, areas and tasks of a program after the lines seen so far."""

    def __init__(self) -> None:
        self.devices: dict[str, Device] = {}
        #: Pages that may be named in each area: the most mapped so far, or declared.
        self.extents: dict[str, int] = {}
        #: Pages of the latest binding of each area: the meaning of the bare name.
        self.mapped: dict[str, int] = {}
        #: Devices that are out of their slots.
        self.unplugged: set[str] = set()
        #: The driver that is bound to the device in this program, ``""`` while none is.
        self.driver = ""
        #: Every task so far; the value is the word that ended it, or "".
        self.tasks: dict[str, str] = {MAIN_TASK: ""}
        #: The first task of the process of each task.
        self.processes: dict[str, str] = {MAIN_TASK: MAIN_TASK}

    def whole(self, name: str) -> int:
        """How many pages the bare name of an area stands for here."""
        if name not in self.mapped:
            self.extent(name, "span")
            raise Wrong(f"nothing is mapped as {name} yet: write {name}[0:{self.extents[name]}]", "span")
        return self.mapped[name]

    def new_name(self, name: str, kind: str, part: str) -> None:
        """Refuse a name that breaks the rules for names, or that belongs to another kind than *kind*."""
        if name in KEYWORDS:
            raise Wrong(f"`{name}` is a word of the language: choose another name", part)
        if not NAME.fullmatch(name):
            rule = "a lower-case letter, then at most 11 of a-z, 0-9 and _"
            raise Wrong(f"{quoted(name)} is no name: write {rule}", part)
        for other_kind, names in (("device", self.devices), ("area", self.extents), ("task", self.tasks)):
            if other_kind != kind and name in names:
                raise Wrong(
                    f"`{name}` is {article(other_kind)} already: choose another name for the {kind}", part
                )

    def grow(self, name: str, pages: int) -> None:
        """Ranges of area *name* may end at *pages* from now on."""
        if name not in self.extents and len(self.extents) == MAX_AREAS:
            raise Wrong(f"a program has at most {MAX_AREAS} areas: use a name again", "name")
        self.extents[name] = max(self.extents.get(name, 0), pages)

    def bind(self, name: str, pages: int) -> None:
        """``name = ...`` maps *pages* at the start of area *name*."""
        self.new_name(name, "area", "name")
        self.grow(name, pages)
        self.mapped[name] = pages

    def extent(self, name: str, part: str) -> int:
        """How many pages may be named in area *name*."""
        if name in self.extents:
            return self.extents[name]
        if name in self.devices:
            first = f"`a = mmap {name}[0:4] ...`"
            raise Wrong(f"{name} is a device: map it first and name the mapping, as {first}", part)
        if name in self.tasks:
            raise Wrong(f"{name} is a task, not an area: name pages of a mapping", part)
        if name == VVAR:
            raise Wrong(
                f"{VVAR} lies where the kernel put it: move it to an area first, as {VVAR_MOVED}", part
            )
        near = did_you_mean(name, self.extents) if self.extents else ""
        hint = near if "did you mean" in near else ": map it above this line or declare it with `area`"
        raise Wrong(f"nothing is mapped as {quoted(name)} yet{hint}", part)

    def check_known(self, task: str, part: str) -> None:
        """Refuse a task that never was."""
        if task not in self.tasks:
            near = did_you_mean(task, self.tasks)
            hint = near if "did you mean" in near else ": fork it above, as `c = fork`"
            raise Wrong(f"there is no task {quoted(task)} yet{hint}", part)

    def check_alive(self, task: str, part: str = "task") -> None:
        """Refuse a task that does not live here.

        :param part: where it is named
        """
        self.check_known(task, part)
        if ended := self.tasks[task]:
            raise Wrong(f"task `{task}` is gone since its {ended}: let another task act", part)

    def alive(self) -> list[str]:
        """The tasks that live here, in order of creation."""
        return [task for task, ended in self.tasks.items() if not ended]

    def threads(self, task: str) -> list[str]:
        """The tasks of the process of *task*, itself among them."""
        return [thread for thread in self.alive() if self.processes[thread] == self.processes[task]]

    def add_task(self, task: str, process: str) -> None:
        """*task* lives from now on, in the process of task *process*."""
        self.tasks[task] = ""
        self.processes[task] = self.processes.get(process, process)

    def end_process(self, task: str, ended: str) -> None:
        """The process of *task* is gone from now on, with all its threads."""
        for thread in self.threads(task):
            self.tasks[thread] = ended

    # Ranges.

    def pages(self, span: Span, part: str, *, empty: bool = False) -> None:
        """Refuse pages outside the extent of their area."""
        extent = self.extent(span.name, part)
        forwards(span, part, empty=empty)
        if span.end > extent:
            name, end = span.name, span.end
            declare = "" if end > MAX_PAGES else f", or declare `area {name}: {page_count(end)}`"
            raise Wrong(f"{name} is {page_count(extent)}: write {name}[0:{extent}] at most{declare}", part)

    def over(self, over: Span, pages: int) -> None:
        """Refuse a destination that is not *pages* long."""
        self.pages(over, "over")
        if over.pages != pages:
            right = Span(over.name, over.start, over.start + pages)
            problem = f"`over` names {page_count(over.pages)} for {page_count(pages)}"
            raise Wrong(f"{problem}: write over {right}", "over")


def forwards(span: Span, part: str, *, empty: bool = False) -> None:
    """Refuse pages that are negative, too many, in the wrong order or none."""
    name, start, end = span.name, span.start, span.end
    if start < 0 or end < 0:
        raise Wrong(f"pages count from 0: write {name}[0:{max(end, 1)}]", part)
    if max(start, end) > MAX_NUMBER:
        raise Wrong(f"page numbers go up to 2^40: write a smaller range of {quoted(name)[1:-1]}", part)
    if end < start:
        raise Wrong(f"{span} runs backwards: write {name}[{end}:{start}]", part)
    if end == start and not empty:
        raise Wrong(f"{span} holds no page: write {name}[{start}] for one", part)


def article(noun: str) -> str:
    """*noun* with ``a`` or ``an``."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
