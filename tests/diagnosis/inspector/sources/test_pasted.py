"""Several files of a machine in one text: found by the form of their lines, and joined as a bundle's are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st

from pfnlab.diagnosis.inspector.finding.every import findings, untold
from pfnlab.diagnosis.inspector.finding.finding_form import Finding
from pfnlab.diagnosis.inspector.host_snapshot import Snapshot
from pfnlab.diagnosis.inspector.joined_host import JoinedHost
from pfnlab.diagnosis.inspector.parsing.assembly import snapshot_of
from pfnlab.diagnosis.inspector.parsing.pci_files import DEVICES
from pfnlab.diagnosis.inspector.parsing.text_files import SnapshotBounds
from pfnlab.diagnosis.inspector.sources.bundle import Bundle, Entry, written
from pfnlab.diagnosis.inspector.sources.pasted import PastedFiles
from pfnlab.diagnosis.inspector.sources.pasted_lines import LineSorter

LIST = """\
PAT memtype list:
PAT: [mem 0x0000000080000000-0x0000000090000000] uncached-minus
PAT: [mem 0x00000000a0000000-0x00000000a0010000] uncached-minus
PAT: [mem 0x00000000b0000000-0x00000000b0004000] uncached-minus
PAT: [mem 0x00000000b0008000-0x00000000b0014000] write-combining
"""
IOMEM = """\
00000000-00000fff : Reserved
00100000-7fffffff : System RAM
  01000000-022090c7 : Kernel code
80000000-febfffff : PCI Bus 0000:00
  80000000-8fffffff : 0000:00:00.0
  90000000-9fffffff : 0000:03:00.0
    90000000-905fffff : simpledrm
  a0000000-a000ffff : 0000:04:00.0
  b0000000-b000ffff : 0000:05:00.0
  b0010000-b001ffff : 0000:06:00.0
