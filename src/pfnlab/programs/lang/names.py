"""The meaning of names at a given line of a program, and where devices may be named (docs/programs.md)."""

from pfnlab.base.spelling import did_you_mean
from pfnlab.programs.lang import device_ops, words
from pfnlab.programs.lang.areas import VVAR
from pfnlab.programs.lang.ops import DEVICE_VIAS, END_KINDS, MAIN_TASK, ONLY_KINDS, Call, Device
from pfnlab.programs.lang.span import Span


class Wrong(Exception):
    """A header, operation or expectation that breaks a rule.

    :param message: what is wrong, and how to correct it
    :param part: the field that is wrong; the caller uses it to find the place in the text
    """

    def __init__(self, message: str, part: str) -> None:
        self.message = message
        self.part = part
        super().__init__(message)


class Names:
    """The devices, areas and tasks in a program after the lines read so far."""

    def __init__(self) -> None:
        self.devices: dict[str, Device] = {}
        #: The number of pages that may be named in each area: the most mapped so far, or as declared.
        self.extents: dict[str, int] = {}
        #: The number of pages in each area's latest binding, which is what its bare name means.
        self.mapped: dict[str, int] = {}
        #: Devices that are out of their slot.
        self.unplugged: set[str] = set()
        #: The driver bound to the device in this program; ``""`` if none.
        self.driver = ""
        #: Every task so far, with the word that ended it, or "".
        self.tasks: dict[str, str] = {MAIN_TASK: ""}
        #: The first task in each task's process.
        self.processes: dict[str, str] = {MAIN_TASK: MAIN_TASK}

    def whole(self, name: str) -> int:
        """The number of pages that an area's bare name stands for at this point."""
        if name not in self.mapped:
            self.extent(name, "span")
            raise Wrong(f"nothing is mapped as {name} yet: write {name}[0:{self.extents[name]}]", "span")
        return self.mapped[name]

    def new_name(self, name: str, kind: str, part: str) -> None:
        """Refuse a name that breaks the rules for names, or already names something that is not a *kind*."""
        if name in words.KEYWORDS:
            raise Wrong(f"`{name}` is a word of the language: choose another name", part)
        if not words.NAME.fullmatch(name):
            rule = "a lower-case letter, then at most 11 of a-z, 0-9 and _"
            raise Wrong(f"{words.quoted(name)} is not a name: write {rule}", part)
        for other_kind, names in (("device", self.devices), ("area", self.extents), ("task", self.tasks)):
            if other_kind != kind and name in names:
                raise Wrong(
                    f"`{name}` is {article(other_kind)} already: choose another name for the {kind}", part
                )

    def grow(self, name: str, pages: int) -> None:
        """From now on, allow ranges in area *name* to extend to *pages*."""
        if name not in self.extents and len(self.extents) == words.MAX_AREAS:
            raise Wrong(f"a program has at most {words.MAX_AREAS} areas: use a name again", "name")
        self.extents[name] = max(self.extents.get(name, 0), pages)

    def bind(self, name: str, pages: int) -> None:
        """Record that ``name = ...`` maps *pages* at the start of area *name*."""
        self.new_name(name, "area", "name")
        self.grow(name, pages)
        self.mapped[name] = pages

    def extent(self, name: str, part: str) -> int:
        """The number of pages that may be named in area *name*."""
        if name in self.extents:
            return self.extents[name]
        if name in self.devices:
            first = f"`a = mmap {name}[0:4] ...`"
            raise Wrong(f"{name} is a device: map it first and name the mapping, e.g. {first}", part)
        if name in self.tasks:
            raise Wrong(f"{name} is a task, not an area: name pages of a mapping", part)
        if name == VVAR:
            raise Wrong(
                f"{VVAR} is placed by the kernel: move it to an area first, e.g. {words.VVAR_MOVED}", part
            )
        near = did_you_mean(name, self.extents) if self.extents else ""
        hint = near if "did you mean" in near else ": map it above this line or declare it with `area`"
        raise Wrong(f"nothing is mapped as {words.quoted(name)} yet{hint}", part)

    def check_known(self, task: str, part: str) -> None:
        """Refuse a task that has never existed."""
        if task not in self.tasks:
            near = did_you_mean(task, self.tasks)
            hint = near if "did you mean" in near else ": fork it above, e.g. `c = fork`"
            raise Wrong(f"there is no task {words.quoted(task)} yet{hint}", part)

    def check_alive(self, task: str, part: str = "task") -> None:
        """Refuse a task that is not alive at this point."""
        self.check_known(task, part)
        if ended := self.tasks[task]:
            raise Wrong(f"task `{task}` is gone since its {ended}: let another task act", part)

    def alive(self) -> list[str]:
        """The tasks alive at this point, in order of creation."""
        return [task for task, ended in self.tasks.items() if not ended]

    def threads(self, task: str) -> list[str]:
        """All tasks in *task*'s process, including *task*."""
        return [thread for thread in self.alive() if self.processes[thread] == self.processes[task]]

    def add_task(self, task: str, process: str) -> None:
        """Record that *task* is alive from now on, in the process of *process*."""
        self.tasks[task] = ""
        self.processes[task] = self.processes.get(process, process)

    def end_process(self, task: str, ended: str) -> None:
        """Record that *task*'s process is gone from now on, with all its threads."""
        for thread in self.threads(task):
            self.tasks[thread] = ended

    # Ranges.

    def pages(self, span: Span, part: str, *, empty: bool = False) -> None:
        """Refuse pages that are outside their area."""
        extent = self.extent(span.name, part)
        forwards(span, part, empty=empty)
        if span.end > extent:
            name, end = span.name, span.end
            declare = "" if end > words.MAX_PAGES else f", or declare `area {name}: {words.page_count(end)}`"
            raise Wrong(
                f"{name} is {words.page_count(extent)}: write {name}[0:{extent}] at most{declare}", part
            )

    def over(self, over: Span, pages: int) -> None:
        """Refuse a destination that is not *pages* long."""
        self.pages(over, "over")
        if over.pages != pages:
            right = Span(over.name, over.start, over.start + pages)
            problem = f"`over` names {words.page_count(over.pages)} for {words.page_count(pages)}"
            raise Wrong(f"{problem}: write over {right}", "over")


