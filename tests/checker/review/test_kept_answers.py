"""Answers that are kept: a review that goes on from them is the review that was never cut."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from for_each import for_each

from pfnlab.base.errors import Misuse
from pfnlab.checker.review.kept_answers import AnswerFile, ReviewHead
from pfnlab.checker.review.review import ReviewPiece, plan, review
from pfnlab.checker.review.review_result import ReviewResult
from pfnlab.checker.review.sequences import PieceAnswer
from pfnlab.programs.model.model_machine import ModelMachine

BASE, DESIGN = ModelMachine("7.3"), ModelMachine("7.3,tracker=vm_pat")

#: Pieces of sequences, and a pair that vm_pat breaks.
PIECES = [
    *(ReviewPiece(0, number) for number in (0, 1, 2)),
    *[piece for piece in plan() if piece.stage == 3][:2],
]


def found(result: ReviewResult) -> ReviewResult:
    """A result without what no two have alike."""
    broken, repaired = (
        tuple(msgspec.structs.replace(one, seconds=0.0) for one in each)
        for each in (result.broken, result.repaired)
    )
    return msgspec.structs.replace(result, seconds=0.0, made=None, broken=broken, repaired=repaired)


def head(design: ModelMachine = DESIGN, base: ModelMachine = BASE) -> ReviewHead:
    """The head of the answers to :data:`PIECES`."""
    return ReviewHead.of(base, design, PIECES)


def kept(path: Path) -> dict[int, PieceAnswer]:
    """The answers to all pieces, which the file at *path* has then."""
    with AnswerFile(path, head()) as file:
        review(BASE, DESIGN, seconds=240, pieces=PIECES, keep=file.keep)
        return file.known


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the answers to all pieces."""
    path = tmp_path_factory.mktemp("answers") / "review"
    kept(path)
    return path


@for_each("before", [0, 2, 4, 5])
def test_a_review_goes_on_as_if_it_was_never_cut(tmp_path: Path, answers: Path, before: int) -> None:
    """However many pieces were answered before."""
    path = tmp_path / "review"
    path.write_bytes(b"".join(answers.read_bytes().splitlines(keepends=True)[: before + 1]))

    with AnswerFile(path, head()) as file:
        assert before == len(file.known)
        resumed = review(BASE, DESIGN, seconds=240, pieces=PIECES, known=dict(file.known), keep=file.keep)

    assert found(review(BASE, DESIGN, seconds=240, pieces=PIECES)) == found(resumed)
    assert answers.read_bytes() == path.read_bytes()


def test_a_line_that_was_not_written_whole_is_asked_again(tmp_path: Path, answers: Path) -> None:
    """As a process leaves it that was killed."""
    path = tmp_path / "review"
    path.write_bytes(answers.read_bytes()[:-10])

    with AnswerFile(path, head()) as file:
        assert [0, 1, 2, 3] == sorted(file.known)
    assert path.read_bytes().endswith(b"\n")


@for_each(
    ("other", "says"),
    [
        (head(ModelMachine("7.3,tracker=exact")), "is of the design model:7.3,tracker=vm_pat: name another"),
        (head(base=ModelMachine("7.2")), "is of a review against model:7.3: name another file"),
        (msgspec.structs.replace(head(), plan="0"), "is of another version of pfnlab, with other questions"),
        (msgspec.structs.replace(head(), files={"a": "b"}), "is of a policy that has changed since"),
    ],
)
def test_the_file_of_another_review_is_refused(answers: Path, other: ReviewHead, says: str) -> None:
    """In one line, and it stays as it was."""
    before = answers.read_bytes()

    with pytest.raises(Misuse) as refused:
        AnswerFile(answers, other)

    assert says in str(refused.value)
    assert "\n" not in str(refused.value)
    assert before == answers.read_bytes()


@for_each("content", [b"hello", b"hello\n", b"{}\n", b'{"format": "pfnlab-answers/2"}\n', b"\xff\n"])
def test_a_file_that_keeps_no_review_is_refused(tmp_path: Path, content: bytes) -> None:
    """And not written to."""
    path = tmp_path / "review"
    path.write_bytes(content)

    with pytest.raises(Misuse, match="keeps no review"):
        AnswerFile(path, head())

    assert content == path.read_bytes()


def test_a_policy_that_has_changed_is_another_review(tmp_path: Path) -> None:
    """Its answers were those of the other one."""
    own = tmp_path / "own.py"
    own.write_text("from pfnlab.design import Exact\n\n\nclass Own(Exact):\n    pass\n")
    before = head(ModelMachine(f"7.3,tracker={own}"))

    own.write_text(own.read_text() + "\n")

    assert before != head(ModelMachine(f"7.3,tracker={own}"))
