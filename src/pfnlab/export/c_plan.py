"""The plan for a C program: its operations, the result expected of each, and the data they need."""

from collections.abc import Iterator, Sequence

import msgspec

from pfnlab.base.errors import Undecided
from pfnlab.base.inert import c_comment, c_string
from pfnlab.base.units import PAGE_SIZE, PHYSICAL_BITS
from pfnlab.export.c_calls import CCall, CProgram, why_not
from pfnlab.export.module_files import DriverWork
from pfnlab.export.pieces import pieces_called
from pfnlab.export.subject import Subject
from pfnlab.kernel.policies.releases import is_series, series_key, series_of, version_key
from pfnlab.programs.lang.areas import area_extents, area_starts, areas_of_unknown
from pfnlab.programs.lang.device_ops import DRIVER_RAM
from pfnlab.programs.lang.ops import END_KINDS, Device, Expect, LeakedEntry, tasks_of, uses_vfio
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.runs.observation import BookEntry, Run, Step
from pfnlab.programs.runs.places import ISA_PFN, WINDOW_PAGES, alignment, window_pages

#: The maximum length of a value in bytes; values with one item per page are long.
_VALUE_SIZE, _LONG_VALUE_SIZE = 256, 65536
_LONG = frozenset({"in_core", "move_pages", "pagemap", "pagemap_scan", "numa_maps", "smaps", "move_bytes"})

#: The pieces that refer to pages of areas.
_LISTED = frozenset({"numa_maps", "smaps", "pagemap_scan"})

#: A number greater than any version's, and the last point release of a series.
_NO_LAST = 999999999
_LAST_POINT = 999


class PlannedStep(msgspec.Struct, frozen=True):
    """One of the program's operations.

    :param expected: the expected result and value, as C; ``NULL`` for any
    """

    text: str
    task: int
    call: CCall
    expected: str


