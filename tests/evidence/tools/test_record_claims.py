"""Recording claims on patched kernels: what is run, what is kept, and what is said to be missing."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
import tooling
from made_goldens import made_golden

from pfnlab.base.errors import Discovery, Undecided
from pfnlab.discussions.claim_questions import ClaimQuestion, StepQuestion
from pfnlab.discussions.patch_goldens import TrackerSizes, read_patch_golden
from pfnlab.discussions.step_parts import flushes
from pfnlab.kernel.mm.configuration import DISTRIBUTION
from pfnlab.lab.building.patch_file import read_patch
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run, Why

TOOL = tooling.record_claims()
PATCH = read_patch(TOOL.FOLDER / "flush-end_vma.patch")
LINES = ("a = mmap bar[0:4] wc shared rw", "munmap a")
ASKED = StepQuestion("7.2,flush=end_vma", LINES, flushes, "2")
SIZES = TrackerSizes({"pfnmap_track_ctx": 8}, 24)


class Kernel:
    """A kernel that does as a model."""

    def __init__(self, does: str, **changed: object) -> None:
        self._model, self._changed = ModelMachine(does), changed
        self.reboots = 0

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """The runs, with the change where it has not booted anew."""
        changed = {} if self.reboots else self._changed
        return [msgspec.structs.replace(run, **changed) for run in self._model.run(programs)]

    def reboot(self) -> None:
        """It spent nothing."""
        self.reboots += 1

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def stands(
    monkeypatch: pytest.MonkeyPatch, folder: Path, kernel: Kernel, asks: Sequence[ClaimQuestion] = (ASKED,)
) -> Path:
    """Let *kernel* be what the patch is built to, and *asks* all that claims ask; the golden's file."""
    built = SimpleNamespace(image=None, source="linux-source-7.2 7.2.13-1", configuration="lab")
    monkeypatch.setattr(TOOL, "built_kernel", lambda patch, configuration: built)
    monkeypatch.setattr(TOOL, "QemuMachine", lambda image, **settings: kernel)
    monkeypatch.setattr(TOOL, "tracker_sizes", lambda image: SIZES)
    monkeypatch.setattr(TOOL, "claims_about", lambda patch: {"004.22": list(asks)} if asks else {})
    monkeypatch.setattr(TOOL, "patch_golden_path", lambda name: folder / f"{name}.json")
    return folder / "flush-end_vma.json"


def test_what_is_recorded_says_where_it_comes_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Patch, commit, command, and the program with its run."""
    path = stands(monkeypatch, tmp_path, Kernel("7.2,flush=end_vma"))

    TOOL.record(PATCH, "c0ffee")

    golden = read_patch_golden(path)
    assert ("flush-end_vma", "flush-end_vma.patch", "flush=end_vma", "7.2", "c0ffee") == (
        *(golden.patch, golden.file, golden.policy, golden.series, golden.commit),
    )
    assert "python evidence/tools/record_claims.py flush-end_vma" == golden.made_by == golden.again
    assert "2" == flushes(ASKED.step_of(golden.run_of(golden.recorded(ASKED.program))))


def test_nothing_is_missing_of_what_was_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The patch is the same, and every program is there."""
    stands(monkeypatch, tmp_path, Kernel("7.2,flush=end_vma"))

    TOOL.record(PATCH, "c0ffee")

    assert [] == list(TOOL.missing(PATCH))


def test_a_patch_that_was_not_recorded_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the claims that ask it, and the command."""
    stands(monkeypatch, tmp_path, Kernel("7.2"))

    (line,) = TOOL.missing(PATCH)

    assert (
        "flush-end_vma: not recorded, asked by 004.22: "
        "run `python evidence/tools/record_claims.py flush-end_vma`" == line
    )


def test_a_patch_without_a_comparison_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What holds in a search would have nothing to rest on."""
    stands(monkeypatch, tmp_path, Kernel("7.2,flush=end_vma"))
    TOOL.record(PATCH, "c0ffee")
    monkeypatch.setattr(TOOL, "patched_kernels", dict)

    (line,) = TOOL.missing(PATCH)

    run = "python evidence/tools/hold_patches.py flush-end_vma"
    assert f"flush-end_vma: compared with no model: run `{run}`" == line