def forwards(span: Span, part: str, *, empty: bool = False) -> None:
    """Refuse a range that is negative, too long, reversed or empty."""
    name, start, end = span.name, span.start, span.end
    if start < 0 or end < 0:
        raise Wrong(f"pages count from 0: write {name}[0:{max(end, 1)}]", part)
    if max(start, end) > words.MAX_NUMBER:
        raise Wrong(f"page numbers go up to 2^40: write a smaller range of {words.quoted(name)[1:-1]}", part)
    if end < start:
        raise Wrong(f"{span} runs backwards: write {name}[{end}:{start}]", part)
    if end == start and not empty:
        raise Wrong(f"{span} holds no page: write {name}[{start}] for one", part)


def article(noun: str) -> str:
    """*noun* preceded by ``a`` or ``an``."""
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


class DeviceValidity(Names):
    """Checks how operations use devices; records each device's driver, and whether its slot is full."""

    def _pci(self, name: str) -> Device:
        device = self.devices.get(name)
        if device is None and name == device_ops.MOVED_BAR:
            raise Wrong("no device has another address yet: write `rescan_moved bar` above", "source")
        if device is None or device.kind != "pci":
            hint = did_you_mean(
                name, [other for other, candidate in self.devices.items() if candidate.kind == "pci"]
            )
            raise Wrong(f"there is no pci device {words.quoted(name)}{hint}", "source")
        return device

    def _device(self, call: Call, name: str) -> None:
        """Check a whole device, which must be the guest's only BAR, and whether its slot is full or empty."""
        device = self._pci(name).name
        if device == device_ops.MOVED_BAR:
            raise Wrong(
                f"{device_ops.MOVED_BAR} is an address of a device, not one itself: write the device",
                "source",
            )
        if isinstance(call, device_ops.Bind | device_ops.Unbind):
            self._alone(device, "a driver binds")
            self._taken_by("the guest driver")
            return
        if not isinstance(call, device_ops.SlotCall):
            self._alone(device, "vfio takes")
            self._taken_by("vfio-pci")
            return
        self._alone(device, "a slot holds")
        if isinstance(call, device_ops.Plug):
            if device not in self.unplugged:
                raise Wrong(f"{device} is in its slot: write `unplug {device}` above", "source")
            self.unplugged.remove(device)
        elif device in self.unplugged:
            raise Wrong(f"{device} is out of its slot: write `plug {device}` above", "source")
        elif isinstance(call, device_ops.Unplug):
            self.unplugged.add(device)
        elif isinstance(call, device_ops.RescanMoved):
            self._moved(self.devices[device])

    def _moved(self, device: Device) -> None:
        """Record that from now on the device has a second place."""
        if device.pages > device_ops.MOVED_PAGES:
            problem = f"a device that comes to another address has at most {device_ops.MOVED_PAGES} pages"
            raise Wrong(f"{problem}: declare {device.name} smaller", "source")
        self.devices[device_ops.MOVED_BAR] = Device(device_ops.MOVED_BAR, "pci", device.pages)

    def _taken_by(self, driver: str) -> None:
        """Check that a device has only one driver; vfio-pci keeps it for the whole program."""
        if self.driver not in ("", driver):
            raise Wrong(
                f"{self.driver} has the device in this program, which {driver} cannot have too: "
                "write two programs",
                "verb",
            )
        self.driver = driver

    def _alone(self, device: str, claim: str) -> None:
        others = [
            name
            for name, candidate in self.devices.items()
            if candidate.kind == "pci" and name not in (device, device_ops.MOVED_BAR)
        ]
        if others:
            raise Wrong(
                f"{claim} {device} as a whole, which {others[0]} would be part of: declare one pci device",
                "source",
            )

    def _on_memory(self, span: Span) -> None:
        if span.name != device_ops.DRIVER_RAM:
            self._on_device(span)
            return
        self._own_pages(span)

    def _own_pages(self, span: Span) -> None:
        if span.name != device_ops.DRIVER_RAM:
            right = f"{device_ops.DRIVER_RAM}[0:{max(1, min(span.pages, device_ops.DRIVER_RAM_PAGES))}]"
            raise Wrong(f"the driver sets the mode of its own pages only: write {right}", "source")
        forwards(span, "source")
        if span.end > device_ops.DRIVER_RAM_PAGES:
            problem = f"the driver has only {device_ops.DRIVER_RAM_PAGES} pages"
            raise Wrong(
                f"{problem}: write {device_ops.DRIVER_RAM}[0:{device_ops.DRIVER_RAM_PAGES}] at most", "source"
            )

    def _sections(self, verb: str, span: Span) -> None:
        self._on_device(span, only_pci=True)
        if span.start % device_ops.SECTION_PAGES or span.end % device_ops.SECTION_PAGES:
            name, whole = span.name, device_ops.SECTION_PAGES
            problem = f"{verb} takes whole sections of {whole} pages"
            raise Wrong(f"{problem}: write {name}[0:{whole}]", "source")

    def _on_device(self, span: Span, *, only_pci: bool = False) -> Device:
        """Refuse pages that do not belong to a device; return the device."""
        device = self.devices.get(span.name)
        if device is None or device.kind not in ONLY_KINDS or only_pci:
            device = self._pci(span.name)
        forwards(span, "source")
        if span.end > device.pages:
            pages = device.pages
            most = f"{device.name}[0:{pages}]"
            raise Wrong(f"{device.name} is {words.page_count(pages)}: write {most} at most", "source")
        return device

    def _unmap_mapping_range(self, call: device_ops.UnmapMappingRange) -> None:
        device = self._on_device(call.span)
        if call.to_end and call.span.end != device.pages:
            name, start = call.span.name, call.span.start
            raise Wrong(f"to the end is {name}[{start}:{device.pages}] and all behind: name these", "source")

    def _device_via(self, source: Span, via: str) -> None:
        device = self.devices.get(source.name)
        if device is None:
            if source.name == device_ops.MOVED_BAR:
                self._pci(device_ops.MOVED_BAR)
            if source.name in self.extents:
                raise Wrong(f"{source.name} is an area: mmap takes pages of a device, anon or perf", "source")
            hint = did_you_mean(source.name, (*self.devices, *words.NO_DEVICE))
            raise Wrong(f"there is no device {words.quoted(source.name)}{hint}", "source")
        if source.name == device_ops.MOVED_BAR and via in ("wc", "uc", "vfio"):
            raise Wrong(f"pages of this file have no address: write pages of the device, not {source}", "via")
        vias = DEVICE_VIAS[device.kind]
        if via not in vias:
            raise Wrong(
                f"{device.name} is {article(device.kind)} device and cannot be mapped by `{via}`"
                f": write one of {', '.join(vias)}",
                "via",
            )
        if via == "vfio":
            self._alone(device.name, "vfio takes")
            self._taken_by("vfio-pci")
        if source.end > device.pages and (
            device.kind == "isa" or (device.kind in END_KINDS and via == "driver")
        ):
            pages = words.page_count(device.pages)
            problem = "what follows is not for programs" if device.kind == "isa" else "nothing follows"
            raise Wrong(
                f"{device.name} is {pages}, {problem}: write {device.name}[0:{device.pages}] at most",
                "source",
            )