class CPlan:
    """Everything needed to generate the C for a program.

    :param subject: the program, with the machine's answers that it should expect
    :param drives: an accompanying kernel module acts as the driver
    :ivar coordinated: whether the first process schedules the tasks
    :ivar bars: the devices that are in a BAR
    :ivar reads: whether any expected values are device contents
    :raises Undecided: if an operation cannot be done this way, or the machine gave no answer
    """

    def __init__(self, subject: Subject, *, drives: bool = False) -> None:
        self.subject, self.program, self.run = subject, subject.program, _whole(subject)
        self.tasks = tasks_of(self.program)
        lines = op_lines(self.program)
        # First report operations that are impossible even with a driver.
        for driven, instead in [
            (True, "use `pfnlab run`"),
            (drives, "use `--format c`, which also writes a module"),
        ]:
            for op, line in zip(self.program.ops, lines, strict=True):
                if why := why_not(op, drives=driven):
                    raise Undecided(f"{subject.name}: `{line}`: {why}: {instead}")
        #: The work that the driver does for the program.
        self.work = DriverWork.of(self.program)
        maker = CProgram(self.tasks, areas_of_unknown(self.program), self.work)
        self.steps = tuple(
            PlannedStep(line, self.tasks.index(op.task), maker.call(op), self._expected(number))
            for number, (op, line) in enumerate(zip(self.program.ops, lines, strict=True))
        )
        calls = [step.call for step in self.steps]
        self.called = frozenset(pieces_called("\n".join(call.text for call in calls)))
        #: The number of the step before which the device is opened through vfio-pci.
        self.opened_at = next((i for i, op in enumerate(self.program.ops) if uses_vfio(op.call)), 0)
        self.coordinated = (
            len(self.tasks) > 1
            or "become" in self.called
            or any(call.ends or call.names for call in calls)
            or self.opened_at > 0
        )
        self.bars = [device for device in self.program.devices if device.kind == "pci"]
        if len(self.program.needs.past_end) > 1:
            past = " and ".join(
                f"`{bar.name}`" for bar in self.bars if bar.name in self.program.needs.past_end
            )
            raise Undecided(
                f"{subject.name}: {past} would have to end where one BAR ends: map one past its end"
            )
        self.reads = self.run is not None and any(call.reads for call in calls)

    def _expected(self, number: int) -> str:
        return "NULL" if self.run is None else c_string(outcome_text(self.run.steps[number]))

    @property
    def by_release(self) -> list[Expect]:
        """The program's lines about entries that stay reserved, unless a machine's answer supplies these.

        A line for a version takes precedence over the line for its series, so it comes first.
        """
        listed = [] if self.run is not None else [one for one in self.program.expects if not one.keeps]
        if self.subject.right is not None:
            right = entries_text(self.subject.right)
            if all(entries_text(one.leaked) == right for one in listed):
                return []
        return sorted(listed, key=lambda expect: is_series(expect.first))

    @property
    def expected_left(self) -> str:
        """The C expression for the entries that are expected to stay reserved."""
        if self.run is not None:
            return c_string(leftover_text(self.run))
        if self.subject.right is not None:
            return c_string(entries_text(self.subject.right))
        return "leak_of_release()" if self.by_release else "NULL"

    @property
    def tells_known(self) -> bool:
        """True if some kernels are known to leave the wrong entries."""
        return self.subject.right is not None and bool(self.by_release)

    @property
    def faults(self) -> bool:
        """True if a step may end in a signal."""
        return bool(self.called & {"load", "load_only", "store"})

    def constants(self) -> Iterator[str]:
        """The program's constants, in the order in which they are used."""
        yield "\n".join(f"#define {name} {value}" for name, value in self._numbers())
        fallbacks = dict.fromkeys(define for step in self.steps for define in step.call.defines)
        if fallbacks:
            yield "\n".join(f"#ifndef {name}\n#define {name} {number}\n#endif" for name, number in fallbacks)
        yield self._here()
        starts = {name: f"(char *){page * PAGE_SIZE:#x}" for name, page in area_starts(self.program).items()}
        areas = [
            f"static char *const area_{name} = {start};"
            for name, start in starts.items()
            if any(f"area_{name}" in step.call.text for step in self.steps)
        ]
        if areas:
            yield "\n".join(areas)
        if self.called & _LISTED:
            extents = area_extents(self.program)
            rows = (f"\t{{ {c_string(name)}, {start}, {extents[name]} }}," for name, start in starts.items())
            head = "static const struct { const char *name; char *at; long pages; } areas[] = {"
            yield "\n".join([head, *rows, "};"])
        if self.by_release:
            head = (
                "/* What stays reserved, by version: 6012023 is 6.12.23; the first row that fits holds. */\n"
            )
            head += "static const struct { long first, last; const char *left; } leaks[] = {"
            yield "\n".join([head, *map(_leak_row, self.by_release), "};"])
        if self.coordinated:
            yield self._table()

    def _numbers(self) -> Iterator[tuple[str, object]]:
        yield "PAGE", "4096UL"
        yield "VALUE_SIZE", _LONG_VALUE_SIZE if self.called & _LONG else _VALUE_SIZE
        yield "DEVICES", len(self.program.devices)
        if self.coordinated:
            yield "TASKS", len(self.tasks)
        if self.bars:
            vias = {getattr(op.call, "via", "") for op in self.program.ops}
            needs = self.program.needs
            whole = self.program.needs.vfio or bool(needs.first_page)
            whole |= any(alignment(self.program, bar) > 1 for bar in self.bars)
            yield "BAR_PAGES", sum(map(self._room, self.bars))
            yield "AT_END", int(bool(needs.past_end))
            yield "ROOM_STEP", 0 if whole else WINDOW_PAGES
            yield "WANTS_PREFETCHABLE", int(bool(vias & {"wc", "proc-wc"}))
        low = [device for device in self.program.devices if device.kind == "lowmem"]
        if low:
            yield "LOWMEM_PAGES", sum(map(self._room, low))

    def _room(self, device: Device) -> int:
        # A device that is mapped beyond its end must be at the end of the BAR.
        if device.name in self.program.needs.past_end:
            return device.pages
        return window_pages(self.program, device)

    def _here(self) -> str:
        fields = ["struct device { const char *name; uint64_t pages, at; } device[DEVICES];"]
        if self.work.tells_pages:
            fields.append("uint64_t ram;")
        if self.bars:
            fields += ["char address[64];", "int index;", "uint64_t bar_start, room;"]
        if self.reads:
            fields.append("bool blank;")
        if self.coordinated:
            fields.append("int turn[TASKS][2], answers[2];")
        if self.program.needs.vfio:
            fields.append("pid_t holder;")
        devices = self.program.devices
        lines = ["/* Where everything is on this machine. */", "static struct {"]
        lines += [f"\t{field}" for field in fields]
        lines += ["} here = {", "\t.device = {"]
        lines += [f"\t\t{{ {c_string(device.name)}, {device.pages}, 0 }}," for device in devices]
        lines += ["\t},", "};"]
        lines += [f"#define at_{device.name} here.device[{i}].at" for i, device in enumerate(devices)]
        lines += [f"#define at_{DRIVER_RAM} here.ram"] * self.work.tells_pages
        return "\n".join(lines)

    def _table(self) -> str:
        names = ", ".join(f"{name} {number}" for number, name in enumerate(self.tasks))
        lines = [
            f"/* The steps in their order, each with its task ({c_comment(names)}), "
            "and what is expected of it. */",
            "static const struct step {",
            *("\tint task;", "\tconst char *text, *expected;"),
            *("\tenum { LIVES, EXITS, KILLED, CLOSES } ends;", "\tint starts, names;", "\tbool reads;"),
            "} steps[] = {",
        ]
        for step in self.steps:
            words = [f".task = {step.task}", f".text = {c_string(step.text)}"]
            words += [f".expected = {step.expected}"] if self.run else []
            words += [f".ends = {step.call.ends}"] if step.call.ends else []
            words += [f".starts = {self.tasks.index(step.call.starts)}"] if step.call.starts else []
            words += [f".names = {self.tasks.index(step.call.names)}"] if step.call.names else []
            words += [".reads = true"] if step.call.reads and self.reads else []
            lines.append(f"\t{{ {', '.join(words)} }},")
        return "\n".join([*lines, "};"])

    def setup(self) -> list[str]:
        """The statements that find and prepare the program's resources."""
        lines = []
        if self.bars:
            lines.append("find_bar(argc > 1 ? argv[1] : NULL, argc > 2 ? strtoul(argv[2], NULL, 0) : 0);")
        elif "become" not in self.called:
            lines += ["(void)argc;", "(void)argv;"]
        lines += self._places()
        lines += ["find_driver();"] * bool(self.work)
        lines += ["match_driver(DRIVER_NAME);"] * self.work.binds
        lines += [f"at_{DRIVER_RAM} = find_ram();"] * self.work.tells_pages
        lines += ['if (strcmp(left(), "nothing"))', '\tskip("its memory is reserved already");']
        if self.reads:
            lines.append(f"here.blank = {self._blank()};")
        if self.program.thp is not None:
            lines.append(f"set_thp({c_string(self.program.thp)});")
        if self.program.needs.vfio:
            lines.append("prepare_vfio();")
            lines += ["open_vfio();"] * (not self.coordinated)
        return lines

    def _places(self) -> Iterator[str]:
        before = {"pci": 0, "lowmem": 0}
        low = next((device.name for device in self.program.devices if device.kind == "lowmem"), "")
        # A device that is mapped beyond its end is the last one in the BAR.
        past = self.program.needs.past_end
        for device in sorted(self.program.devices, key=lambda device: device.name in past):
            at = f"at_{device.name}"
            behind = f" + {before[device.kind]} * PAGE" if before.get(device.kind) else ""
            if device.kind == "isa":
                yield f"{at} = {ISA_PFN * PAGE_SIZE:#x};"
            elif device.kind in END_KINDS:
                if device.kind == "limit":
                    yield f"if (end_of_physical() != 1UL << {PHYSICAL_BITS})"
                    yield '\tskip("physical addresses are narrower on this processor");'
                yield f"{at} = end_of_physical() - {device.pages} * PAGE;"
            else:
                base = "here.bar_start + here.room"
                if device.kind == "lowmem":
                    base = f"at_{low}" if behind else "find_lowmem()"
                yield f"{at} = {base}{behind};"
                before[device.kind] += self._room(device)

    def _blank(self) -> str:
        asked = []
        for device in self.program.devices:
            if device.kind == "pci":
                asked.append(f'blank(open_bar(""), at_{device.name} - here.bar_start, {device.pages})')
            elif device.kind == "lowmem":
                asked.append(f'blank(open("/dev/mem", O_RDWR | O_CLOEXEC), at_{device.name}, {device.pages})')
        return " &\n\t     ".join(asked) or "true"


