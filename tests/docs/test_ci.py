"""The lines of docs/ci.md, run as a forge's runner does, in a small repository."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tooling
from toy_tree import toy_tree

from pfnlab.kernel.functions.known_functions import kernel_functions
from pfnlab.lab.building import make
from pfnlab.verbs.kernels import BuildRequest

pages = tooling.markdown_pages()

PAGE = (pages.ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
GITLAB, ACTIONS = (block.text for block in pages.blocks(PAGE) if block.lang == "yaml")

#: Changes of mm/memory.c: one that breaks nothing, one that loses flushes, one that does not build.
GOOD, LOST, UNBUILT = "int good;", "int lost;", "#error wrong"


#: The line that fails where a program is missing, and its words after ``type``.
TYPE = next(line for line in GITLAB.splitlines() if line.startswith("    - type ")).removeprefix("    - ")
TOOLS = TYPE.split()[1:]


def script(job: str, part: str = "script") -> list[str]:
    """The lines of a job of .gitlab-ci.yml."""
    text = re.split(r"^(?=\S)", GITLAB.split(f"\n{job}:\n")[1], flags=re.M)[0]
    lines = re.search(rf"^  {part}:\n((?:    - .*\n)+)", text, re.M)
    assert lines is not None
    return [line.removeprefix("    - ") for line in lines[1].splitlines()]


def steps() -> list[str]:
    """The commands of the workflow."""
    return re.findall(r"^      - run: (.*)$", ACTIONS, re.M)


def filters(text: str, key: str) -> list[re.Pattern[str]]:
    """The paths of a pipeline for which it runs."""
    listed = re.search(rf"^ +{key}:\n((?: +- .*\n)+)", text, re.M)
    assert listed is not None
    globs = [line.strip().removeprefix("- ") for line in listed[1].splitlines()]
    forms = {"**/*": ".+", "**": ".+", "*": "[^/]+"}
    return [
        re.compile("".join(forms.get(part, re.escape(part)) for part in re.split(r"(\*\*/\*|\*\*|\*)", glob)))
        for glob in globs
    ]


class Runner:
    """A checkout of a branch with a series, on a machine that has pfnlab."""

    def __init__(self, folder: Path, changes: tuple[str, ...]) -> None:
        self.tree = toy_tree(folder / "linux")
        program = folder / "bin" / "pfnlab"
        program.parent.mkdir()
        command = shlex.join([sys.executable, str(Path(__file__).with_name("pipeline_pfnlab.py"))])
        program.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        # What a kernel needs is never run here.
        for tool in TOOLS:
            if shutil.which(tool) is None:
                (program.parent / tool).write_text("#!/bin/sh\n")
        for path in program.parent.iterdir():
            path.chmod(0o755)
        names = {
            f"GIT_{role}_{part}": "a@example.org"
            for role in ("AUTHOR", "COMMITTER")
            for part in ("NAME", "EMAIL")
        }
        self._environment = (
            os.environ
            | names
            | {
                "PATH": f"{program.parent}:{os.environ['PATH']}",
                "PFNLAB_CACHE": str(folder / "cache"),
            }
        )
        # Linux ignores these as well.
        (self.tree / ".gitignore").write_text(".*\n*.patch\n")
        self.shell("git init -q && git add -f . && git commit -qm base")
        base = self.shell("git rev-parse HEAD").strip()
        self._environment |= {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "BASE": base}
        memory = self.tree / "mm" / "memory.c"
        for change in changes:
            memory.write_text(memory.read_text().replace("int last;", f"{change}\nint last;"))
            self.shell(f"git commit -qam {shlex.quote(f'mm: {change}')}")

    def run(self, lines: list[str]) -> subprocess.CompletedProcess[str]:
        """Run the lines of a job until one fails."""
        return subprocess.run(
            ["bash", "-eo", "pipefail", "-c", "\n".join(lines)],
            cwd=self.tree,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def shell(self, line: str) -> str:
        """The output of a command that must succeed."""
        done = self.run([line])
        assert done.returncode == 0, done.stderr
        return done.stdout


def test_the_first_job_reads_a_series(tmp_path: Path) -> None:
    """Of two patches, and ends with 0."""
    done = Runner(tmp_path, (GOOD, LOST)).run(script("review"))

    assert (0, True) == (done.returncode, done.stdout.startswith("2 patches, "))


def test_a_branch_without_commits_fails_the_first_job(tmp_path: Path) -> None:
    """The range is wrong, or there is nothing to judge."""
    done = Runner(tmp_path, ()).run(script("review"))

    assert (2, "pfnlab: series.patch is empty: it has no patch\n") == (done.returncode, done.stderr)


@pytest.mark.target("building")
@pytest.mark.parametrize(
    ("changes", "code"), [((GOOD, "int other;"), 0), ((GOOD, LOST), 1), ((GOOD, UNBUILT), 125)]
)
def test_the_second_job_ends_with_the_code_of_the_page(
    tmp_path: Path, changes: tuple[str, ...], code: int
) -> None:
    """A series that breaks nothing, one that loses flushes, and one that does not build."""
    runner = Runner(tmp_path, changes)
    runner.run(script("review"))

    done = runner.run(script("try"))

    assert code == done.returncode, done.stderr


@pytest.mark.target("building")
@pytest.mark.parametrize(
    ("old", "new"),
    [(" int first;", " int other;"), ("mm/memory.c", "mm/nowhere.c"), ("-1,2 +1,3", "-1,2 +1,3")],
)
def test_a_series_of_another_tree_is_undecided_before_anything_is_built(
    tmp_path: Path, old: str, new: str
) -> None:
    """It does not apply; one that does is built, and so is the base."""
    runner = Runner(tmp_path, (GOOD,))
    runner.run(script("review"))
    series = runner.tree / "series.patch"
    series.write_text(series.read_text().replace(old, new))
    applies = old == new

    done = runner.run(script("try"))

    assert (125, 0)[applies] == done.returncode
    assert [applies, not applies] == [
        "for the first time" in done.stderr,
        "series.patch does not apply to linux" in done.stderr,
    ]


@pytest.mark.target("building")
def test_the_artifacts_name_what_is_broken_and_every_patch(tmp_path: Path) -> None:
    """The report is made where the job has failed, too."""
    runner = Runner(tmp_path, (GOOD, LOST))
    runner.run(script("review"))
    done = runner.run(script("try"))

    after = runner.run(script("try", "after_script"))

    result = json.loads((runner.tree / "try.json").read_text())
    report = (runner.tree / "report.md").read_text()
    assert ("differs", ["told_free"]) == (
        result["outcome"],
        [one["property"] for one in result["review"]["broken"]],
    )
    assert (0, True) == (after.returncode, f"{result['says']}\n" in done.stderr)
    assert "- patch: mm: int good; (series.patch)\n- patch: mm: int lost; (series.patch)\n" in report
    assert "## The review of 2 patches\n" in report


@pytest.mark.target("building")
@pytest.mark.parametrize(("change", "failed"), [(GOOD, []), (LOST, ["try"]), (UNBUILT, ["report"])])
def test_the_steps_of_the_workflow(tmp_path: Path, change: str, failed: list[str]) -> None:
    """A series that is newly broken fails the step; one that is undecided passes it, and has no report."""
    runner = Runner(tmp_path, (change,))

    codes = {line: runner.run([line]).returncode for line in steps()}

    assert failed == [line.split()[1] for line, code in codes.items() if code]


def test_the_page_lets_undecided_series_pass() -> None:
    """In the words of GitLab."""
    assert "  allow_failure:\n    exit_codes: [125]\n" in GITLAB


def test_the_first_build_takes_the_same_everywhere() -> None:
    """The time and the size of docs/building.md."""
    docs = pages.ROOT / "docs"
    # The reference is made from the help.
    texts = [
        path.read_text(encoding="utf-8")
        for path in docs.rglob("*.md")
        if not path.is_relative_to(docs / "reference")
    ]
    lines = [
        line for text in texts for line in text.splitlines() if "The first build of a tree takes" in line
    ]
    help_text = " ".join(str(BuildRequest.__doc__).split())

    assert 3 == len(lines)
    assert {True} == {"about 8 minutes on two idle cores" in line for line in (*lines, help_text)}
    assert "cores and 4 GiB, " in help_text
    assert "\nIt takes 4 GiB: " in (pages.ROOT / "docs" / "building.md").read_text(encoding="utf-8")
    assert "\nEach folder that trees are checked out to takes 4 GiB;" in PAGE


@pytest.mark.parametrize(("text", "key"), [(GITLAB, "changes"), (ACTIONS, "paths")])
def test_a_pipeline_runs_for_every_file_of_the_functions_that_help_knows(text: str, key: str) -> None:
    """And for headers and walkers; for nothing else."""
    found = filters(text, key)
    files = {file for one in kernel_functions().values() for file in one.files.values()}
    files |= {"arch/x86/include/asm/pgtable.h", "fs/proc/task_mmu.c", "mm/a/b.c"}
    others = {"net/core/dev.c", "include/linux/usb/hcd.h", "kernel/exit.c", "fs/proc.c", "xmm/memory.c"}

    assert files == {file for file in files | others if any(one.fullmatch(file) for one in found)}


def test_a_runner_without_a_program_fails(tmp_path: Path) -> None:
    """With a code that no pipeline lets pass, where one with all programs goes on."""
    runner = Runner(tmp_path, (GOOD,))

    codes = [runner.run([line]).returncode for line in (TYPE, f"{TYPE} no-such-program")]

    assert [0, 1] == codes
    assert {"qemu-system-x86_64", *make._PROGRAMS} == set(TOOLS)
    assert TYPE in script("try") and TYPE in steps()
