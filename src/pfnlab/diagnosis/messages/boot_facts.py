"""Facts that boot lines state, used to judge other events in that boot."""

import re
from collections import OrderedDict

from pfnlab.diagnosis.messages.joining import PlacedPiece

#: Maximum number of devices with stored facts; beyond that the oldest are dropped.
MOST_DEVICES = 4096
#: Lines that matter just by being there, by a name for what they are.
SEEN_WORDS = {
    "Call Trace:": "trace",
    "Call trace:": "trace",
    "Command line: ": "command line",
    "command line: ": "command line",
    "Modules linked in:": "modules",
    "Used by": "modules",
    "BIOS-e820:": "e820",
    "Hypervisor detected:": "hypervisor",
    "Linux version ": "boot",
}
#: Modules that map device memory, or hold a device for others.
MODULES = frozenset(
    (
        *("amdgpu", "ast", "bochs", "gdrdrv", "hyperv_drm", "hyperv_fb", "i915", "igb_uio", "mgag200"),
        *("nouveau", "nvidia", "nvidia_drm", "qxl", "radeon", "simpledrm", "uio_pci_generic", "vfio_pci"),
        *("virtio_gpu", "vmwgfx", "xe"),
    )
)
#: Texts found in lines that state a fact but belong to no family.
FACT_WORDS = (
    *SEEN_WORDS,
    "paravirtualized kernel on Xen",
    "Xen version:",
    "nopat",
    "type 01 class",
    "type 00 class",
    "PCI bridge to",
    "Invalid PCI ROM header",
    "locate a BIOS ROM",
    "no VBIOS",
    "No VBIOS",
    "blacklisting initcall ",
    ": reg ",
    ": BAR ",
    *(f"{name}  " for name in sorted(MODULES)),
)
#: Texts found in lines that say whether a driver works.
OUTCOME_WORDS = (
    " on minor ",
    "Link is Up",
    "Link is up",
    "link is up",
    "Link up",
    "link up",
    "registered",
    "initialized",
    "probe of ",
    ": probe with driver ",
)
#: Module flags for which kernel developers ask you to retry without the module.
TAINTING = {"P": "proprietary", "O": "out-of-tree"}
_DEVICE = r"(?:[0-9a-f]{4,8}:)?[0-9a-f]{2}:[0-9a-f]{2}\.[0-7]"
_XEN_PV = re.compile(r"kernel on Xen(?: PV)?\s*$|Xen version: .*preserve-AD")
_NO_PAT = re.compile(r"[Cc]ommand line: .*\bnopat\b")
_BRIDGE = re.compile(rf"^pci (?P<device>{_DEVICE}): (?:\[[0-9a-f:]+\] type 01 class 0x06|PCI bridge to \[)")
_NO_ROM = re.compile(rf"(?P<device>{_DEVICE}).*(?:Invalid PCI ROM header|locate a BIOS ROM|[nN]o VBIOS)")
_CAME_UP = (
    re.compile(r"\bInitialized \S{1,40} .{0,60}for (?P<device>\S{1,60}) on minor\b"),
    re.compile(
        r"^[\w.-]{1,40} (?P<device>[\w.][\w.:-]{0,40}[\w.])(?: \w[\w.-]{0,20})?: "
        r"(?!.*\b(?:not|unable|failed|cannot|can't)\b)"
        r".*(?:\b[Ll]ink (?:is )?[Uu]p\b|\b(?:registered|initialized)\b)"
    ),
)
_PROBE_FAILED = re.compile(
    r"probe of (?P<first>\S{1,60}) failed|^\S{1,40} (?P<second>\S{1,60}): probe with driver \S+ failed"
)
#: The position of a BAR; before 6.9 as its register: the first is 0x10, and each has four bytes.
_BAR = re.compile(
    rf"\b(?P<device>{_DEVICE}): (?:reg 0x(?P<register>[0-9a-f]{{2}})|BAR (?P<bar>[0-5])):?"
    r"(?: (?:re)?assigned)? \[mem 0x(?P<start>[0-9a-f]{5,16})-0x(?P<last>[0-9a-f]{5,16})\b"
    r"(?!.*(?:can't|failed))"
)
_FIRST_REGISTER, _BARS = 0x10, 6
#: An lsmod row; a module in an oops list, with its flags; and the flags of a tainted kernel.
_LSMOD = re.compile(r"^(?P<module>\w{2,40})\s{2,}\d{4,12}\s{1,8}-?\d{1,6}(?:\s{1,4}[\w,-]*)?$")
_LINKED = re.compile(r"(?P<module>[a-z]\w{1,40})(?:\((?P<flags>[A-Z+-]{1,8})\))?(?=\s|$)")
_TAINTED = re.compile(r"\bTainted: (?P<letters>[A-Z][A-Z ]{0,32}?)(?=\s{1,8}[\d(]|\s*$)")
_OPTION, _MOST_OPTIONS = re.compile(r"(?<!\S)([\w.-]{1,40})=([\w:,.-]{1,80})"), 64
_REAL = re.compile(r"\[(?P<vendor>[0-9a-f]{4}):[0-9a-f]{4}\] type 00 class 0x(?P<kind>[0-9a-f]{2})")
#: Vendors of devices that hypervisors emulate; emulated Intel devices are never displays.
_EMULATED = frozenset(("1013", "1234", "1414", "15ad", "1af4", "1b36", "5853", "80ee"))
_INTEL, _DISPLAY = "8086", "03"
#: The PAT MSR: three bits in each byte are a mode.
_MSR_MODES = {0: "UC", 1: "WC", 4: "WT", 5: "WP", 6: "WB", 7: "UC-"}
_SLOTS = 8
#: Minimum number of characters in the MSR, including 0x; a shorter number was truncated.
_SHORTEST_MSR = 14
#: The hypervisor's layout; a Xen guest without its own page tables cannot change it.
_XEN_LAYOUT = {1: "WT", 4: "WC", 5: "WP"}