def outcome_text(step: Step) -> str:
    """A step's result and value as a reproducer prints them: ``ok 7``."""
    return step.result if step.value is None else f"{step.result} {step.value}"


def leftover_text(run: Run) -> str:
    """The entries still reserved after the last step, as a reproducer prints them: ``bar[0:8] wc``."""
    return entries_text(run.steps[-1].book or ())


def entries_text(entries: Sequence[BookEntry | LeakedEntry]) -> str:
    """Entries as a reproducer prints them: ``bar[0:8] wc``, or ``nothing``."""
    return ", ".join(map(str, entries)) or "nothing"


def _whole(subject: Subject) -> Run | None:
    run = subject.run
    if run is None:
        return None
    if run.unfinished is not None or len(run.steps) != len(subject.program.ops) + 1:
        raise Undecided(f"{run.machine} gives no expected results: {run.unfinished or 'it did not end'}")
    return run


def _leak_row(expect: Expect) -> str:
    # An open range that starts with a version stays within one series.
    last = expect.last or (None if is_series(expect.first) else series_of(expect.first))
    end = _NO_LAST if last is None else _number(last, _LAST_POINT)
    return f"\t{{ {_number(expect.first, 0)}, {end}, {c_string(entries_text(expect.leaked))} }},"


def _number(version: str, point: int) -> int:
    """A version as one number; for a series, the number of its *point*."""
    if is_series(version):
        major, minor = series_key(version)[:2]
    else:
        major, minor, point = version_key(version)[:3]
    return (major * 1000 + minor) * 1000 + max(point, 0)
