"""The page ``docs/sizes.md``: structure sizes in every series, and the price of one more field.

``python -m evidence.pages sizes --write`` writes it from the files next to
:mod:`pfnlab.lab.sizes.kernel_sizes`; no kernel is booted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from evidence.pages.markdown import table
from evidence.pages.sizes.price import configuration_of, kmalloc_object, objects_in
from evidence.pages.sizes.sentences import sentences
from evidence.pages.sizes.series import grouped, price_of, prices_of
from pfnlab.base.units import number_of
from pfnlab.kernel.policies.trackers import TRACKERS
from pfnlab.lab.sizes.kernel_sizes import (
    OPTIONS,
    OWN_FIELD,
    STRUCTURES,
    VMA,
    Configuration,
    SeriesSizes,
    holes_in_words,
    known_sizes,
    members_of,
    options_of,
    possible,
)

_NONE = "-"
#: A field of two words costs as much as a user's own tracker might (docs/own-policy.md).
_FIELDS = tuple(sorted({tracker.BYTES_PER_VMA for tracker in TRACKERS.values()} | {16}))

_INTRO = """\
# Sizes: what the kernel's structures take, and what a field more costs

`pfnlab kernels sizes 7.2` reads a kernel,
`python evidence/tools/record_sizes.py` what this page is made of (`src/pfnlab/lab/sizes/data/`).

Who remembers what a mapping reserved pays for it in every VMA of the system, or once for each mapping. The
[policies](policies.md) say how many bytes; here is what becomes of them.

- **Read**: size, members, holes and padding, from the types in each kernel's image (BTF). Size and flags of
  slab objects, in the memory of a guest of each series that was booted for it (`struct kmem_cache`).
- **Derived**: what a field more does, and what is there in another configuration. The members that were
  read are laid out anew by the compiler's rule, `vm_refcnt` at 64 bytes as the source has it (BTF does not
  say so). Without any change all {count} kernels come out as they were read, and a compiler makes the same of
  the kernel's own headers in every configuration (6.1, 6.12, 7.2 and 7.3:
  `tests/evidence/pages/test_sizes_page.py`).

All of it is x86-64. Debug options that add members (lockdep) and the plugin that shuffles them are off.
"""

_READ = """\
## The kernels

For each series its newest kernel; the others of the series that were at hand were read too, and compared in
every size, hole and member.
"""

_BYTES = """\
## Bytes

Of one object; `-` where a kernel has no such structure.
"""

_HOLES = """\
## Holes and padding

`4 at 44`: four bytes that nobody uses from byte 44 on; a word of eight bytes fits no hole smaller than that.
What is lost *in* a member can be used only by who defines the member's type. The padding lies behind the
last member.
"""

_SLABS = """\
## Slab objects

Read in booted guests: *asked* is the size of the structure, *object* the distance from one to the next.
`mm_struct` is asked for with the masks of processors behind it. {beside}
"""

_COSTS = """\
## What the field of a tracker costs

A tracker takes the place of the kernel's own, so from 6.16 on the room of `{own}` is free for it. Its
words go into a hole that has room for one (there is none in any kernel that was read), then into the padding,
and what is left makes the structure grow. In `152 to 160` the first number is the VMA without any tracker.
`driver_hook` needs a pointer in `vm_operations_struct`, which has neither hole nor padding: 8 bytes more for
every driver, and none for a VMA.
"""

_CONTEXTS = """\
A context is allocated for each tracked mapping with kmalloc, which has objects of {classes}
and more bytes. An entry of the book, `memtype`, is {memtype} bytes in an object of {book}.
"""

_CONFIGURATIONS = """\
## On which configurations

