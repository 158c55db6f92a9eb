"""Answers to the pieces of a review: kept in a file so that it can be resumed, or sent by shards and
combined.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.files import MOST_RECORDED, Missing, cannot_write, read_bytes, writing
from pfnlab.base.inert import visible_name
from pfnlab.base.version import VERSION
from pfnlab.checker.review.grounds import GROUNDS, LEAVES, TABLES
from pfnlab.checker.review.sequences import PieceAnswer
from pfnlab.kernel.policies.own import files_in
from pfnlab.programs.model.model_machine import ModelMachine


class ReviewHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The review that answers belong to.

    :param plan: a digest of its pieces and of the pfnlab version that runs them
    :param files: a digest of each policy file
    """

    format: Literal["pfnlab-answers/1"]
    base: str
    design: str
    plan: str
    files: dict[str, str]

    @classmethod
    def of(cls, base: ModelMachine, design: ModelMachine, pieces: Iterable[object]) -> ReviewHead:
        """The head for answers to *pieces*.

        :raises Unreadable: if a policy file no longer exists
        """
        files = sorted({*files_in(base.spec), *files_in(design.spec)})
        digests = {name: _digest(read_bytes(Path(name), "policy", MOST_RECORDED)) for name in files}
        return cls("pfnlab-answers/1", base.spec, design.spec, plan_digest(pieces), digests)


def plan_digest(pieces: Iterable[object]) -> str:
    """A digest of *pieces*, of the form of their answers, and of the pfnlab version."""
    tables = TABLES, GROUNDS, LEAVES, PieceAnswer.__struct_fields__
    return _digest("\n".join([VERSION, repr(tables), *map(repr, pieces)]).encode())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]


class AnswerFile:
    """A file of answers, one per line, written as they arrive.

    :param path: a new file, or one that belongs to the same review
    :raises Misuse: if it belongs to another review
    :raises Unreadable: if it is not a file of answers
    """

    def __init__(self, path: Path, head: ReviewHead) -> None:
        self._path = path
        self.known: dict[int, PieceAnswer] = {}
        try:
            content = read_bytes(path, "review", MOST_RECORDED)
        except Missing:
            content = b""
        # Text after the last newline was only partly written.
        whole = content[: content.rfind(b"\n") + 1]
        if whole:
            self._read(whole, head)
        elif content:
            raise Misuse(self._no_review())
        with writing(path, "name another file"):
            self._file = path.open("r+b" if content else "xb", buffering=0)
            self._file.truncate(len(whole))
            self._file.seek(len(whole))
            if not whole:
                self._file.write(msgspec.json.encode(head) + b"\n")

    def __enter__(self) -> AnswerFile:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def keep(self, answer: PieceAnswer) -> None:
        """Append an answer.

        :raises Misuse: if it cannot be written
        """
        self.known[answer.piece] = answer
        try:
            self._file.write(msgspec.json.encode(answer) + b"\n")
        except OSError as trouble:
            raise cannot_write(self._path, trouble) from trouble

    def _read(self, whole: bytes, head: ReviewHead) -> None:
        first, *lines = whole.splitlines()
        try:
            if (other := other_review(msgspec.json.decode(first, type=ReviewHead), head)) is not None:
                raise Misuse(f"{visible_name(self._path)} is of {other}: name another file")
            answers = [msgspec.json.decode(line, type=PieceAnswer) for line in lines]
        except (msgspec.DecodeError, msgspec.ValidationError):
            raise Misuse(self._no_review()) from None
        self.known = {answer.piece: answer for answer in answers}

    def _no_review(self) -> str:
        return f"{visible_name(self._path)} keeps no review: name a new file, or one that --resume made"


def other_review(kept: ReviewHead, head: ReviewHead) -> str | None:
    """The difference between the reviews *kept* and *head*, in words; None if they are the same."""
    if kept.design != head.design:
        return f"the design model:{visible_name(kept.design)}"
    if kept.base != head.base:
        return f"a review against model:{visible_name(kept.base)}"
    if kept.files != head.files:
        return "a policy that has changed since"
    return "another version of pfnlab, with other questions" if kept.plan != head.plan else None
