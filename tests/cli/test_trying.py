"""``pfnlab try``: what it prints and writes, and codes that fit ``git bisect run``."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from asking import Ask
from toy_tree import toy_tree

from pfnlab.base import progress
from pfnlab.base.errors import Undecided
from pfnlab.checker.review.kernel_questions import KernelQuestion
from pfnlab.checker.review.review_result import OperationCost
from pfnlab.discussions import lookup
from pfnlab.discussions.claim_questions import StepQuestion
from pfnlab.discussions.form import AuthorClaims, Claim, ClaimStatus, Discussion, Message
from pfnlab.discussions.step_parts import flushes
from pfnlab.hunt.meeting import holding
from pfnlab.hunt.meeting.measured_costs import MeasuredCosts
from pfnlab.hunt.meeting.trial import TriedKernel
from pfnlab.programs.lang.library import find_program
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run
from pfnlab.verbs import try_

MIDDLE = """pfnlab program 1
device bar: pci, 16 pages

a = mmap bar[0:16] wc shared rw populate
munmap a[4:8]
munmap a
"""


DIFF = "--- a/x\n+++ b/x\n@@ -1,1 +1,1 @@\n-a\n+b\n"


#: One claim, which rests on the flushes of a munmap.
SHOWN = StepQuestion("7.2", ["a = mmap bar[0:4] wc shared rw", "read a[0]", "munmap a"], flushes, "2")
CLAIM = Claim("So it is.", "", "So.", ClaimStatus.CONFIRMED, asks=[SHOWN])
SAID = [AuthorClaims(Message("A test", "today", "A. Nobody", "tester"), [CLAIM])]
DISCUSSION = Discussion("009", "a test", "", SAID)


class Guest:
    """A kernel that does what the model says that its file names."""

    def __init__(self, kernel: Path, **_: object) -> None:
        spec = kernel.read_text().strip()
        if spec == "broken":
            raise ZeroDivisionError
        self._model, self.kernel = ModelMachine(spec), kernel

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """One run a program."""
        return self._model.run(programs)

    def __enter__(self) -> Guest:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing is left."""


def build(tree: Path, patches: Sequence[Path], *_: object) -> TriedKernel:
    """A tree is built by what is written in it, or not at all."""
    image = tree / ("patched" if patches and (tree / "patched").is_file() else "rules")
    if not image.is_file():
        raise Undecided("make bzImage failed: mm/memory.c:12: expected ';'")
    return TriedKernel(image, f"7.2.13 of {tree.name}, {len(patches)} patches")


def measured(base: Path, design: Path, *, seconds: float) -> MeasuredCosts:
    """One cost, which differs if the kernels do; and nothing else."""
    more = base != design
    return MeasuredCosts(
        (OperationCost("instructions", "munmap of 1 page", 100, 100 + 20 * more, int(more), 0),),
        ("fork: the time was up",),
    )


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A source tree, and a folder of programs beside it."""
    (tmp_path / "litmus").mkdir()
    (tmp_path / "litmus" / "middle.pfn").write_text(MIDDLE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("pfnlab.hunt.meeting.trial.kernel_of_tree", build)
    monkeypatch.setattr("pfnlab.lab.building.build.check_patches", lambda *_, say: None)
    monkeypatch.setattr("pfnlab.lab.running.qemu_machine.QemuMachine", Guest)
    monkeypatch.setattr("pfnlab.hunt.meeting.measured_costs.measured_costs", measured)
    monkeypatch.setattr(holding, "walker_programs", dict)
    monkeypatch.setattr(lookup, "discussions", lambda: (DISCUSSION,))
    monkeypatch.setattr(holding, "library_folder", lambda: tmp_path / "litmus")
    (tmp_path / "linux").mkdir()
    return tmp_path / "linux"


@pytest.mark.parametrize(("more", "asked"), [((), (1, 1)), (("--litmus", "litmus"), None)])
def test_claims_are_asked_unless_programs_were_chosen(
    tree: Path, ask: Ask, more: tuple[str, ...], asked: tuple[int, int] | None
) -> None:
    """A bisection runs the one program that it needs."""
    (tree / "rules").write_text("7.2,flush=none")

    claims = json.loads(ask("try", tree, *OPTIONS, *more, "--json").out)["claims"]

    assert asked == (claims and (claims["asked"], len(claims["changed"])))


OPTIONS = ("--like", "7.2", "--programs", 1)


@pytest.mark.parametrize(
    ("rules", "code", "said"),
    [("7.2", 0, "No difference in "), ("7.2,flush=none", 1, "1 cause of ")],
)
def test_equal_is_good_and_a_difference_is_bad(
    ask: Ask, tree: Path, rules: str, code: int, said: str
) -> None:
    """0 and 1."""
    (tree / "rules").write_text(rules)

    answer = ask("try", tree, *OPTIONS)

    assert (code, True) == (answer.code, said in answer.out)


def test_the_folder_one_is_in_has_its_name(ask: Ask, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not a dot."""
    (tree / "rules").write_text("7.2")
    monkeypatch.chdir(tree)

    assert "# linux against model:7.2" in ask("try", ".", *OPTIONS).out


