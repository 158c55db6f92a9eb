"""The tables of ``evidence/patches/README.md``: made of what was compared, and of nothing else."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
import tooling

from pfnlab.base.result import Made
from pfnlab.hunt.meeting.trial import TrialResult
from pfnlab.kernel.policies.known_kernels import HeldCount
from pfnlab.kernel.policies.patched import PatchedKernel, read_patched
from pfnlab.lab.building.built import BuiltKernel
from pfnlab.lab.building.patch_file import read_patch
from pfnlab.programs.lang.load import load_program, load_text
from pfnlab.programs.model.model_machine import ModelMachine

TOOL = tooling.hold_patches()
FOLDER = Path(__file__).parents[3] / "evidence" / "patches"
PATCH = read_patch(FOLDER / "flush-end_vma.patch")
HELD = PatchedKernel(
    **{"policy": "flush=end_vma", "series": "7.2", "kernel": "7.2.13+fc3e", "source": "linux-source-7.2"},
    **{"build_seconds": 40, "seed": 7, "litmus": 300, "changed": 12, "schedules": 3, "random": 1200},
    **{"steps": 9000, "undecided": 4, "differences": 0, "stale": (4, 3)},
)

#: How many claims ask about the patch's policy.
ASKING = len(TOOL.claims_about(PATCH))

KERNEL = BuiltKernel(
    **{"name": "flush-end_vma", "version": "7.2.13", "series": "7.2", "release": "7.2.13", "source": "linux"},
    **{"patches": (PATCH.path.name,), "policy": PATCH.policy, "configuration": "lab", "lacks": ()},
    **{"content": "0", "sha256": "0", "seconds": 12.4},
)

NEIGHBOURS = """\
pfnlab program 1
device bar: pci, 16 pages
area   a: 2 pages

a = mmap bar[0] wc shared rw
mmap bar[1] wc shared rw over a[1]
munmap a[0:2]
"""
ALONE = NEIGHBOURS.partition("mmap bar[1]")[0]


def page(folder: Path) -> str:
    """A page with the marks of all three tables."""
    (folder / "README.md").write_text(
        "".join(f"# {seam}\n" + TOOL.BEGIN.format(seam) + "old\n" + TOOL.END.format(seam) for seam in SEAMS)
    )
    (folder / PATCH.path.name).write_text(PATCH.path.read_text())
    fixes = folder / TOOL.FIXES
    fixes.mkdir(parents=True)
    (fixes / "README.md").write_text(TOOL.BEGIN.format("fix") + TOOL.END.format("fix"))
    (fixes / FIX.name).write_text(FIX.read_text())
    TOOL.write_tables(folder)
    return (folder / "README.md").read_text()


FIX = FOLDER / TOOL.FIXES / "fix-N06.patch"
SEAMS = TOOL.SEAMS


def test_a_patch_that_was_not_held_has_dashes() -> None:
    """A patch without a comparison has its size and no number."""
    row = TOOL.table_of([PATCH], {}).splitlines()[-1]
    assert row.endswith(f"| +3 -2 | - | - | - | - | - | - | - | - | - | {ASKING} |")


def test_what_was_held_is_in_its_row() -> None:
    """Every count of the comparison has its column."""
    row = TOOL.table_of([PATCH], {"flush-end_vma": HELD}).splitlines()[-1]
    assert row.endswith(f"| +3 -2 | 40 s | 300 | 12 | 3 | 1,200 | 9,000 | 4 | 0 | 3 of 4 | {ASKING} |")


def test_a_row_says_if_claims_lack_their_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recorded runs decide it."""
    monkeypatch.setattr(TOOL, "patch_goldens", lambda: ())
    assert TOOL.table_of([PATCH], {}).endswith(f" | {ASKING}, not recorded |\n")


def test_a_policy_that_no_claim_asks_about_has_a_dash() -> None:
    """Its runs cannot be missing."""
    assert TOOL.table_of([read_patch(FOLDER / "flush-first_vma.patch")], {}).endswith(" | - |\n")


def test_a_kernel_that_checks_itself_says_so() -> None:
    """A configuration that is not the lab's is in the row."""
    held = msgspec.structs.replace(HELD, configuration="debug")
    assert " | 7.2, 7.2.13-1 (debug) | " in TOOL.table_of([PATCH], {"flush-end_vma": held})


def test_the_table_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    """The text between the marks is gone, and the patch is there once."""
    text = page(tmp_path)
    assert ("old\n" in text, text.count("[flush-end_vma]")) == (False, 1)


def test_a_page_without_marks_is_not_touched(tmp_path: Path) -> None:
    """The error names the page and the table."""
    (tmp_path / "README.md").write_text("nothing\n")
    with pytest.raises(SystemExit, match=r"README\.md has no place for the table: put <!-- flush"):
        TOOL.write_tables(tmp_path)


