"""A second file of the guest driver's device, and a mmap that hands its VMA to another file (S9.12)."""

from __future__ import annotations

from for_each import for_each

from pfnlab.kernel.policies.profiles import SERIES
from pfnlab.kernel.policies.releases import RELEASES
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Step

every_series = for_each("series", SERIES)


def run(machine: str, *ops: str) -> tuple[Step, ...]:
    """The steps of a program and its end."""
    areas = "area a: 1024 pages\n" if any("a[5" in op for op in ops) else ""
    head = f"pfnlab program 1\ndevice bar: pci, 16 pages\n{areas}"
    return ModelMachine(machine).run_one(load_text(head + "\n".join(ops) + "\n")).steps


def files(step: Step) -> list[str]:
    """The files of its VMAs."""
    return [vma.file for vma in step.vmas or ()]


def shown(step: Step) -> list[str]:
    """What its entries map."""
    return [str(seen.target) for seen in step.ptes or () if seen.target]


@every_series
@for_each(("how", "file", "left"), [("export", "export", ["bar[0:4]"]), ("stack", "driver", [])])
def test_a_revocation_reaches_the_mappings_of_its_own_file(
    series: str, how: str, file: str, left: list[str]
) -> None:
    """Those of a second file stay; a VMA that was handed over is of the file that has it now (S9.12.1)."""
    mapped, revoked, _ = run(
        series, f"a = mmap bar[0:4] driver {how} wc shared rw", "unmap_mapping_range bar[0:16]"
    )

    assert ([file], ["bar[0:4]"]) == (files(mapped), shown(mapped))
    assert ([file], left) == (files(revoked), shown(revoked))


@for_each(("how", "first"), [("stack_prepare", "6.19"), ("simple_ioremap", "7.1")])
def test_a_stacked_mmap_of_two_phases(how: str, first: str) -> None:
    """Kernels can remap so since 6.19, and by the counterpart of vm_iomap_memory since 7.1 (S9.12.3)."""
    for series in SERIES:
        mapped, _ = run(series, f"a = mmap bar[4:8] driver {how} wc shared rw")

        if RELEASES.index(series) < RELEASES.index(first):
            assert ("EOPNOTSUPP", [], []) == (mapped.result, files(mapped), shown(mapped))
        else:
            assert ("ok", ["driver"], ["bar[4:8]"]) == (mapped.result, files(mapped), shown(mapped))


_FAILING = "fail __pte_alloc 2 in remap_pfn_range: mmap bar[0:4] driver {} wc shared rw over a[510:514]"


@for_each(
    ("machine", "how", "expected"),
    [
        ("7.3", "stack", []),
        ("7.3,error_puts_vm_file=off", "stack", ["pfnlab: a mapping that failed holds its file"]),
        # There is one file, so the right one is given up.
        ("7.3,error_puts_vm_file=off", "export", []),
    ],
)
def test_the_file_that_a_failed_mmap_gives_up(machine: str, how: str, expected: list[str]) -> None:
    """Before 5.11 it was the one that was opened, whichever the VMA had by then (S9.12.4)."""
    failed, _ = run(machine, _FAILING.format(how))

    assert ("ENOMEM", expected) == (failed.result, list(failed.log))
