"""``pfnlab kernels meet`` and ``diff``: what they print and write, and what their exit codes mean."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from asking import Ask

from pfnlab.base import progress
from pfnlab.base.errors import MissingTool
from pfnlab.hunt.meeting import holding, kernel_meeting
from pfnlab.lab.building.built import BuiltKernel, keep_built
from pfnlab.lab.images import changelog
from pfnlab.lab.images.archive import Package
from pfnlab.lab.images.cache import sha256_of
from pfnlab.lab.images.kernel_offers import Offer
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running import qemu_machine
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run

LOCKED = """pfnlab program 1
device bar: pci, 1 page

a = mmap anon[0:3] private rw
mlock a
mremap a[1] 1 page maymove dontunmap
"""

#: One random program, the same on all kernels, so that a meeting is quick.
FEW = ("--programs", 1, "--seed", 8)


class Guest:
    """A kernel that has the rules of its version; one is said to be 6.12.116 and has those of 6.12.113."""

    def __init__(self, kernel: KernelImage, **_: object) -> None:
        version = kernel.upstream or "6.12.117"
        self._model = ModelMachine({"6.12.116": "6.12.113"}.get(version, version))

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """One run a program."""
        return self._model.run(programs)

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left."""


@pytest.fixture(autouse=True)
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Kernels without an archive or QEMU, one that cannot be had, two cells of walkers; what is on offer."""
    offers: list[str] = []

    def had(name: str) -> KernelImage:
        if name.startswith("6.12.99"):
            raise MissingTool(f"the archive has no kernel {name}")
        version = name.partition("-")[0]
        return KernelImage(
            "6.12",
            f"linux-image-{version}",
            f"{version}-1",
            f"{version}+deb13",
            tmp_path / "vmlinuz",
            "0" * 64,
        )

    def on_offer(**_: object) -> list[Any]:
        return [SimpleNamespace(package=Package("linux", one, "trixie", 0), known=False) for one in offers]

    monkeypatch.setattr(kernel_meeting, "kernel_for", had)
    monkeypatch.setattr("pfnlab.lab.images.kernels.read_lists", on_offer)
    monkeypatch.setattr(kernel_meeting, "available_offers", list[Offer])
    for module in (changelog, kernel_meeting):
        monkeypatch.setattr(module, "changelog_of", lambda kernel, say: None)
    for module in (qemu_machine, kernel_meeting):
        monkeypatch.setattr(module, "QemuMachine", Guest)
    monkeypatch.setattr("pfnlab.lab.images.kernels.suites_of", lambda kernel: ["trixie"])
    cells = dict(list(holding.walker_programs().items())[:1])
    monkeypatch.setattr(holding, "walker_programs", lambda: cells)
    return offers


@pytest.fixture(autouse=True)
def litmus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One program in the place of those that come with pfnlab."""
    monkeypatch.setattr("pfnlab.hunt.meeting.holding.library_folder", lambda: tmp_path / "litmus")
    (tmp_path / "litmus").mkdir()
    (tmp_path / "litmus" / "locked.pfn").write_text(LOCKED)
    monkeypatch.chdir(tmp_path)


def test_a_kernel_without_differences(ask: Ask) -> None:
    """Its page says so: 0."""
    answer = ask("kernels", "meet", "6.12.117", *FEW)

    assert 0 == answer.code
    assert answer.out.startswith("# qemu:6.12.117 against model:6.12.117\n")
    assert "No difference in " in answer.out


def test_a_kernel_that_differs(ask: Ask) -> None:
    """What differs is explained: 1."""
    answer = ask("kernels", "meet", "6.12.116", *FEW)

    assert 1 == answer.code
    assert "explained by dontunmap_unlocks_all=on" in answer.out


