"""Questions of the page, as forms with bounds: one that fits no form is refused before anything reads it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from pfnlab.programs.lang.words import MAX_BYTES, MAX_OPS

#: The most operations in a row that a walk through the checker's graph goes.
MOST_DEPTH = 64

Text = Annotated[str, msgspec.Meta(max_length=MAX_BYTES)]
Word = Annotated[str, msgspec.Meta(max_length=200)]
Names = Annotated[tuple[Word, ...], msgspec.Meta(max_length=4)]
Number = Annotated[int, msgspec.Meta(ge=0, le=MAX_OPS)]
Pixels = Annotated[int, msgspec.Meta(ge=200, le=4000)]
Choices = Annotated[
    tuple[Annotated[int, msgspec.Meta(ge=0, le=100_000)], ...], msgspec.Meta(max_length=MOST_DEPTH)
]


class AskedStart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="start", tag_field="ask"):
    """The question for all that the page can choose from."""


class AskedProgram(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="program", tag_field="ask"):
    """The text of a program of the library."""

    name: Word


class AskedStory(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="story", tag_field="ask"):
    """The steps of a program on machines, or its first mistake."""

    program: Text
    machines: Names


class AskedPicture(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="picture", tag_field="ask"):
    """The picture of one step.

    :param step: counted from 0
    :param width: the room for it on the screen, in pixels; None for the usual
    """

    program: Text
    machines: Names
    step: Number
    width: Pixels | None = None


class AskedRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="rule", tag_field="ask"):
    """The text of a rule, by the number it has in docs/semantics."""

    rule: Word


class AskedGraph(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="graph", tag_field="ask"):
    """A state of the checker's graph.

    :param path: for each operation so far its number among those that were possible
    """

    machine: Word
    scope: Word
    path: Choices
    width: Pixels | None = None


class AskedRace(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="race", tag_field="ask"):
    """The lanes of a program's processors."""

    program: Text
    machines: Names
    width: Pixels | None = None


#: The questions that take work: they are worked out in processes of their own.
Worked = AskedStory | AskedPicture | AskedGraph | AskedRace


class AskedSearch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="search", tag_field="ask"):
    """A search for what breaks a property, which goes on in the background."""

    machine: Word
    scope: Word


class AskedKernelRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="kernel", tag_field="ask"):
    """A program on a real kernel, which goes on in the background."""

    program: Text
    machine: Word


class AskedJob(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="job", tag_field="ask"):
    """How far what goes on in the background is.

    :param stop: end it
    """

    job: Word
    stop: bool = False