def test_a_tree_that_is_not_built_is_skipped(ask: Ask, tree: Path) -> None:
    """125, with one line."""
    answer = ask("try", tree, *OPTIONS)

    assert (125, "") == (answer.code, answer.out)
    assert "pfnlab: make bzImage failed: mm/memory.c:12: expected ';'\n" == answer.err


@pytest.mark.parametrize(
    "words",
    [
        ("--like", "7.2", "--nonsense"),
        ("--like", "9.9"),
        ("--like", "7.2", "--policy", "end_vma"),
        ("--like", "7.2", "--patch", "nowhere.patch"),
        (),
    ],
)
def test_misuse_ends_a_bisection(ask: Ask, tree: Path, words: tuple[str, ...]) -> None:
    """130: it would be misuse of every commit."""
    (tree / "rules").write_text("7.2")

    assert 130 == ask("try", tree, *words).code


def test_a_defect_ends_a_bisection(ask: Ask, tree: Path) -> None:
    """132: nothing is known of the commit."""
    (tree / "rules").write_text("broken")

    assert 132 == ask("try", tree, *OPTIONS).code


def test_a_patch_says_what_it_means(ask: Ask, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its policy is that of the model, and its title stands in the report, which begins with its review."""
    monkeypatch.setattr(try_, "_REVIEWED", 0.0)
    (tree / "rules").write_text("7.2,flush=none")
    Path("idea.patch").write_text("No flush at all\n\nPolicy: flush=none\n---\n" + DIFF)

    answer = ask("try", tree, *OPTIONS, "--patch", "idea.patch", "-o", "report.md")
    report = Path("report.md").read_text()

    assert (0, "") == (answer.code, answer.out)
    assert f"# {tree} against model:7.2,flush=none\n" == report.splitlines(keepends=True)[0]
    assert "- patch: No flush at all (idea.patch)" in report
    assert "## The review of flush=none\n" == next(
        line for line in report.splitlines(keepends=True) if line.startswith("## ")
    )
    assert "- kernel: 7.2.13 of linux, 1 patches" in report
    assert "- seed: 7" in report and "--patch idea.patch -o report.md\n" in report


#: The one question of a review here: an owner's revocation while a munmap waits for its flush.
@pytest.fixture
def idea(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A patch without a policy, and a review of one question."""
    question = KernelQuestion(
        1, load_program(find_program("race-revoked-before-flush")), "a driver's remap", "schedule"
    )
    monkeypatch.setattr("pfnlab.hunt.meeting.kernel_review.kernel_questions", lambda: [question])
    (tree / "rules").write_text("7.2")
    path = Path("idea.patch")
    path.write_text("Fewer flushes\n---\n" + DIFF)
    return path


@pytest.mark.parametrize(("rules", "code"), [("7.2,flush=none", 1), ("7.2,flush=end_vma", 0)])
def test_a_patch_without_a_policy_is_reviewed_on_two_kernels(
    ask: Ask, tree: Path, idea: Path, rules: str, code: int
) -> None:
    """A lost flush is newly broken; another flush is a cost, and bad for no bisection."""
    (tree / "patched").write_text(rules)

    answer = ask("try", tree, "--like", "7.2", "--patch", idea, "-o", "report.md")
    report = Path("report.md").read_text()

    assert code == answer.code
    assert ["hold flush_tlb_mm_range: munmap a" in report] * 2 == [
        code == 1,
        "newly broken: told_free" in report,
    ]
    assert f"# {tree} against the kernel without the patch\n" in report
    assert "## The review of the patch\n" in report
    assert "munmap of 1 page 100 instructions 120 1.20" in " ".join(report.split())
    assert "not measured: fork: the time was up" in report


def test_each_part_has_its_seconds(ask: Ask, tree: Path, idea: Path) -> None:
    """In JSON, and in the report, which tells the first finding from the start on."""
    (tree / "patched").write_text("7.2,flush=none")

    told = ask("try", tree, "--like", "7.2", "--patch", idea, "--json").out
    Path("result.json").write_text(told)
    ask("report", "result.json", "-o", "report.md")

    assert ["unpack", "ask", "measure"] == [*json.loads(told)["seconds"]]
    (line,) = (line for line in Path("report.md").read_text().splitlines() if line.startswith("- time: "))
    assert re.fullmatch(
        r"- time: unpack \d+\.\d s, ask \d+\.\d s, measure \d+\.\d s; first finding after \d+ s", line
    )


def test_a_review_without_time_is_undecided(ask: Ask, tree: Path, idea: Path) -> None:
    """Nothing is said of a patch whose core questions were not asked."""
    answer = ask("try", tree, "--like", "7.2", "--patch", idea, "--seconds", 0, "-o", "report.md")

    says = " ".join(Path("report.md").read_text().split())
    assert (125, True) == (answer.code, "Undecided, because the core was cut" in says)


def test_the_log_of_a_review_counts_programs(
    ask: Ask, tree: Path, idea: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a terminal, e.g. in a pipeline, a line must say more than that it goes on."""
    monkeypatch.setattr(progress, "EVERY", 0.0)

    answer = ask("try", tree, "--like", "7.2", "--patch", idea)

    assert "reviewing linux with the patch: 1 program\n" in answer.err


def test_a_limit_that_limits_nothing_is_refused(ask: Ask, tree: Path) -> None:
    """Only the review of two kernels has one."""
    answer = ask("try", tree, *OPTIONS, "--seconds", 5)

    assert (130, True) == (
        answer.code,
        "a comparison with a model excludes --seconds: drop --seconds" in answer.err,
    )


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tree: Path) -> Path:
    """A machine without any program that a build needs, and a folder of programs there."""
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(tree.parent / "no-programs"))
    return tree.parent


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("nowhere", "--like", "7.2"), "no source "),
        (("linux", "--like", "7.2"), "linux is not a kernel tree: "),
        (("linux", "--like", "7.2", "--config", "nowhere"), "no configuration 'nowhere': "),
    ],
)
def test_arguments_are_judged_before_tools(
    ask: Ask, bare: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], says: str
) -> None:
    """A wrong path is misuse also where nothing can be built: installing something would not help."""
    monkeypatch.chdir(bare)
    if "--config" in words:
        toy_tree(bare / "toy")
        words = ("toy", *words[1:])

    answer = ask("try", *words, "--litmus", "litmus")

    assert (130, True, 1) == (answer.code, says in answer.err, len(answer.err.splitlines()))


def test_a_right_tree_without_tools_names_them(ask: Ask, bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """125, with the packages to install."""
    monkeypatch.chdir(bare)
    toy_tree(bare / "toy")

    answer = ask("try", "toy", "--like", "7.2", "--litmus", "litmus")

    assert (125, True) == (answer.code, "apt-get install" in answer.err)


def test_a_report_that_cannot_be_written_is_refused_before_the_build(ask: Ask, tree: Path) -> None:
    """A build takes minutes, and its result would be lost."""
    answer = ask("try", tree, *OPTIONS, "-o", "no-folder/report.md")

    says = "no-folder/report.md cannot be written: No such file or directory; name another file with -o"
    assert (130, f"pfnlab: {says}\n") == (answer.code, answer.err)


def test_a_kernel_that_is_built_already(ask: Ask, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is no kernel, or is none at all, is misuse."""
    monkeypatch.undo()
    no_kernel = tree / "vmlinux"
    no_kernel.write_text("7.2")
    litmus = ("--litmus", tree.parent / "litmus")

    assert 130 == ask("try", no_kernel, *OPTIONS, *litmus).code
    assert 130 == ask("try", tree / "nowhere", *OPTIONS, *litmus).code
