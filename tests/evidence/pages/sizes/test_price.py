"""The price of one more field: derived by the compiler's rule, and equal to a compiler's answer."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from for_each import for_each
from having import EVERY_SERIES, NEW, OLD, bootable, have

from evidence.pages.sizes.price import configuration_of, kmalloc_object, laid_out, price, slab_object
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.lab.images.cache import cache_root
from pfnlab.lab.images.driver_module import driver_for
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.lens.structure_sizes import SizedMember, SlabCache
from pfnlab.lab.sizes.kernel_sizes import (
    OPTIONS,
    OWN_FIELD,
    WORD,
    Configuration,
    SeriesSizes,
    configurations,
    configured,
    known_sizes,
    structures_of,
    types_of,
)

KEPT = known_sizes()

PLAIN = SlabCache("plain", 0, 0, 8, (), 0, 0)
ALIGNED = SlabCache("aligned", 0, 0, 64, ("SLAB_HWCACHE_ALIGN",), 0, 0)

#: Every series, by its name.
every_series = for_each("series", KEPT, ids=lambda kept: kept.series)


def words(*sizes: int) -> list[SizedMember]:
    """Members of so many bytes each, where they are not yet laid out."""
    return [SizedMember(f"m{place}", 0, size, min(size, 8)) for place, size in enumerate(sizes)]


def costs(members: Sequence[SizedMember], size: int, slab: SlabCache = PLAIN) -> tuple[int, int, int, int]:
    """Sizes before and after, and what lies in holes and in padding."""
    cost = price(members, size, slab, configuration_of(members))
    return cost.before, cost.after, cost.in_holes, cost.in_padding


def test_members_are_aligned() -> None:
    """An int before a long has four bytes behind it, and the whole is as aligned as the long."""
    placed, size, alignment = laid_out(words(4, 8, 4))

    assert [member.offset for member in placed] == [0, 8, 16]
    assert (size, alignment) == (24, 8)


def test_a_member_may_be_aligned_more_than_its_type_asks() -> None:
    """The source says so, and the whole is aligned like it."""
    counted = SizedMember("vm_refcnt", 0, 4, 4)

    placed, size, alignment = laid_out([*words(8), counted])

    assert [member.offset for member in placed] == [0, 64]
    assert (size, alignment) == (128, 64)


def test_a_word_fits_no_hole_of_four_bytes() -> None:
    """It goes behind the last member."""
    assert costs(words(4, 8), 8) == (16, 24, 0, 0)


def test_a_word_fits_a_hole_of_eight_bytes() -> None:
    """Nothing grows."""
    members = [*words(8), SizedMember("vm_refcnt", 0, 4, 4)]

    assert costs(members, 8) == (128, 128, 8, 0)


def test_words_fill_holes_before_the_padding() -> None:
    """Of eight words seven are in the hole before the aligned member."""
    members = [*words(8), SizedMember("vm_refcnt", 0, 4, 4)]

    assert costs(members, 64) == (128, 128, 56, 8)


def test_what_fits_nowhere_makes_the_structure_grow_by_its_alignment() -> None:
    """A word behind a full cache line costs a whole one."""
    members = [SizedMember("vm_refcnt", 0, 4, 4), *words(4, 8, 8, 8, 8, 8, 8, 8)]

    assert costs(members, 8) == (64, 128, 0, 0)


def test_a_field_of_no_bytes_costs_nothing() -> None:
    """Neither in the structure nor in its object."""
    assert costs(words(8, 8), 0) == (16, 16, 0, 0)


def test_the_kernels_own_field_is_left_out() -> None:
    """A tracker takes its place."""
    members = [*words(8), SizedMember(OWN_FIELD, 8, 8, 8)]

    assert costs(members, 8) == (8, 16, 0, 0)


@for_each(("size", "slab", "wanted"), [(152, PLAIN, 152), (152, ALIGNED, 192), (24, ALIGNED, 32)])
def test_objects_of_a_slab_are_aligned(size: int, slab: SlabCache, wanted: int) -> None:
    """To words, or to cache lines, of which small objects share one."""
    assert slab_object(size, 8, slab) == wanted


@every_series
def test_what_was_read_is_laid_out_alike(series: SeriesSizes) -> None:
    """Offsets and size of a VMA follow from the members alone, in every kernel that was read."""
    vma = series.structures["vm_area_struct"]

    placed, size, _ = laid_out(vma.members)

    assert placed == vma.members
    assert size == vma.size


@every_series
def test_the_object_that_was_read_is_the_one_derived(series: SeriesSizes) -> None:
    """From the size of the structure and the flags of its cache."""
    vma, slab = series.structures["vm_area_struct"], series.slabs["vm_area_struct"]
    _, _, alignment = laid_out(vma.members)

    assert slab_object(vma.size, alignment, slab) == slab.size


@every_series
def test_the_kernel_has_the_costs_of_its_tracker(series: SeriesSizes) -> None:
    """`track_ctx` is the tracker since 6.16: a pointer in the VMA, and its context."""
    own = [member.size for member in series.structures["vm_area_struct"].members if member.name == OWN_FIELD]
    context = series.structures.get("pfnmap_track_ctx")

    if series.series in ("6.1", "6.12"):
        assert (own, context) == ([], None)
    else:
        assert context is not None
        assert own == [TRACKERS["track_ctx"].BYTES_PER_VMA]
        assert context.size == TRACKERS["track_ctx"].BYTES_PER_CONTEXT


@every_series
def test_a_context_is_in_the_smallest_object_that_has_room(series: SeriesSizes) -> None:
    """24 bytes take 32, 144 take 192."""
    assert kmalloc_object(24, series.slabs) == 32
    assert kmalloc_object(144, series.slabs) == 192


def test_the_options_of_the_kernels_that_were_read() -> None:
    """Debian's cloud kernels have no names for anonymous VMAs; two more came after 6.1."""
    assert configuration_of(KEPT[0].structures["vm_area_struct"].members) == {"NUMA", "SWAP", "USERFAULTFD"}
    assert configuration_of(KEPT[-1].structures["vm_area_struct"].members) == {
        option.name for option in OPTIONS if option.name != "ANON_VMA_NAME"
    }