class BootFacts:
    """The facts known so far about a boot; memory use is bounded."""

    def __init__(self) -> None:
        self.slots: tuple[str, ...] = ()
        self.has_no_pat_option = False
        #: Names in ``SEEN_WORDS`` for which a line was seen.
        self.seen: set[str] = set()
        #: True if a device was dropped because it was named too long ago.
        self.is_forgetful = False
        #: Kernel boot options, each with one value.
        self.options: set[str] = set()
        #: True if a memory BAR has no addresses at the end of the boot.
        self.has_lost_bar = False
        #: True if a line names a PCI device that no hypervisor emulates.
        self.has_real_device = False
        #: Devices whose BAR a driver failed to enlarge.
        self.resized: set[str] = set()
        #: Loaded modules in ``MODULES``, and the first flag of each module that taints the kernel.
        self.modules: dict[str, None] = {}
        self.tainting: dict[str, str] = {}
        #: The taint letters of the kernel.
        self.taints: set[str] = set()
        #: Positions of BARs, by device and number.
        self.bars: OrderedDict[tuple[str, int], tuple[int, int]] = OrderedDict()
        self._is_xen = False
        self._bridges: OrderedDict[str, None] = OrderedDict()
        self._no_rom: OrderedDict[str, None] = OrderedDict()

    def take(self, placed: PlacedPiece) -> None:
        """Process the next piece, whether or not it belongs to a family."""
        text, match = placed.text, placed.match
        for word, name in SEEN_WORDS.items():
            if name not in self.seen and word in text:
                self.seen.add(name)
        if "ommand line: " in text or "blacklisting initcall " in text:
            self._take_options(text)
        if "Tainted:" in text and (found := _TAINTED.search(text)) is not None:
            self.taints |= set(found["letters"]) - {" ", "G"}
        if "[mem 0x" in text and (found := _BAR.search(text)) is not None:
            self._take_bar(found)
        if match is not None:
            if "slots" in match.values:
                self.slots = tuple(match.values["slots"].split())
            elif len(match.values.get("pat_msr", "")) >= _SHORTEST_MSR:
                self.slots = _slots_of(int(match.values["pat_msr"], 16))
            return
        self._take_modules(text)
        if "Xen" in text:
            self._is_xen = self._is_xen or _XEN_PV.search(text) is not None
        if "type 00 class" in text and not self.has_real_device:
            found = _REAL.search(text)
            self.has_real_device = found is not None and _is_real(found["vendor"], found["kind"])
        if "nopat" in text:
            self.has_no_pat_option = self.has_no_pat_option or _NO_PAT.search(text) is not None
        for pattern, known in ((_BRIDGE, self._bridges), (_NO_ROM, self._no_rom)):
            found = pattern.search(text)
            if found is not None:
                self._remember(known, found["device"])

    def _take_bar(self, found: re.Match[str]) -> None:
        register = found["register"]
        number = int(found["bar"]) if register is None else (int(register, 16) - _FIRST_REGISTER) // 4
        if number in range(_BARS):
            key = found["device"], number
            self.bars[key] = int(found["start"], 16), int(found["last"], 16) + 1
            if len(self.bars) > MOST_DEVICES:
                self.bars.popitem(last=False)

    def _take_modules(self, text: str) -> None:
        if "Modules linked in:" not in text:
            found = _LSMOD.match(text)
            if found is not None and found["module"] in MODULES:
                self.modules[found["module"]] = None
            return
        for one in _LINKED.finditer(text.partition("Modules linked in:")[2]):
            if one["module"] in MODULES:
                self.modules[one["module"]] = None
            if one["flags"] and set(one["flags"]) & set(TAINTING) and len(self.tainting) < MOST_DEVICES:
                self.tainting[one["module"]] = next(flag for flag in one["flags"] if flag in TAINTING)

    def bar_at(self, start: int, end: int | None) -> tuple[str, str] | None:
        """Return the BAR with a range's first byte, as a description and a device; None if unknown."""
        for (device, number), (first, after) in self.bars.items():
            if first <= start < after:
                past = ", past its end" if end is not None and end > after else ""
                return f"BAR {number} of {device}{past}", device
        return None

    def _take_options(self, text: str) -> None:
        text = text.replace("blacklisting initcall ", "initcall_blacklist=")
        for name, values in _OPTION.findall(text)[:_MOST_OPTIONS]:
            self.options |= {f"{name}={value}" for value in values.split(",")}

    def is_bridge(self, device: str | None, driver: str | None = None) -> bool:
        """True if a line called the device a bridge, or if *driver* is the bridge driver."""
        return device in self._bridges or driver == "pcieport"

    def wants_rom(self, device: str | None) -> bool:
        """True if the device's driver looked for its ROM and failed."""
        return device in self._no_rom

    @property
    def is_xen(self) -> bool:
        """True for a Xen guest whose PAT was set by the hypervisor."""
        layout = len(self.slots) > max(_XEN_LAYOUT)
        return self._is_xen or (layout and all(self.slots[at] == one for at, one in _XEN_LAYOUT.items()))

    @property
    def is_plain_guest(self) -> bool:
        """True for a guest in which no line names a passed-through device."""
        return "hypervisor" in self.seen and not self.has_real_device

    @property
    def has_wc(self) -> bool | None:
        """True if page tables can select write-combining; None if no line says."""
        if "WC" in self.slots:
            return not self.has_no_pat_option or self.is_xen
        return False if len(self.slots) >= _SLOTS or self.has_no_pat_option else None

    def _remember(self, known: "OrderedDict[str, None]", device: str) -> None:
        known[device] = None
        known.move_to_end(device)
        if len(known) > MOST_DEVICES:
            known.popitem(last=False)
            self.is_forgetful = True


def _is_real(vendor: str, kind: str) -> bool:
    return kind == _DISPLAY if vendor == _INTEL else vendor not in _EMULATED


def came_up(text: str) -> str | None:
    """Return the device that, according to a line, works; None if there is none."""
    for pattern in _CAME_UP:
        found = pattern.search(text)
        if found is not None:
            return found["device"]
    return None


def probe_failed(text: str) -> str | None:
    """Return the device whose driver, according to a line, failed to probe; None if there is none."""
    found = _PROBE_FAILED.search(text)
    return None if found is None else found["first"] or found["second"]


def _slots_of(msr: int) -> tuple[str, ...]:
    return tuple(_MSR_MODES.get(msr >> 8 * at & 7, "?") for at in range(_SLOTS))
