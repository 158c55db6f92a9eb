"""Programs of the page: run on what was asked, refused where they are wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse, ProgramError
from pfnlab.explorer.answers import rows
from pfnlab.explorer.stories import NotRunYet, Storyteller, machine_name, mistake, op_lines_of
from pfnlab.programs.lang.library import find_program
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run

PER_VMA = Path(__file__).parents[2] / "docs" / "own-policy" / "per_vma.py"
MIDDLE = find_program("munmap-middle").read_text(encoding="utf-8")


def teller(*given: str) -> Storyteller:
    return Storyteller(given)


def test_two_models_are_run_side_by_side() -> None:
    """Each machine has a run of its own, and the verdict says where they differ."""
    story = teller().story(MIDDLE, ("model:6.1", "model:7.3"))

    assert ["model:6.1", "model:7.3"] == [run.machine for run in story.result.runs]
    assert 4 == story.steps
    assert not story.result.agree
    assert {"freed_once", "no_leak"} == {broken.name for broken in story.result.violations}


def test_every_operation_has_its_line() -> None:
    """Headers, comments and expectations are no operations."""
    story = teller().story(MIDDLE, ("model:6.1",))

    lines = MIDDLE.splitlines()
    assert [step.op for step in story.result.runs[0].steps[:-1]] == [lines[at - 1] for at in story.lines]


def test_a_prefix_does_not_hide_an_operation() -> None:
    """A line that is held or fails is one operation too."""
    text = find_program("race-fork-revoked").read_text(encoding="utf-8")

    assert len(load_text(text).ops) == len(op_lines_of(text))


def test_a_recorded_kernel_is_found_by_its_program() -> None:
    """What a golden kept is shown, whatever the comments say, and the model beside it looks the same way."""
    versions = teller().recorded(load_text(MIDDLE))

    story = teller().story(f"{MIDDLE}\n# seen\n", (f"recorded:{versions[0]}", f"model:{versions[0]}"))

    recorded, model = story.result.runs
    assert recorded.look is model.look
    assert story.result.agree


def test_an_edited_program_is_not_taken_for_the_recorded_one() -> None:
    """Another program has no recorded run."""
    edited = MIDDLE.replace("munmap a[4:8]", "munmap a[4:9]")

    assert [] == teller().recorded(load_text(edited))
    with pytest.raises(Misuse, match="recorded"):
        teller().story(edited, ("recorded:6.1.192",))


def test_a_kernel_runs_on_request_only() -> None:
    """A real kernel that did not run the program is not booted by looking."""
    with pytest.raises(NotRunYet, match="press Run"):
        teller().story(MIDDLE, ("qemu:7.2",))


def test_what_a_kernel_did_is_kept() -> None:
    """Once it ran, it is shown like any machine."""
    storyteller = teller()
    program = load_text(MIDDLE)
    (run,) = teller().story(MIDDLE, ("model:7.2",)).result.runs
    kept = Run("qemu:7.2", "package 7.2", steps=run.steps, look=LookLevel.MEMORY)

    storyteller.keep(program, "qemu:7.2", kept)

    assert storyteller.story(MIDDLE, ("qemu:7.2", "model:7.2")).result.agree


@pytest.mark.parametrize("machines", [(), ("model:6.1",) * 3])
def test_one_or_two_machines_are_shown(machines: tuple[str, ...]) -> None:
    """None is nothing to look at, and three do not fit."""
    with pytest.raises(Misuse, match="one machine"):
        teller().story(MIDDLE, machines)


def test_a_mistake_has_its_place_and_a_remedy() -> None:
    """Line and column count from 1, as the editor marks them."""
    with pytest.raises(ProgramError) as wrong:
        teller().story(MIDDLE.replace("munmap a[4:8]", "munmapp a[4:8]"), ("model:6.1",))

    place = mistake(wrong.value)
    assert (7, 1) == (place["line"], place["column"])
    assert "munmap" in place["message"]


def test_a_machine_of_the_command_line_may_use_a_file() -> None:
    """What the command line gave holds, and only word for word."""
    given = "model:7.2,tracker=mine.py"

    with pytest.raises(Misuse, match=r"mine\.py"):
        teller(given).story(MIDDLE, (given,))
    with pytest.raises(Misuse, match="page names"):
        teller(given).story(MIDDLE, ("model:7.2,tracker=other.py",))


def test_an_edited_policy_file_is_run_anew(tmp_path: Path) -> None:
    """Nothing that was kept of the file as it was is shown for it as it is."""
    file = tmp_path / "mine.py"
    shutil.copy(PER_VMA, file)
    given = f"model:7.2,tracker={file}"
    storyteller = teller(given)
    before = storyteller.story(MIDDLE, (given,))

    file.write_text(file.read_text(encoding="utf-8").replace("self.shrink(vma.pfnmap, None)", "pass"))
    after = storyteller.story(MIDDLE, (given,))

    assert () == before.result.runs[0].steps[-1].book
    assert () != after.result.runs[0].steps[-1].book
    assert before.files != after.files


def test_the_table_says_what_the_picture_shows() -> None:
    """Rows come in the order of the picture, with what differs and what changed."""
    story = teller().story(MIDDLE, ("model:6.1", "model:7.3"))

    said = {row["field"]: row for row in rows(story.result, 2)}

    assert ["bar[0:8] wc"] == said["book"]["cells"][0]
    assert [] == said["book"]["cells"][1]
    assert said["book"]["differs"]
    assert [True, True] == said["book"]["changed"]
    assert list(said).index("book") < list(said).index("log")


@for_each(
    "text", ["model:7.2,walker.folio_walk_start=early_refusal", "model:7.2,flush=none,flush.zap=end_vma"]
)
def test_a_policy_of_one_place(text: str) -> None:
    """It is named like that of a seam."""
    assert text == str(machine_name(text))


def test_a_place_is_no_way_to_a_file() -> None:
    """The page names no files, whatever stands before them."""
    with pytest.raises(Misuse, match="the page names policies, switches and commits alone"):
        machine_name("model:7.2,walker.folio_walk_start=mine.py")
