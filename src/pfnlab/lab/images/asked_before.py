"""Answers that a long search keeps in the cache, so that it goes on where it was."""

from __future__ import annotations

import hashlib

import msgspec

from pfnlab.lab.images.cache import cache_root, trusted, usable, write_cached


class AskedBefore:
    """The answers of one search, in ``<cache>/bisect/KEY.json``; each is written when it is there.

    :param parts: what the search is about: with other parts it is another one
    :param afresh: forget what was answered
    """

    def __init__(self, *parts: str, afresh: bool = False) -> None:
        key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
        self._path = cache_root() / "bisect" / f"{key}.json"
        self._answers: dict[str, str] = {}
        if not afresh:
            try:
                self._answers = msgspec.json.decode(trusted(self._path).read_bytes(), type=dict[str, str])
            except (OSError, msgspec.MsgspecError):
                # None yet, or one that was cut off: it is asked again.
                self._answers = {}

    def __getitem__(self, question: str) -> str | None:
        return self._answers.get(question)

    def keep(self, question: str, answer: str) -> None:
        """Remember an answer.

        :raises Undecided: the cache cannot be written
        """
        self._answers[question] = answer
        with usable():
            write_cached(self._path, msgspec.json.encode(self._answers))