def test_a_fix_is_in_the_table_of_its_own_page(tmp_path: Path) -> None:
    """Fixes are in their folder's page, and not among the policies."""
    policies = page(tmp_path)
    fixes = (tmp_path / TOOL.FIXES / "README.md").read_text()
    assert "| [fix-N06](fix-N06.patch) | `tracker=remap_again` |" in fixes
    assert "fix-" not in policies


def test_a_fix_is_chosen_as_every_patch_is() -> None:
    """By its name, and with all others where none is named."""
    assert [FIX] == [patch.path for patch in TOOL.chosen(["fix-N06"])]
    assert {"flush-end_vma", "fix-N05", "fix-N06"} <= {patch.path.stem for patch in TOOL.chosen([])}


def test_an_unknown_name_is_refused() -> None:
    """The error names the patches there are."""
    with pytest.raises(
        SystemExit, match=r"there is no patch 'flush-never' in evidence/patches/: known are flush-end_vma"
    ):
        TOOL.chosen(["flush-never"])


def test_a_policy_changes_what_it_is_about() -> None:
    """A program counts as changed where its run on the model differs."""
    programs = {"neighbours": load_text(NEIGHBOURS), "alone": load_text(ALONE)}
    assert TOOL.changed("7.2", "flush=end_vma", programs) == [programs["neighbours"]]


def test_a_program_without_a_rule_is_not_counted() -> None:
    """With this walker a leaf of 1 GiB is still there when the mapping is cut."""
    leaves = (FOLDER.parents[1] / "litmus" / "leaves").glob("*.pfn")
    programs = {path.stem: load_program(path) for path in leaves}
    names = {program.title for program in TOOL.changed("7.2", "walker=page_test_skip", programs)}
    assert names < {program.title for program in programs.values()}


def test_random_programs_are_counted_apart() -> None:
    """The row has the programs of litmus/ in one column and all random ones in another."""
    trial = TrialResult(
        made=Made.now(),
        tree="linux",
        built="",
        kernel="7.2.13",
        model="model:7.2,flush=end_vma",
        policies=("flush=end_vma",),
        patches=(),
        seed=7,
        word="equal",
        says="",
        held={"litmus": HeldCount(10, 50), "random": HeldCount(20, 100), "random driver": HeldCount(5, 30)},
        causes=(),
        meant=(),
        verdicts=(),
        unstable=(),
    )
    row = TOOL.row(trial, PATCH, KERNEL, [], None)
    assert (row.litmus, row.random, row.build_seconds) == (10, 25, 12)


def revoked(flush: str) -> list[bool]:
    """Which of the schedules have a stale read on a model."""
    programs = [load_program(path) for path in TOOL.REVOKED]
    return list(map(TOOL.reads_revoked, programs, ModelMachine(f"7.2,flush={flush}").run(programs)))


def test_a_thread_reads_what_was_revoked_where_nothing_is_flushed() -> None:
    """All four schedules have the stale read."""
    assert revoked("none") == [True, True, True, True]


def test_an_ordinary_mapping_in_front_hides_the_device_mapping_from_first_vma() -> None:
    """Only that schedule has a stale read."""
    assert revoked("first_vma") == [False, False, True, False]


def test_nobody_reads_what_was_revoked_where_each_vma_is_flushed() -> None:
    """No schedule has a stale read."""
    assert revoked("end_vma") == [False, False, False, False]


def test_a_tracker_has_no_stale_reads_to_look_for() -> None:
    """The schedules are asked of flush placements alone."""
    patch = read_patch(FOLDER / "tracker-untracked.patch")
    assert TOOL.stale_reads(ModelMachine("7.2"), patch) is None


def test_predicted_and_seen_are_counted_apart() -> None:
    """A kernel with another placement than its patch says shows in the two counts."""
    patch = read_patch(FOLDER / "flush-none.patch")
    assert TOOL.stale_reads(ModelMachine("7.2,flush=first_vma"), patch) == (4, 1)


def test_the_page_in_the_tree_is_the_one_that_is_made(tmp_path: Path) -> None:
    """Both pages are current."""
    pages = FOLDER / "README.md", FOLDER / TOOL.FIXES / "README.md"
    (tmp_path / TOOL.FIXES).mkdir(parents=True)
    for path in (*FOLDER.glob("*.patch"), *FIX.parent.glob("*.patch"), *pages):
        (tmp_path / path.relative_to(FOLDER)).write_text(path.read_text())
    TOOL.write_tables(tmp_path)
    for made in pages:
        assert (tmp_path / made.relative_to(FOLDER)).read_text() == made.read_text()


def test_what_is_kept_names_patches_of_the_tree() -> None:
    """No comparison is kept of a patch that is gone or that means something else."""
    kept = {(name, kernel.policy) for name, kernel in read_patched(TOOL.KEPT).items()}
    assert kept <= {(patch.path.stem, patch.policy) for patch in TOOL.chosen([])}