One option at a time, against the configuration the kernels were read with (Debian's cloud flavour:
{flavour}).
`152 / 152` is the structure and its slab object without a tracker, then with a field of 8 bytes, and with one
of 24. PER_VMA_LOCK is off only in kernels for one processor, which have no NUMA either.
"""

_ALL_CONFIGURATIONS = """\
And all of them: in how many configurations of these options a field makes structure and object grow.
"""


def sizes_page(kept: Sequence[SeriesSizes]) -> str:
    """The page.

    :param kept: the recorded sizes of every series, oldest first
    """
    return "\n".join(_parts(kept)) + "\n"


def _parts(kept: Sequence[SeriesSizes]) -> Iterator[str]:
    yield _INTRO.format(count=len(kept))
    yield _READ
    yield table(("series", "package", "the same in", "different in"), map(_kernel, kept))
    yield "## The structures\n"
    yield table(
        ("structure", "why it is read", "an object is in"),
        ((f"`{name}`", why, where) for name, (why, where) in STRUCTURES.items()),
    )
    yield _BYTES
    yield table(
        ("structure", *(series.series for series in kept)), (tuple(_bytes(kept, name)) for name in STRUCTURES)
    )
    yield _HOLES
    yield table(
        ("structure", "series", "bytes", "padding", "holes"),
        (row for name in STRUCTURES for row in _holes(kept, name)),
    )
    yield _SLABS.format(beside=" ".join(_locks_beside(kept)))
    caches = [name for name, (_, where) in STRUCTURES.items() if where.startswith("slab")]
    yield table(
        ("cache", "series", "asked", "object", "aligned to", "objects a slab", "flags"),
        (row for name in caches for row in _slabs(kept, name)),
    )
    yield _COSTS.format(own=OWN_FIELD)
    yield table(
        ("bytes a VMA", "trackers", "series", "structure", "in padding", "object", "VMAs a slab"),
        (row for size in _FIELDS for row in _costs(kept, size)),
    )
    yield _context_intro(kept)
    yield table(("tracker", "bytes a context", "object"), _contexts(kept))
    yield _CONFIGURATIONS.format(flavour=_flavour(kept))
    yield table(("series", "configuration", "without", "8 bytes", "24 bytes"), _single_options(kept))
    yield _ALL_CONFIGURATIONS
    yield table(
        (
            "series",
            "bytes a VMA",
            "configurations",
            "structure grows in",
            "object grows in",
            "largest object",
        ),
        _all_options(kept),
    )
    yield "## Two sentences of the discussions\n"
    yield from sentences(kept)


def _kernel(series: SeriesSizes) -> tuple[str, ...]:
    sets = Counter(series.unlike.values())
    unlike = "; ".join(
        f"{number_of(count, 'other')}: {', '.join(f'`{name}`' for name in names)}"
        for names, count in sets.items()
    )
    alike = number_of(len(series.alike), "other") if series.alike else _NONE
    return series.series, series.package_version, alike, unlike or _NONE


def _bytes(kept: Sequence[SeriesSizes], name: str) -> Iterator[str]:
    yield f"`{name}`"
    for series in kept:
        yield str(series.structures[name].size) if name in series.structures else _NONE


def _holes(kept: Sequence[SeriesSizes], name: str) -> Iterator[tuple[str, ...]]:
    for names, structure in grouped(kept, lambda series: _outline(series, name)):
        if structure is not None:
            yield f"`{name}`", names, *structure


def _outline(series: SeriesSizes, name: str) -> tuple[str, str, str] | None:
    structure = series.structures.get(name)
    if structure is None:
        return None
    return str(structure.size), str(structure.padding or _NONE), holes_in_words(structure)


def _locks_beside(kept: Sequence[SeriesSizes]) -> Iterator[str]:
    for series in kept:
        if "vma_lock" in series.slabs:
            together = series.slabs[VMA].size + series.slabs["vma_lock"].size
            yield f"In {series.series} every VMA has a `vma_lock` beside it: {together} bytes together."


def _slabs(kept: Sequence[SeriesSizes], name: str) -> Iterator[tuple[str, ...]]:
    for names, slab in grouped(kept, lambda series: series.slabs.get(name)):
        if slab is not None:
            pages = number_of(1 << slab.order, "page")
            alone = "" if slab.name == name else f" (merged into `{slab.name}`)"
            flags = ", ".join(flag.removeprefix("SLAB_") for flag in slab.flags) or _NONE
            yield (
                f"`{name}`{alone}",
                names,
                *(str(number) for number in (slab.object_size, slab.size, slab.align)),
                f"{slab.objects} in {pages}",
                flags,
            )


def _costs(kept: Sequence[SeriesSizes], size: int) -> Iterator[tuple[str, ...]]:
    trackers = [f"`{name}`" for name, tracker in TRACKERS.items() if size == tracker.BYTES_PER_VMA]
    users = ", ".join(trackers) or "none here; one of your own"

    def cells(series: SeriesSizes) -> tuple[str, ...]:
        cost, slab = price_of(series, size), series.slabs[VMA]
        return (
            _change(cost.before, cost.after),
            str(cost.in_padding or _NONE),
            _change(cost.slab_before, cost.slab_after),
            _change(objects_in(slab, cost.slab_before), objects_in(slab, cost.slab_after)),
        )

    for names, values in grouped(kept, cells):
        yield str(size), users, names, *values


def _change(before: int, after: int) -> str:
    return str(before) if before == after else f"{before} to **{after}**"


def _context_intro(kept: Sequence[SeriesSizes]) -> str:
    newest = kept[-1]
    classes = sorted({slab.size for name, slab in newest.slabs.items() if name.startswith("kmalloc-")})
    memtype = newest.structures["memtype"].size
    return _CONTEXTS.format(
        classes=", ".join(str(size) for size in classes if size <= 256),
        memtype=memtype,
        book=kmalloc_object(memtype, newest.slabs),
    )


def _contexts(kept: Sequence[SeriesSizes]) -> Iterator[tuple[str, ...]]:
    for name, tracker in TRACKERS.items():
        size = tracker.BYTES_PER_CONTEXT
        if size:
            sizes = sorted({kmalloc_object(size, series.slabs) for series in kept})
            yield f"`{name}`", str(size), " or ".join(map(str, sizes))


def _flavour(kept: Sequence[SeriesSizes]) -> str:
    on = configuration_of(members_of(kept[-1]))
    return ", ".join(f"{option.name} {'on' if option.name in on else 'off'}" for option in OPTIONS)


def _single_options(kept: Sequence[SeriesSizes]) -> Iterator[tuple[str, ...]]:
    def cells(series: SeriesSizes) -> tuple[tuple[str, ...], ...]:
        return tuple(_options_of_series(series))

    for names, rows in grouped(kept, cells):
        for row in rows:
            yield names, *row


def _options_of_series(series: SeriesSizes) -> Iterator[tuple[str, ...]]:
    members = members_of(series)
    read = configuration_of(members)
    cases: list[tuple[str, Configuration]] = [("as read", read)]
    options = options_of(members)
    for option in options:
        if option.name in read:
            cases.append((f"without {option.name}", possible(read - {option.name}, options)))
        else:
            cases.append((f"with {option.name}", read | {option.name}))
    for name, configuration in cases:
        small, large = (price_of(series, size, configuration) for size in (8, 24))
        yield (
            name,
            f"{small.before} / {small.slab_before}",
            f"{small.after} / {small.slab_after}",
            f"{large.after} / {large.slab_after}",
        )


def _all_options(kept: Sequence[SeriesSizes]) -> Iterator[tuple[str, ...]]:
    def cells(series: SeriesSizes) -> tuple[tuple[str, ...], ...]:
        rows = []
        for size in filter(None, _FIELDS):
            prices = prices_of(series, size)
            grown = sum(cost.after > cost.before for cost in prices)
            larger = sum(cost.slab_after > cost.slab_before for cost in prices)
            largest = max(cost.slab_after for cost in prices)
            rows.append(tuple(map(str, (size, len(prices), grown, larger, largest))))
        return tuple(rows)

    for names, rows in grouped(kept, cells):
        for row in rows:
            yield names, *row


def page() -> str:
    """Return the stored page."""
    return sizes_page(known_sizes())
