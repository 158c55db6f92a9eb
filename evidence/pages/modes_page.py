"""The page ``docs/modes.md``: the cache mode of a mapping, by interface, kernel and existing reservation.

``python -m evidence.pages modes --write`` writes it. Every cell is a program, run on the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from evidence.pages.markdown import table
from pfnlab.base.errors import Discovery
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.mode_lines import mode_lines
from pfnlab.programs.runs.observation import Step

#: One kernel that tracks by VMA, one with huge PFN mappings, and one with counted contexts.
SERIES = ("6.1", "6.12", "7.3")

#: Modes a BAR can be reserved in; write-back is not one, because its MTRRs say uncached.
EXISTING = ("wc", "uc-", "uc", "wt")

#: The range of all mappings, without its name.
_PAGES = "[0:8]"

_INTRO = """\
# Which mode does my mapping get?

A mapping of device memory asks for a cache mode, and the kernel may silently grant another one.
All mappings of a physical page should have the same mode.
So the kernel keeps a list of reserved ranges and their modes, `pat_memtype_list`; we call it the *book*.

- **The book wins.** A new mapping of a reserved range gets the mode of the reservation, whatever it asks for.
  The call succeeds: only write-through over write-combining is refused.
- **A BAR is never write-back.** The MTRRs say that it is uncached, so a request for `wb` becomes `uc-`.
- **A fault looks up the mode but reserves nothing.** `vmf_insert_pfn` takes the mode from the book.
  Without a reservation that is `uc-`, even if the driver asked for `wc`: reserve first, e.g. with
  `arch_io_reserve_memtype_wc`.
- **Nothing stops a driver that writes entries itself.** Its `apply_to_page_range` callback decides the
  mode, so a page may have two modes (bug C01).

Modes for a BAR, by the mode in which the range is already reserved:

"""

_LEGEND = """\
Modes: `wc` write-combining, `uc-` uncached unless an MTRR says write-combining, `uc` uncached,
`wt` write-through, `wb` write-back.
A cell shows the mode of the page-table entries; for `ioremap` and `memremap`, the mode of the reservation.
**Bold** means that it differs from the request; an errno is a refusal.
`-` cannot occur: a vfio-pci device has no other driver that could have reserved its BAR.
Opening it removes all mappings made through `resourceN`, and up to 6.15 their reservations too (bug A08).
"""

_CHECK = """\
## Check it

`pfnlab run` prints the mode after each step, e.g. `uc- (asked wc)` ([reading the output](output.md)):

```console
$ pfnlab run adopt-uc --on model:7.3
...
b = mmap bar[0:8] wc shared rw   ok
...
                                 b[0:8] uc- (asked wc)
...
```