def test_promote_writes_what_is_known(ask: Ask, tmp_path: Path) -> None:
    """A line with the package's version."""
    answer = ask("kernels", "meet", "6.12.117", *FEW, "--promote", "--known", tmp_path / "known.jsonl")

    assert 0 == answer.code
    said = json.loads((tmp_path / "known.jsonl").read_text())
    assert ("6.12.117-1", 1) == (said["package_version"], said["held"]["litmus"]["programs"])


def test_promote_is_refused_where_it_differs(ask: Ask, tmp_path: Path) -> None:
    """Why is said, nothing is written, and the page is there all the same: 1."""
    answer = ask("kernels", "meet", "6.12.116", *FEW, "--promote", "--known", tmp_path / "known.jsonl")

    assert 1 == answer.code
    assert "6.12.116 differs from its model and does not become known" in answer.err
    assert "explained by" in answer.out
    assert not (tmp_path / "known.jsonl").exists()


def test_promote_by_another_model(ask: Ask) -> None:
    """A kernel is known by its own rules only: 2."""
    answer = ask("kernels", "meet", "6.12.117", "--promote", "--profile", "6.12.94")

    assert (2, True) == (answer.code, "--profile excludes --promote" in answer.err)


def test_a_kernel_that_cannot_be_had(ask: Ask) -> None:
    """One line why: 3."""
    answer = ask("kernels", "meet", "6.12.99", *FEW)

    assert (3, "") == (answer.code, answer.out)
    assert "the archive has no kernel 6.12.99" in answer.err


def test_new_meets_all_it_can(ask: Ask, world: list[str]) -> None:
    """One that cannot be had ends nothing; a difference of another decides the code."""
    world += ["6.12.99-1", "6.12.117-1"]
    some = ask("kernels", "meet", "--new", *FEW)
    world += ["6.12.116-1"]
    all_of_them = ask("kernels", "meet", "--new", *FEW, "--json")

    assert (3, True) == (some.code, "6.12.99-1 could not be compared: the archive" in some.err)
    assert "No difference in" in some.out
    assert 1 == all_of_them.code
    assert [False, True] == [bool(json.loads(line)["differences"]) for line in all_of_them.out.splitlines()]