#: Kernels whose headers are asked.
of_headers = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.xdist_group(f"kernel-{name}"))
        for name in (("6.1", "6.12", "7.2", "7.3") if EVERY_SERIES else (OLD, NEW))
    ],
)

_PROBE = """\
#include <linux/mm_types.h>
#define SAY(value) asm volatile("\\n->%0" :: "i"(value))
void probe(void);
void probe(void) { SAY(sizeof(struct vm_area_struct)); SAY(_Alignof(struct vm_area_struct)); }
"""

_FLAGS = (
    *("-nostdinc", "-D__KERNEL__", "-std=gnu11", "-fshort-wchar", "-funsigned-char", "-fno-PIE", "-w", "-O2"),
    *("-m64", "-mno-sse", "-mno-mmx", "-mno-80387", "-mcmodel=kernel", "-mno-red-zone", "-fms-extensions"),
    *('-DKBUILD_MODNAME="probe"', '-DKBUILD_BASENAME="probe"'),
)


class Compiler:
    """A compiler with the headers of one kernel, whose options can be changed."""

    def __init__(self, kernel: KernelImage, folder: Path) -> None:
        have(lambda: driver_for(kernel))
        sources = cache_root() / "headers" / kernel.version / "usr" / "src"
        own = sources / f"linux-headers-{kernel.release}"
        (common,) = sources.glob("linux-headers-*-common")
        self._folder = folder
        self._autoconf = (own / "include" / "generated" / "autoconf.h").read_text()
        self._types = (common / "include" / "linux" / "mm_types.h").read_text()
        (folder / "generated").mkdir()
        (folder / "linux").mkdir()
        (folder / "probe.c").write_text(_PROBE)
        parts = ("arch/x86/include", "include", "arch/x86/include/uapi", "include/uapi")
        made = (
            *("arch/x86/include/generated", "include"),
            *("arch/x86/include/generated/uapi", "include/generated/uapi"),
        )
        pairs = zip(parts, made, strict=True)
        places = [place for part, other in pairs for place in (common / part, own / other)]
        first = ("compiler-version.h", "kconfig.h", "compiler_types.h")
        self._command = [
            *("gcc", *_FLAGS, f"-I{folder}", *(f"-I{place}" for place in places)),
            *(word for name in first for word in ("-include", str(common / "include" / "linux" / name))),
            *("-S", "-o", "-", str(folder / "probe.c")),
        ]

    def put_words(self, count: int) -> None:
        """So many words behind the last member of a VMA, in place of the kernel's own field."""
        last = "\tstruct vm_userfaultfd_ctx vm_userfaultfd_ctx;\n"
        assert self._types.count(last) == 1
        text = self._types.replace(last, f"{last}\tunsigned long words[{count}];\n")
        text = text.replace(f"\tstruct {OWN_FIELD} *{OWN_FIELD};\n", "")
        (self._folder / "linux" / "mm_types.h").write_text(text)

    def size_and_alignment(self, on: Configuration) -> tuple[int, int]:
        """Of a VMA, with these options on and the others off."""
        names = {option.name for option in OPTIONS}
        lines = [
            line
            for line in self._autoconf.splitlines()
            if not (match := re.match(r"#define CONFIG_(\w+) ", line)) or match[1] not in names
        ]
        lines += [f"#define CONFIG_{name} 1" for name in sorted(on)]
        (self._folder / "generated" / "autoconf.h").write_text("\n".join(lines) + "\n")
        answer = subprocess.run(self._command, capture_output=True, text=True, check=True, timeout=60)
        size, alignment = (int(number) for number in re.findall(r"->\$(\d+)", answer.stdout))
        return size, alignment


@pytest.mark.lab
@pytest.mark.timeout(600)
@of_headers
def test_a_compiler_says_the_same_of_every_configuration(name: str, tmp_path: Path) -> None:
    """With the kernel's own headers, and the same options on and off; by default of every fourth."""
    kernel = bootable(name)
    members = structures_of(types_of(kernel))["vm_area_struct"].members
    own = [member for member in members if member.name == OWN_FIELD]
    compiler = Compiler(kernel, tmp_path)

    for on in list(configurations(members))[:: 1 if EVERY_SERIES else 4]:
        _, size, alignment = laid_out([*configured(members, on), *own])
        assert compiler.size_and_alignment(on) == (size, alignment), sorted(on)


@pytest.mark.lab
@pytest.mark.timeout(600)
@of_headers
def test_a_compiler_says_the_same_of_a_field_more(name: str, tmp_path: Path) -> None:
    """One to four words in the kernel's own header; where none goes into a hole they lie behind the last."""
    kernel = bootable(name)
    members = structures_of(types_of(kernel))["vm_area_struct"].members
    compiler = Compiler(kernel, tmp_path)

    for count in range(1, 5):
        compiler.put_words(count)
        cost = price(members, count * WORD, PLAIN, configuration_of(members))
        assert cost.in_holes == 0
        assert compiler.size_and_alignment(configuration_of(members))[0] == cost.after, count