On a machine, `pfnlab inspect` lists each mapping with its reservation.
Without PAT (`nopat`) there is no `wc`: such requests get `uc-`.
Rules: [S1](semantics/S1.md) modes, [S2](semantics/S2.md) the book, [S9](semantics/S9.md) files and drivers.
"""


class Interface(NamedTuple):
    """A way to map.

    :param name: its name, as Markdown
    :param asks: the mode it requests; ``existing`` if it requests none
    :param lines: the operations; *PAGES* is the range
    :param by_files: True if only PCI device files can reserve the range beforehand
    """

    name: str
    asks: str
    lines: tuple[str, ...]
    by_files: bool = False


def _mmap(via: str) -> tuple[str, ...]:
    return (f"a = mmap bar{_PAGES} {via} shared rw", "read a[0]")


INTERFACES = (
    Interface("mmap of `resourceN`", "uc-", _mmap("uc")),
    Interface("mmap of `resourceN_wc`", "wc", _mmap("wc")),
    Interface("mmap of `/dev/mem`", "existing", _mmap("devmem")),
    Interface("mmap of `/dev/mem`, O_SYNC", "uc-", _mmap("devmem-sync")),
    Interface("mmap of a vfio-pci region", "uc-", _mmap("vfio"), by_files=True),
    Interface("`remap_pfn_range`, `pgprot_writecombine`", "wc", _mmap("driver remap wc")),
    Interface("`remap_pfn_range`, `pgprot_noncached`", "uc-", _mmap("driver remap uc-")),
    Interface("`remap_pfn_range`, `vm_page_prot` unchanged", "wb", _mmap("driver remap")),
    Interface("`vmf_insert_pfn`, `pgprot_writecombine`", "wc", _mmap("driver fault wc")),
    Interface("`vmf_insert_pfn`, `pgprot_noncached`", "uc-", _mmap("driver fault uc-")),
    Interface("`apply_to_page_range`, WC entries", "wc", _mmap("driver apply wc")),
    Interface("`ioremap`", "uc-", (f"ioremap bar{_PAGES} uc-",)),
    Interface("`ioremap_wc`", "wc", (f"ioremap bar{_PAGES} wc",)),
    Interface("`ioremap_uc`", "uc", (f"ioremap bar{_PAGES} uc",)),
    Interface("`ioremap_wt`", "wt", (f"ioremap bar{_PAGES} wt",)),
    Interface("`ioremap_cache`", "wb", (f"ioremap bar{_PAGES} wb",)),
    Interface("`memremap`, MEMREMAP_WC", "wc", (f"memremap bar{_PAGES} wc",)),
    Interface("`memremap`, MEMREMAP_WT", "wt", (f"memremap bar{_PAGES} wt",)),
    Interface("`memremap`, MEMREMAP_WB", "wb", (f"memremap bar{_PAGES} wb",)),
)


def page() -> str:
    """The page."""
    return "\n".join((_INTRO + table(_HEAD, _rows()), _LEGEND, _CHECK))


_HEAD = ("interface", "requests", "kernels", "not reserved", *EXISTING)


def _rows() -> Iterator[Sequence[str]]:
    for interface in INTERFACES:
        by_result: dict[tuple[str, ...], list[str]] = {}
        for series in SERIES:
            got = tuple(mode_of(series, interface, existing) for existing in ("", *EXISTING))
            by_result.setdefault(got, []).append(series)
        for number, (got, names) in enumerate(by_result.items()):
            kernels = "all" if len(names) == len(SERIES) else ", ".join(names)
            cells = (_cell(one, interface.asks) for one in got)
            yield (*((interface.name, interface.asks) if number == 0 else ("", "")), kernels, *cells)


def _cell(got: str, asked: str) -> str:
    """The mode, bold if it was not requested."""
    return got if got in (asked, "-") or asked == "existing" or got.isupper() else f"**{got}**"


def mode_of(series: str, interface: Interface, existing: str = "") -> str:
    """Return the mode a mapping gets, an errno if it is refused, or ``-`` if the case cannot occur.

    :param existing: the mode in which the range is already reserved; empty if it is not
    :raises Discovery: if the model reserves it in another mode
    """
    reserve = ""
    if existing and interface.by_files:
        files = {"wc": "wc", "uc-": "uc"}
        if existing not in files:
            return "-"
        reserve = f"b = mmap bar{_PAGES} {files[existing]} shared rw"
    elif existing:
        reserve = f"ioremap bar{_PAGES} {existing}"
    lines = ("pfnlab program 1", "device bar: pci, 16 pages", "", *filter(None, (reserve,)), *interface.lines)
    program = load_text("\n".join(lines) + "\n", interface.name)
    steps = ModelMachine(series).run_one(program).steps
    at = 1 if existing else 0
    if existing and _reserved(steps[0], None) != existing:
        raise Discovery(f"model:{series}: {reserve} does not reserve {existing}")
    if steps[at].result != "ok":
        return str(steps[at].result)
    if not interface.lines[0].startswith("a = "):
        return _reserved(steps[at], steps[at - 1] if at else None)
    (line,) = (one for one in mode_lines(program.ops, steps)[at + 1] if one.startswith("a["))
    return line.split()[1]


def _reserved(after: Step, before: Step | None) -> str:
    """Return the mode of the entry that a step added to the book."""
    (entry,) = (Counter(after.book or ()) - Counter((before.book or ()) if before else ())).elements()
    return entry.mode.lower()
