"""Answers of a base that are kept between reviews."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from for_each import for_each

from pfnlab.checker.review import kept_base as module
from pfnlab.checker.review.kept_base import KeptBase, KeptPair, kept_base
from pfnlab.checker.review.review import ReviewPiece, plan, review
from pfnlab.programs.model.model_machine import ModelMachine

BASE = "7.3"
#: A ground with sequences of one operation, and a pair.
PIECES = (
    ReviewPiece(1, 20),
    next(one for one in plan() if one.pair is not None and one.pair.first.startswith("munmap a[506:522]")),
)


def answers(folder: Path | None, design: str = "flush=first_vma", jobs: int = 1) -> object:
    """What a short review says, without the seconds."""
    base, other = ModelMachine(BASE), ModelMachine(f"{BASE},{design}")
    found = review(base, other, seconds=240.0, pieces=PIECES, jobs=jobs, folder=folder)
    ways = [[(one.name, one.text) for one in ones] for ones in (found.broken, found.repaired)]
    return found.states, ways, found.same, found.costs, found.changes, found.differs, found.left_out


def kept_files(folder: Path) -> list[Path]:
    """The files of the one base that is kept."""
    (base,) = folder.iterdir()
    return sorted(base.iterdir())


@pytest.fixture(scope="module")
def alone() -> object:
    """The answers if nothing is kept."""
    return answers(None)


@pytest.fixture
def folder(tmp_path: Path, alone: object) -> Iterator[Path]:
    """A folder in which a review of another design has kept its base."""
    answers(tmp_path, "flush=any_vma")
    yield tmp_path


def test_a_review_says_the_same_with_and_without(folder: Path, alone: object) -> None:
    """Also the review that has made what is kept."""
    assert alone == answers(folder) == answers(folder)


def test_processes_keep_together(tmp_path: Path, alone: object) -> None:
    """Each writes the files of its pieces."""
    assert alone == answers(tmp_path, jobs=2)
    assert len(PIECES) == len(kept_files(tmp_path))


def test_a_kept_base_is_not_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second review of a design writes nothing."""
    answers(folder)
    monkeypatch.setattr(KeptBase, "_write", lambda *_: pytest.fail("something was run again"))

    answers(folder)


@for_each("prefix", ["ground", "pair"])
def test_a_falsified_answer_is_noticed(folder: Path, alone: object, prefix: str) -> None:
    """If its digest is right, it is believed, and the review says something else."""
    base = KeptBase(folder, ModelMachine(BASE), ())
    pair = PIECES[1].pair
    assert pair is not None
    if prefix == "pair":
        base.keep_pair(pair.name, KeptPair(unmodelled={"a rule": 1}))
    else:
        kept = base.steps(20)
        others = {
            key: step._replace(verdict=step.verdict and step.verdict._replace(broken=frozenset(("exact",))))
            for key, step in kept.steps.items()
        }
        base.keep_steps(20, others, kept.begin)

    assert alone != answers(folder)


@for_each(
    "damage", [lambda old: b"", lambda old: old[:-1], lambda old: old[:60] + b"?" + old[61:], bytes.upper]
)
def test_a_damaged_file_is_made_again(folder: Path, alone: object, damage: object) -> None:
    """Whatever has become of it."""
    before = [file.read_bytes() for file in kept_files(folder)]
    for file in kept_files(folder):
        file.write_bytes(damage(file.read_bytes()))  # type: ignore[operator]

    assert alone == answers(folder, "flush=first_vma")
    assert [len(old) for old in before] <= [len(file.read_bytes()) for file in kept_files(folder)]


def test_a_file_of_another_form_counts_as_missing(tmp_path: Path) -> None:
    """Even with a digest that is right."""
    base = KeptBase(tmp_path, ModelMachine(BASE), ())
    base._write("ground-20", msgspec.msgpack.encode(["no", "ground"]))

    assert {} == base.steps(20).steps


def test_other_sources_have_another_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So what an earlier version has kept is not read."""
    before = KeptBase(folder, ModelMachine(BASE), ())
    monkeypatch.setattr(module, "sources_digest", lambda: "others")
    after = KeptBase(folder, ModelMachine(BASE), ())

    assert before.steps(20).steps
    assert not after.steps(20).steps


def test_sources_are_all_files_that_answers_follow_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also data."""
    for wing in ("base", "kernel", "programs", "checker"):
        (tmp_path / wing).mkdir()
    (tmp_path / "checker/grounds.toml").write_text("a")
    monkeypatch.setattr(module, "_PACKAGE", tmp_path)
    digests = set()
    for text in ("a", "b"):
        (tmp_path / "checker/grounds.toml").write_text(text)
        digests.add(module.sources_digest.__wrapped__())

    assert 2 == len(digests)


@for_each("spec", ["7.2", "7.3,mseal=off"])
def test_another_base_has_another_folder(tmp_path: Path, spec: str) -> None:
    """By its profile."""
    one, other = (KeptBase(tmp_path, ModelMachine(name), ()) for name in (BASE, spec))

    assert one.folder != other.folder


def test_what_two_reviews_keep_of_a_ground_is_joined(folder: Path) -> None:
    """Neither loses what the other has found meanwhile."""
    base = KeptBase(folder, ModelMachine(BASE), ())
    kept = base.steps(20)
    first, *others = kept.steps
    base._write("ground-20", [])
    base.keep_steps(20, {first: kept.steps[first]}, kept.begin)

    base.keep_steps(20, {key: kept.steps[key] for key in others}, kept.begin)

    assert kept.steps == base.steps(20).steps


def test_of_a_users_policy_nothing_is_kept(tmp_path: Path) -> None:
    """It may change at any time."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from pfnlab.design import TrackCtx\n\n\nclass Mine(TrackCtx):\n    pass\n", encoding="utf-8"
    )

    assert kept_base(tmp_path, ModelMachine(f"{BASE},tracker={file}"), ()) is None


def test_a_folder_that_cannot_be_written_costs_only_time(tmp_path: Path, alone: object) -> None:
    """A file is in its place."""
    (tmp_path / "file").touch()

    assert alone == answers(tmp_path / "file")