def test_a_patch_that_changed_since_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The golden is of other bytes."""
    path = stands(monkeypatch, tmp_path, Kernel("7.2,flush=end_vma"))
    TOOL.record(PATCH, "c0ffee")
    path.write_text(path.read_text().replace(read_patch_golden(path).sha256, "0" * 64))

    (line,) = TOOL.missing(PATCH)

    assert "flush-end_vma: recorded with another patch than the file has now" in line


def test_a_program_that_a_claim_asks_now_is_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The others are there."""
    stands(monkeypatch, tmp_path, Kernel("7.2,flush=end_vma"))
    TOOL.record(PATCH, "c0ffee")
    stands(monkeypatch, tmp_path, Kernel("7.2"), [ASKED, ASKED._replace(lines=LINES[:1])])

    (line,) = TOOL.missing(PATCH)

    assert "lacks a program" in line


def test_a_kernel_that_is_not_its_model_is_kept_and_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What was seen was seen; the claims' tests look at the answer."""
    path = stands(monkeypatch, tmp_path, Kernel("7.2,tracker=untracked"))

    with pytest.raises(Discovery, match=r"differs from model:7.2,flush=end_vma: a = mmap"):
        TOOL.record(PATCH, "c0ffee")

    assert path.exists()


def test_a_run_without_an_end_is_not_recorded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing is kept of the others either."""
    lost = Kernel("7.2", undecided="no lens", why=Why.MISSING)
    path = stands(monkeypatch, tmp_path, lost)

    with pytest.raises(Undecided, match="no lens"):
        TOOL.record(PATCH, "c0ffee")

    assert not path.exists()


def test_a_spent_message_is_waited_for_in_another_boot(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A message that prints once per boot stands in the run."""
    path = stands(monkeypatch, tmp_path, Kernel("7.2,flush=end_vma", once=("x",)))

    TOOL.record(PATCH, "c0ffee")

    assert [()] == [run.once for run in read_patch_golden(path).runs]


def test_the_listing_says_when_nothing_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And what is, with another exit code."""
    stands(monkeypatch, tmp_path, Kernel("7.2"), [])
    assert 0 == TOOL.main(["--missing"])
    stands(monkeypatch, tmp_path, Kernel("7.2"))
    assert 1 == TOOL.main(["--missing", "flush-end_vma"])

    assert ["nothing is missing", "flush-end_vma: not recorded"] == [
        line.partition(",")[0] for line in capsys.readouterr().out.splitlines()
    ]


def test_code_that_is_not_committed_records_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A golden could not name what recorded it; other goldens and rows may be changed."""
    monkeypatch.setattr(TOOL, "ROOT", tmp_path)
    claims = tmp_path / "src" / "pfnlab" / "discussions"
    (claims / "patched").mkdir(parents=True)
    (tmp_path / "src" / "code.py").write_text("1\n")
    names = "-c", "user.name=Nobody", "-c", "user.email=nobody@example.com"
    for words in (["init", "-q"], ["add", "-A"], [*names, "commit", "-qm", "One"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, timeout=60)
    for name in ("patched/flush-none.json", "004.toml"):
        (claims / name).write_text("{}\n")
    commit = TOOL.committed()
    (tmp_path / "src" / "code.py").write_text("2\n")

    with pytest.raises(SystemExit, match=r"commit first\n.*src/code\.py"):
        TOOL.committed()

    assert 40 == len(commit)


def test_a_golden_is_read_as_it_was_written(tmp_path: Path) -> None:
    """With every key."""
    golden = made_golden("flush-end_vma", [ASKED])

    TOOL.write_patch_golden(tmp_path / "patched" / "x.json", golden)

    assert golden == read_patch_golden(tmp_path / "patched" / "x.json")


def test_each_step_is_a_line() -> None:
    """A kernel that does otherwise reads as a diff of lines."""
    lines = TOOL.patch_golden_text(made_golden("flush-end_vma", [ASKED])).splitlines()

    assert 3 == sum(line.startswith('    {"op": ') for line in lines)


def test_only_what_is_otherwise_is_kept_of_a_configuration() -> None:
    """The distribution's kernels have none of it."""
    odd = replace(DISTRIBUTION, ksm=False)

    kept = TOOL.configuration_differences(odd)

    assert {"ksm": False} == kept
    golden = msgspec.structs.replace(made_golden("flush-end_vma", [ASKED]), configuration=kept)
    assert odd == golden.configured_as