def test_several_kernels_are_counted(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many of them were met, beside what goes on in each."""
    monkeypatch.setattr(progress, "EVERY", 0.0)

    answer = ask("kernels", "meet", "6.12.116", "6.12.117", *FEW, "--jobs", 2)

    assert ["1 of 2, 50 %", "2 of 2, 100 %"] == [
        line.removeprefix("comparing 2 kernels: ")
        for line in answer.err.splitlines()
        if line.startswith("comparing 2 kernels: ")
    ]


def test_nothing_new(ask: Ask) -> None:
    """That is well: 0."""
    answer = ask("kernels", "meet", "--new")

    assert (0, "every kernel on offer is known\n") == (answer.code, answer.err)


def test_no_kernel_is_named(ask: Ask) -> None:
    """What to write is said: 2."""
    answer = ask("kernels", "meet")

    assert (2, True) == (answer.code, "write 6.12.107, --new, or a bzImage" in answer.err)


def test_a_file_that_does_not_say_which_kernel_it_is(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """--profile says it; without it, that is what to write: 2."""
    image = tmp_path / "bzImage"
    image.write_bytes(b"")
    own = KernelImage("", "", "next-20261120", "next-20261120", image, "")
    monkeypatch.setattr(kernel_meeting, "from_file", lambda path: own)
    lost = ask("kernels", "meet", image, *FEW)
    told = ask("kernels", "meet", image, *FEW, "--profile", "6.12.117")

    assert (2, True) == (lost.code, "--profile VERSION" in lost.err)
    assert (0, True) == (told.code, "against model:6.12.117" in told.out)


def test_the_page_in_a_file(ask: Ask, tmp_path: Path) -> None:
    """Nothing is printed then."""
    answer = ask("kernels", "meet", "6.12.117", *FEW, "-o", tmp_path / "page.md")

    assert (0, "") == (answer.code, answer.out)
    assert "No difference in " in (tmp_path / "page.md").read_text()


def test_two_kernels(ask: Ask) -> None:
    """What differs, and what distinguishes their models: 1; two that do the same: 0."""
    differ = ask("kernels", "diff", "6.12.113", "6.12.117", *FEW)
    same = ask("kernels", "diff", "6.12.115", "6.12.117", *FEW)

    assert 1 == differ.code
    assert differ.out.startswith("# qemu:6.12.117 against qemu:6.12.113\n")
    assert "explained by dontunmap_unlocks_all=off (6.12.114: " in differ.out
    assert (0, True) == (same.code, "No difference in " in same.out)


def test_the_same_kernel_twice(ask: Ask) -> None:
    """Nothing can differ: 2, and what to do."""
    answer = ask("kernels", "diff", "6.12.117", "6.12.117-1", *FEW)

    assert (2, True) == (answer.code, "6.12.117 and 6.12.117-1 are the same kernel: name two" in answer.err)


def own_kernel(name: str, tmp_path: Path) -> None:
    """A kernel of 6.12.117 that was built here."""
    for part in ("vmlinuz", "config"):
        (tmp_path / part).write_bytes(b"")
    kernel = BuiltKernel(
        **{"name": name, "version": "6.12.117", "series": "6.12", "release": "6.12.117", "source": "linux"},
        **{"patches": (), "policy": "", "configuration": "lab", "lacks": (), "content": "1" * 64},
        **{"sha256": sha256_of(tmp_path / "vmlinuz"), "seconds": 1.0},
    )
    keep_built(kernel, tmp_path / "vmlinuz", tmp_path / "config")


def test_a_kernel_that_was_built_here_and_another(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes by its name, and is explained by the rules of its version."""
    monkeypatch.setenv("PFNLAB_CACHE", str(tmp_path / "cache"))
    own_kernel("mine", tmp_path)

    answer = ask("kernels", "diff", "6.12.113", "mine", *FEW)

    assert (1, True) == (answer.code, answer.out.startswith("# qemu:mine against qemu:6.12.113\n"))
    assert "linux (lab)" in answer.out


def test_two_kernels_one_of_which_cannot_be_had(ask: Ask) -> None:
    """3."""
    assert 3 == ask("kernels", "diff", "6.12.117", "6.12.99").code


def test_no_programs(ask: Ask, tmp_path: Path) -> None:
    """The option that names their folder is told: 2."""
    (tmp_path / "empty").mkdir()
    answer = ask("kernels", "meet", "6.12.117", "--litmus", tmp_path / "empty")

    assert (2, True) == (answer.code, "--litmus" in answer.err)


def test_several_kernels_are_met_side_by_side(ask: Ask) -> None:
    """Pages and what is said come in the order of the names, also of one that cannot be had: 1."""
    names = ("6.12.116", "6.12.99", "6.12.117")

    one, two = (ask("kernels", "meet", *names, *FEW, "--jobs", jobs) for jobs in (1, 2))

    # The page has the command that prints it again.
    assert (1, one) == (one.code, two._replace(out=two.out.replace("--jobs 2", "--jobs 1")))
    assert one.out.index("# qemu:6.12.116 ") < one.out.index("# qemu:6.12.117 ")
    assert "6.12.99 could not be compared: the archive has no kernel 6.12.99" in one.err


def test_a_single_kernel_has_all_guests(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several, each has its part."""
    counts: list[int] = []

    class Counted(Guest):
        def __init__(self, kernel: KernelImage, *, guests: int, **_: object) -> None:
            counts.append(guests)
            super().__init__(kernel)

    monkeypatch.setattr(kernel_meeting, "QemuMachine", Counted)
    ask("kernels", "meet", "6.12.117", *FEW, "--jobs", 3)
    ask("kernels", "meet", "6.12.117", "6.12.117", *FEW, "--jobs", 1)

    assert [3, 1, 1] == counts
