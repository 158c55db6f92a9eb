"""Declarations of properties of states: each decorates its judge, and the name then stands for the property.

A judge answers True or False, or None if its question does not apply. Its name is the property's, and
the first paragraph of its docstring is the property in one sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, fields
from importlib import import_module
from typing import Any, Literal, Protocol, TypedDict, Unpack, get_args

from pfnlab.base.errors import Defect
from pfnlab.checker.scopes.moment import Judge, Moment
from pfnlab.kernel.bugs.loss import Loss
from pfnlab.programs.runs.kernel_property import KernelProperty, documented

#: The seams that a question may belong to, as in a machine's name.
Seam = Literal["tracker", "flush", "walker"]
SEAMS: tuple[Seam, ...] = get_args(Seam)

#: How often each kind of operation had each result during a whole search.
Outcomes = Mapping[tuple[str, str], int]


class RaceView(Protocol):
    """The parts of a race's state that only the race knows."""

    @property
    def told_free(self) -> bool:
        """True if an owner was told that a frame is free while a processor could still reach it."""

    @property
    def stuck(self) -> bool:
        """True if no task can run although some are not done."""

    @property
    def overlapping(self) -> bool:
        """True if an owner was told this while another operation was in progress."""

    @property
    def free(self) -> bool:
        """True if any owner was told that a frame is free."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Question(KernelProperty):
    """A property of a modelled kernel's states.

    :param kind: whether every state must satisfy it, or some state, to show that a search examines anything
    :param about: the state itself; the step to it, by facts that the state does not show; or a step that is a
        whole operation: in the middle of one, e.g. memory may be committed before it has a VMA
    :param needs: operation keywords; the property does not apply to a scope that lacks one of them. Words
        joined by ``or`` are alternatives
    :param occasion: takes the results of all operations in a search and returns whether the property ever
        applied; None if the states themselves show this
    :param seam: the seam whose policy is responsible; None for a property that describes a search's reach or
        does not depend on a policy
    """

    judge: Judge
    kind: Literal["always", "sometimes"] = "always"
    about: Literal["state", "step", "operation"] = "state"
    needs: tuple[str, ...] = ()
    occasion: Callable[[Outcomes], bool] | None = None
    seam: Seam | None = None

    def __post_init__(self) -> None:
        if self.kind == "always":
            super().__post_init__()

    def __reduce__(self) -> tuple[Any, ...]:
        # The judge itself is hidden behind the property of its name.
        return _named, (self.judge.__module__, self.name)

    def arises(self, words: Set[str]) -> bool:
        """True if the property applies to a scope with these *words*."""
        return all(any(word in words for word in need.split(" or ")) for need in self.needs)


def _named(module: str, name: str) -> Question:
    return getattr(import_module(module), name)  # type: ignore[no-any-return]


@dataclass(frozen=True, eq=False, kw_only=True)
class SeenQuestion(Question):
    """A property of states of any kernel, which is also judged after every observed step of a run.

    :param seen: the judge, for which an observation shows enough
    :param of_each_mapping: for a property that holds if it holds for every single mapping: what its answer
        for one depends on besides; None for any other property
    """

    seen: Callable[[Moment], bool | None]
    of_each_mapping: Callable[[Moment], object] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class TurnQuestion(Question):
    """A property that only a race can judge, while it runs (:mod:`pfnlab.checker.races`)."""

    of_race: Callable[[RaceView], bool | None]

    def __reduce__(self) -> tuple[Any, ...]:
        return _named, (self.of_race.__module__, self.name)


class _DeclaredParts(TypedDict, total=False):
    # The parts of a declaration; `says` stands for the words of a property that is declared elsewhere.
    happens: str
    noticed: str
    loss: Loss
    says: KernelProperty
    kind: Literal["always", "sometimes"]
    about: Literal["state", "step", "operation"]
    needs: tuple[str, ...]
    occasion: Callable[[Outcomes], bool]
    seam: Seam


def of_models(**parts: Unpack[_DeclaredParts]) -> Callable[[Judge], Question]:
    """Declare a property that only the states of a model show."""
    return lambda judge: Question(**_words(judge, parts), judge=judge)


def of_kernels(
    *, of_each_mapping: Callable[[Moment], object] | None = None, **parts: Unpack[_DeclaredParts]
) -> Callable[[Callable[[Moment], bool | None]], SeenQuestion]:
    """Declare a property that is judged on the states of a model and on the observed steps of any kernel.

    :raises Defect: if the judge takes more than a :class:`~pfnlab.checker.scopes.moment.Moment`
    """

    def declare(judge: Callable[[Moment], bool | None]) -> SeenQuestion:
        if judge.__annotations__.get("moment") not in (Moment, Moment.__name__):
            raise Defect(
                f"property {judge.__name__}: an observed step is a Moment, and its judge takes "
                f"{judge.__annotations__.get('moment')}: declare it with of_models"
            )
        words = _words(judge, parts)
        return SeenQuestion(**words, judge=judge, seen=judge, of_each_mapping=of_each_mapping)

    return declare


def of_races(**parts: Unpack[_DeclaredParts]) -> Callable[[Callable[[RaceView], bool | None]], TurnQuestion]:
    """Declare a property that is judged while a race runs."""
    return lambda judge: TurnQuestion(**_words(judge, parts), judge=lambda moment: None, of_race=judge)


def _words(judge: Callable[..., bool | None], parts: _DeclaredParts) -> dict[str, Any]:
    """The parts of a declaration, with those that the judge or another declaration says."""
    given: dict[str, Any] = dict(parts)
    says: KernelProperty | None = given.pop("says", None)
    if says is None:
        return given | dict(zip(("name", "asks", "more"), documented(judge), strict=True))
    if says.name != judge.__name__:
        raise Defect(f"property {says.name}: its judge is called {judge.__name__}")
    return given | {field.name: getattr(says, field.name) for field in fields(KernelProperty)}