"""
LISTING = """\
00:00.0 Host bridge [0600]: Intel Corporation Device [8086:1237]
\tControl: I/O+ Mem+ BusMaster+ SpecCycle-
\tRegion 0: Memory at 80000000 (64-bit, prefetchable) [size=256M]
\tKernel driver in use: agpgart
03:00.0 VGA compatible controller [0300]: AMD Device [1002:73bf] (prog-if 00 [VGA controller])
\tRegion 0: Memory at 90000000 (64-bit, prefetchable) [size=256M]
\tKernel driver in use: vfio-pci
04:00.0 Ethernet controller [0200]: Vendor Device [15b3:1017]
\tRegion 0: Memory at a0000000 (64-bit, prefetchable) [size=64K]
05:00.0 System peripheral [0880]: Vendor Device [1234:0005]
\tRegion 0: Memory at b0000000 (32-bit, prefetchable) [size=64K]
\tKernel driver in use: five
06:00.0 System peripheral [0880]: Vendor Device [1234:0006]
\tRegion 0: Memory at b0010000 (32-bit, prefetchable) [size=64K]
\tKernel driver in use: six
"""
MTRRS = "reg00: base=0x080000000 ( 2048MB), size=  256MB, count=1: write-combining\n"
MAPS = (
    "7f0000000000-7f0000010000 rw-s a0000000 00:15 4711 /sys/devices/pci0000:00/0000:04:00.0/resource0_wc\n"
)
#: Findings that say what they do not know: without /proc/mtrr a BAR may be write-combining.
DOUBTFUL = {"perhaps_leaked", "uncached_prefetchable"}
DESCRIPTOR = "/dev/vfio/12"


class PastedPart(NamedTuple):
    """A file: its path in a bundle, its content there, and the lines and the command of a paste."""

    path: str
    content: str
    command: str
    kind: str = "file"

    @property
    def lines(self) -> str:
        """As people paste it."""
        if self.kind == "link":
            return f"total 0\nlrwx------ 1 root root 64 Jan  1 00:00 30 -> {self.content}\n"
        return self.content


PARTS = (
    PastedPart("/sys/kernel/debug/x86/pat_memtype_list", LIST, "cat /sys/kernel/debug/x86/pat_memtype_list"),
    PastedPart("/proc/iomem", IOMEM, "cat /proc/iomem"),
    PastedPart("lspci -nnvv", LISTING, "lspci -nnvv"),
    PastedPart("/proc/mtrr", MTRRS, "cat /proc/mtrr"),
    PastedPart("/proc/77/maps", MAPS, "cat /proc/77/maps"),
    PastedPart("/proc/88/fd/30", DESCRIPTOR, "ls -l /proc/88/fd", "link"),
)
#: Files that need no command before them: nothing in a name is of them.
PLAIN = PARTS[:4]


def bundled(parts: Sequence[PastedPart]) -> Snapshot:
    """The snapshot of a bundle with these parts, which does not say that it has all processes."""
    pids = sorted({part.path.split("/")[2] for part in parts if part.path.startswith(("/proc/7", "/proc/8"))})
    entries = [Entry(part.kind, part.path, part.content.encode()) for part in parts]
    if pids:
        entries += [
            Entry("folder", "/proc", "\n".join(pids).encode()),
            Entry("cut", "/proc", why="the text has so many"),
        ]
    return snapshot_of(Bundle(written(entries, [("root", "yes")]), "bundle"))


def pasted(text: str, bounds: SnapshotBounds | None = None) -> Snapshot:
    """The snapshot of a text."""
    sorter = LineSorter() if bounds is None else LineSorter(bounds)
    list(sorter.passing([text]))
    return snapshot_of(PastedFiles(sorter, "text"))


def found(snapshot: Snapshot) -> tuple[Finding, ...]:
    """The findings."""
    return findings(JoinedHost(snapshot))


def kinds(text: str) -> list[str]:
    """The kinds of findings in a text."""
    return [one.kind for one in found(pasted(text))]


def prompted(part: PastedPart) -> str:
    """A part behind a prompt and its command."""
    return f"root@host:~# {part.command}\n{part.lines}"


def headed(part: PastedPart) -> str:
    """A part below the head that tail writes."""
    path = part.path.rpartition("/")[0] if part.kind == "link" else part.path
    return f"==> {path} <==\n{part.lines}\n"


def quoted(part: PastedPart) -> str:
    """A part in a mail that is answered."""
    return "".join(f"> {line}\n" for line in prompted(part).splitlines())


def indented(part: PastedPart) -> str:
    """A part in a block of code, below a sentence."""
    code = "".join(f"    {line}\n" for line in part.lines.splitlines())
    return f"And this is what {part.command} says:\n\n{code}\n"


EXPECTED = ["uc_where_wc_asked", "spans_bars", "claimed_by_another", "mtrr_decides"]


def test_the_whole_text_has_findings() -> None:
    """Those of the properties below: owner, neighbour and wrong mode."""
    assert EXPECTED == kinds("".join(map(prompted, PARTS)))


@given(
    parts=st.permutations(PARTS).flatmap(lambda every: st.sampled_from([every[:n] for n in range(1, 7)])),
    forms=st.lists(st.sampled_from([prompted, headed, quoted, indented]), min_size=6, max_size=6),
)
def test_findings_are_those_of_the_bundle_with_the_same_parts(
    parts: Sequence[PastedPart], forms: Sequence[object]
) -> None:
    """In any order and form, and whatever is left out."""
    text = "".join(form(part) for form, part in zip(forms, parts, strict=False))  # type: ignore[operator]

    assert found(bundled(parts)) == found(pasted(text))


@given(st.permutations(PLAIN).flatmap(lambda every: st.sampled_from([every[:n] for n in range(1, 5)])))
def test_lines_alone_say_whose_they_are(parts: Sequence[PastedPart]) -> None:
    """With nothing at all between the files."""
    assert found(bundled(parts)) == found(pasted("".join(part.lines for part in parts)))


@given(st.data())
def test_a_changed_line_hides_no_finding_of_another(data: st.DataObject) -> None:
    """What goes through other lines stays, and nothing is found that the whole text does not have."""
    part = data.draw(st.sampled_from(PLAIN))
    lines = part.lines.splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    # Without its last line a list looks whole.
    also = ["?"] if at < len(lines) - 1 else []
    lines[at] = data.draw(st.sampled_from([lines[at][: len(lines[at]) // 2], f"x{lines[at]}", *also]))
    changed = [PastedPart("", "\n".join(lines) + "\n", part.command) if one is part else one for one in PARTS]

    before, now = (found(pasted("".join(map(prompted, parts)))) for parts in (PARTS, changed))

    of = {one.kind: one for one in before}
    sound = {one.kind for one in now} - DOUBTFUL
    assert sound <= set(of)
    touched = {"mtrr_decides": (0, 2, 3), "uc_where_wc_asked": (0, 2), "claimed_by_another": (1, 2)}
    untouched = {kind for kind, numbers in touched.items() if PARTS.index(part) not in numbers}
    assert untouched <= sound


@for_each(
    "text",
    [
        # Ports have four digits, memory has eight.
        "0000-0cf7 : PCI Bus 0000:00\n  0060-0060 : keyboard\n",
        # A kernel's message has a stamp.
        "[   12.000000] PAT: [mem 0x80000000-0x90000000] write-back\n",
        "I think 01:00 is when it fails, about 80000000 bytes later.\n",
        "",
    ],
)
def test_other_lines_are_no_files(text: str) -> None:
    """Nothing is joined of them."""
    sorter = LineSorter()

    list(sorter.passing([text]))

    assert frozenset() == PastedFiles(sorter, "text").parts


def test_a_part_of_a_list_is_no_proof_of_absence() -> None:
    """A mapping whose entry may be in what was not pasted has lost no reservation."""
    excerpt = "PAT: [mem 0x00000000b0000000-0x00000000b0004000] uncached-minus\n"

    assert "mapping_without_reservation" not in kinds(excerpt + IOMEM + LISTING + prompted(PARTS[4]))
    whole = f"PAT memtype list:\n{excerpt}"
    assert "mapping_without_reservation" in kinds(whole + IOMEM + LISTING + prompted(PARTS[4]))


def test_a_device_that_was_not_listed_is_not_removed() -> None:
    """`lspci -s` prints one of many."""
    one = LISTING[LISTING.index("03:00.0") : LISTING.index("04:00.0")]

    assert "removed_device" not in kinds(one + prompted(PARTS[4]))


def test_a_second_list_takes_the_place_of_the_first() -> None:
    """Two moments are not joined with each other."""
    second = "PAT memtype list:\nPAT: [mem 0x00000000b0000000-0x00000000b0004000] uncached-minus\n"

    book = pasted(prompted(PARTS[0]) + "later:\n" + second).book

    assert [0xB0000000] == [entry.start for entry in book or ()]


def test_a_head_that_was_damaged_gives_its_regions_to_nobody() -> None:
    """The device before it has only its own."""
    damaged = LISTING.replace("03:00.0 VGA", "o3:00.0 VGA")

    (first, *_) = pasted(damaged).devices or ()

    assert [0x80000000] == [bar.start for bar in first.bars]


def test_regions_of_a_device_are_joined_without_a_driver_being_claimed() -> None:
    """The file `resource` says nothing of drivers: no entry of its BARs is called loose."""
    lines = "0x00000000a0000000 0x00000000a000ffff 0x000000000014220c\n"

    text = f"{LIST}$ cat /sys/bus/pci/devices/0000:04:00.0/resource\n{lines}"

    assert [("0000:04:00.0", "")] == [(one.address, one.driver) for one in pasted(text).devices or ()]
    assert [] == kinds(text)


def test_mappings_without_a_number_are_of_a_process() -> None:
    """Which one cannot be said."""
    (first, *_) = found(pasted(LIST + LISTING + MAPS))

    assert first.says.startswith("a process asked for write-combining")


@for_each(
    ("parts", "words"),
    [
        (PARTS[:3], ("Who maps it", "/proc/PID/maps")),
        (PARTS[:1], ("whose memory it is", "`lspci -vv`")),
        (PARTS[1:4], ("Which mode is reserved", "pat_memtype_list")),
        (PARTS, ("/proc/PID/maps of every process",)),
    ],
)
def test_what_cannot_be_told_is_one_sentence(parts: Sequence[PastedPart], words: tuple[str, ...]) -> None:
    """With the file that would tell."""
    told = untold(pasted("".join(map(prompted, parts))))

    assert all(word in told for word in words)
    assert 1 == told.count(".") - told.count(".0")


def test_a_log_of_any_length_keeps_nothing() -> None:
    """What is kept does not grow with it."""
    sorter = LineSorter(SnapshotBounds(1))
    line = b"[    1.000000] usb 1-1: new device\n" * 30_000

    for _ in sorter.passing(line for _ in range(20)):
        pass

    assert 0 == len(sorter.files) + len(sorter.blocks) + len(sorter.log.lines)


def test_what_is_kept_of_a_list_has_a_bound() -> None:
    """Its rest is left out, and that is said."""
    text = LIST + "PAT: [mem 0x00000000c0000000-0x00000000c0001000] write-back\n" * 40_000

    snapshot = pasted(text, SnapshotBounds(1))

    (source,) = [one for one in snapshot.sources if one.name.endswith("memtype_list")]
    assert "longer" in source.why
    assert len(snapshot.book or ()) < 40_000


def test_links_to_drivers_are_as_the_drivers_of_a_listing() -> None:
    """`lspci -v` of a user has none of some devices; the links have all."""
    drivers = {
        "0000:00:00.0": "agpgart",
        "0000:03:00.0": "vfio-pci",
        "0000:05:00.0": "five",
        "0000:06:00.0": "six",
    }
    links = "".join(
        f"lrwxrwxrwx 1 root root 0 Jan 1 00:00 {DEVICES}/{address}/driver -> ../../bus/pci/drivers/{name}\n"
        for address, name in drivers.items()
    )
    without = "".join(line for line in LISTING.splitlines(keepends=True) if "Kernel driver" not in line)

    assert "claimed_by_another" not in kinds(IOMEM + without)
    assert found(pasted(IOMEM + LISTING)) == found(pasted(IOMEM + without + links))
    assert found(pasted(IOMEM + LISTING)) == found(pasted(links + without + IOMEM))


def test_an_open_file_of_lsof_is_a_descriptor() -> None:
    """With the process and the number, as in its folder."""
    lines = (
        "COMMAND    PID USER   FD   TYPE DEVICE SIZE/OFF NODE NAME\n"
        "qemu-syst   88 root  mem    REG   0,21     4096  771 /usr/lib/libc.so.6\n"
        "qemu-syst   88 root   29u   REG   0,21     4096  771 /var/log/a log\n"
        "qemu-syst   88 root   30u   CHR 243,12      0t0  539 /dev/vfio/12\n"
    )

    assert pasted(prompted(PARTS[5])).processes == pasted(lines).processes


@given(st.permutations(PARTS).flatmap(lambda every: st.sampled_from([every[:n] for n in range(1, 7)])))
def test_a_subset_contradicts_nothing_of_the_whole(parts: Sequence[PastedPart]) -> None:
    """Its certain findings are findings of the whole, and a missing list is named."""
    whole = set(kinds("".join(map(prompted, PARTS))))
    snapshot = pasted("".join(map(prompted, parts)))

    assert {one.kind for one in found(snapshot)} - DOUBTFUL <= whole
    if PARTS[0] not in parts and PARTS[1] in parts:
        assert "pat_memtype_list" in untold(snapshot)
