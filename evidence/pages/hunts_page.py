"""The page ``docs/hunts.md``: how many random programs ran on each kernel, and their results.

``python -m evidence.pages hunts --write`` writes it from the files in ``evidence/pages/hunts``; no kernel is
booted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from evidence.pages.markdown import table
from evidence.pages.recorded_hunt import RecordedHunt, recorded_hunts

_INTRO = """\
# Hunts

A hunt of the [fuzzer](fuzz.md) runs random programs on a kernel and on the model of its series.
Here are the hunts whose results were recorded, with the exact kernel of each:

```console synopsis
pfnlab fuzz --on model:7.3 --on qemu:7.3 --seed 34 --programs 5000 --known findings --json > hunt.json
python evidence/tools/record_hunt.py hunt.json
```

Every program that is compared agrees after every step, or it is one of those that differ.
A program without a rule runs on the kernel all the same and is judged alone.
In a program with a finding model and kernel differ, or the kernel raises an alarm or breaks a property
for no known reason.
Known findings are those that had been filed before; findings that are not public are only counted.
A new finding stays counted when it was explained, filed or mended afterwards.
Most findings that were not shown again are an int3 which the emulator kept while a kernel patched its code.
Guests in which processors are held now keep their kernel from doing so.
`qemu:debug-7.3` is 7.3 built from source with the configuration `debug`: with KASAN, lockdep and DEBUG_VM.
Other words: [glossary](glossary.md).

"""

_HEAD = (
    *("programs", "compared", "no rule, judged", "no rule, not run", "with a finding"),
    *("known findings", "new findings", "not shown again"),
)


def page() -> str:
    """The page."""
    return "".join((_INTRO, *_sections(recorded_hunts())))


def _sections(hunts: list[RecordedHunt]) -> Iterator[str]:
    yield "## By kernel\n\n"
    yield table(("kernel", "name", *_HEAD), _rows(hunts, lambda hunt: (hunt.kernel, f"`{hunt.name}`")))
    yield "\n## By kind of programs\n\n"
    yield "Plain programs have no driver: files of PCI devices, /dev/mem and ordinary memory.\n\n"
    yield table(
        ("drawn with", *_HEAD), _rows(hunts, lambda hunt: (f"`{hunt.drawn}`" if hunt.drawn else "plain",))
    )


def _rows(
    hunts: Iterable[RecordedHunt], of: Callable[[RecordedHunt], tuple[str, ...]]
) -> list[tuple[str, ...]]:
    # One row for each value of *of*, and one for all.
    hunts = sorted(hunts, key=of)
    rows = [(*name, *_counts(list(group))) for name, group in groupby(hunts, of)]
    together = ("all together", *[""] * (len(of(hunts[0])) - 1)) if hunts else ()
    return [*rows, (*together, *_counts(hunts))] if hunts else []


def _counts(hunts: list[RecordedHunt]) -> tuple[str, ...]:
    def total(count: Callable[[RecordedHunt], int]) -> str:
        return f"{sum(map(count, hunts)):,}"

    return (
        total(lambda hunt: hunt.programs),
        total(lambda hunt: hunt.compared),
        total(lambda hunt: hunt.judged),
        total(lambda hunt: hunt.undecided - hunt.judged),
        total(lambda hunt: hunt.differences + hunt.alarming),
        total(lambda hunt: hunt.known),
        total(lambda hunt: hunt.findings - hunt.known),
        total(lambda hunt: hunt.unstable),
    )
