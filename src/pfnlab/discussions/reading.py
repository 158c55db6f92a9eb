"""Claims, read from files such as ``004.toml``; ``form.txt`` describes the form."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.files import read_text
from pfnlab.base.spelling import did_you_mean
from pfnlab.base.toml_text import MOST_TOML, toml_content
from pfnlab.checker.check import HOLDS, VIOLATED
from pfnlab.checker.scopes.properties import questions
from pfnlab.checker.scopes.scope import load_scope
from pfnlab.discussions.claim_questions import (
    ALWAYS,
    DEVICE,
    ClaimQuestion,
    CostQuestion,
    PropertyQuestion,
    SharedWordQuestion,
    StepQuestion,
)
from pfnlab.discussions.evidence import SERIES, Evidence, SizeEvidence, SourceStatement, StepEvidence
from pfnlab.discussions.form import AuthorClaims, Claim, ClaimStatus, Discussion, Message, faults
from pfnlab.discussions.step_parts import STEP_PARTS, StepPart
from pfnlab.kernel.policies.releases import CONFIRMED
from pfnlab.kernel.policies.trackers import TRACKERS

_HERE = Path(__file__).parent
T = TypeVar("T", bound=msgspec.Struct)
A = TypeVar("A")
#: Lists and tables that must not be empty.
_Some = msgspec.Meta(min_length=1)
_Names = str | Annotated[list[str], _Some]
_Expected = Annotated[dict[str, str], _Some]


class _File(msgspec.Struct, forbid_unknown_fields=True):
    title: str
    short: str
    message: Annotated[list[dict[str, Any]], _Some]


class _Message(msgspec.Struct, forbid_unknown_fields=True):
    who: str
    role: str
    date: str
    subject: str
    claim: Annotated[list[dict[str, Any]], _Some]
    message_id: str = ""


class _Claim(msgspec.Struct, forbid_unknown_fields=True):
    words: str
    reading: str
    status: str
    hedge: str = ""
    because: str = ""
    models: list[dict[str, Any]] = []
    kernels: list[dict[str, Any]] = []
    model_only: str = ""
    sources: list[dict[str, Any]] = []


class _Question(msgspec.Struct, Generic[A], forbid_unknown_fields=True, kw_only=True):
    """A question of any kind; its answer supports or contradicts the claim."""

    against: bool = False

    def questions(self) -> Iterator[A]:
        """One question for each machine and each part of the answer."""
        raise NotImplementedError


class _Run(_Question[ClaimQuestion], kw_only=True):
    on: _Names
    run: Annotated[list[str], _Some]
    expected: _Expected
    header: list[str] = []

    def questions(self) -> Iterator[ClaimQuestion]:
        head = (DEVICE, *self.header)
        for machine in _names(self.on):
            for part, expected in self.expected.items():
                yield StepQuestion(machine, tuple(self.run), _step_part(part), expected, self.against, head)


class _SearchTable(_Question[ClaimQuestion], kw_only=True):
    on: _Names
    search: str
    expected: _Expected

    def questions(self) -> Iterator[ClaimQuestion]:
        for machine in _names(self.on):
            for name, expected in self.expected.items():
                _check_property(name, self.search)
                if expected not in (HOLDS, ALWAYS, VIOLATED):
                    verdicts = f"{HOLDS}, {ALWAYS} or {VIOLATED}"
                    raise Misuse(f"{name} = {expected!r} is not a verdict: write {verdicts}")
                yield PropertyQuestion(machine, name, expected, self.against, self.search)


class _Price(msgspec.Struct, forbid_unknown_fields=True):
    per_vma: int
    per_context: int


class _Tracker(_Question[ClaimQuestion], kw_only=True):
    tracker: str
    expected: _Price

    def questions(self) -> Iterator[ClaimQuestion]:
        _check_name("tracker", self.tracker, TRACKERS)
        yield CostQuestion(self.tracker, (self.expected.per_vma, self.expected.per_context), self.against)


class _Configurations(msgspec.Struct, forbid_unknown_fields=True):
    able: int
    unable: int


class _SharedWord(_Question[ClaimQuestion], kw_only=True):
    shared_word: str
    expected: _Configurations

    def questions(self) -> Iterator[ClaimQuestion]:
        _check_name("series", self.shared_word, CONFIRMED)
        yield SharedWordQuestion(self.shared_word, (self.expected.able, self.expected.unable), self.against)


class _Litmus(_Question[Evidence], kw_only=True):
    on: _Names
    litmus: str
    op: str
    expected: _Expected
    nth: int = -1

    def questions(self) -> Iterator[Evidence]:
        series = _series(self.on)
        for part, expected in self.expected.items():
            yield StepEvidence(
                self.litmus, series, self.op, _step_part(part), expected, self.against, self.nth
            )


class _Size(msgspec.Struct, forbid_unknown_fields=True):
    bytes: int


class _Structure(_Question[Evidence], kw_only=True):
    on: _Names
    structure: str
    expected: _Size

    def questions(self) -> Iterator[Evidence]:
        yield SizeEvidence(self.structure, _series(self.on), self.expected.bytes, self.against)


class _Source(_Question[SourceStatement], kw_only=True):
    on: Annotated[list[str], _Some]
    source: str
    function: str
    says: str

    def questions(self) -> Iterator[SourceStatement]:
        yield SourceStatement(self.source, self.function, self.on, self.says, self.against)


#: The kinds of questions, by the key that identifies each.
_MODELS: dict[str, type[_Question[ClaimQuestion]]] = {
    "run": _Run,
    "search": _SearchTable,
    "tracker": _Tracker,
    "shared_word": _SharedWord,
}
_KERNELS: dict[str, type[_Question[Evidence]]] = {"litmus": _Litmus, "structure": _Structure}
_SOURCES: dict[str, type[_Question[SourceStatement]]] = {"source": _Source}


def discussion_numbers() -> list[str]:
    """The numbers of all discussions, without reading them."""
    return sorted(path.stem for path in _HERE.glob("*.toml"))


@cache
def discussions() -> tuple[Discussion, ...]:
    """All discussions, by number; raises Misuse if a file is malformed."""
    return tuple(
        read_discussion(read_text(_HERE / f"{number}.toml", "discussions", MOST_TOML), number)
        for number in discussion_numbers()
    )


def read_discussion(text: str, number: str) -> Discussion:
    """The discussion in *text*; raises Misuse, saying where the mistake is and what to write instead."""
    source = f"discussions/{number}.toml"
    file = _read(_File, toml_content(text, source), source)
    said, count = [], 0
    for place, table in enumerate(file.message, start=1):
        message = _read(_Message, table, f"{source}: message {place}")
        claims = []
        for written in message.claim:
            count += 1
            claims.append(_claim(written, f"{source}: claim {number}.{count}"))
        said.append(AuthorClaims(_message_of(message), claims))
    return Discussion(number, file.title, file.short, said)


def _message_of(read: _Message) -> Message:
    return Message(read.subject, read.date, read.who, read.role, read.message_id)


def _claim(table: dict[str, Any], where: str) -> Claim:
    written = _read(_Claim, table, where)
    _check_name("status", written.status, list(ClaimStatus), where)
    asks = _questions_of(_MODELS, written.models, f"{where}, models")
    kernels = _questions_of(_KERNELS, written.kernels, f"{where}, kernels")
    sources = _questions_of(_SOURCES, written.sources, f"{where}, sources")
    claim = Claim(
        *(written.words, written.hedge, written.reading, ClaimStatus(written.status), written.because),
        *(asks, kernels, written.model_only, tuple(sources)),
    )
    for fault in faults(claim):
        raise Misuse(f"{where} {fault}")
    return claim


def _questions_of(
    kinds: Mapping[str, type[_Question[A]]], tables: Sequence[dict[str, Any]], where: str
) -> list[A]:
    """The questions in a list; the kind of each depends on which key its table has."""
    questions: list[A] = []
    for place, table in enumerate(tables, start=1):
        line = f"{where}, question {place}"
        found = [kind for key, kind in kinds.items() if key in table]
        if not found:
            raise Misuse(f"{line} asks nothing: write one of {', '.join(kinds)}")
        question = _read(found[0], table, line)
        try:
            questions += question.questions()
        except Misuse as wrong:
            raise Misuse(f"{line}: {wrong}") from None
    return questions


def _read(kind: type[T], table: dict[str, Any], where: str) -> T:
    """*table* as a structure; raises a one-line error for unknown, missing or wrong keys."""
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    for key in table:
        _check_name("key", key, fields, where)
    for name, field in fields.items():
        if field.required and name not in table:
            raise Misuse(f"{where}: `{name}` is missing: write {name} = ...")
    for key, value in table.items():
        try:
            msgspec.convert(value, fields[key].type)
        except msgspec.ValidationError as wrong:
            said = str(wrong)
            raise Misuse(f"{where}: `{key}`: {said[0].lower()}{said[1:]}") from None
    return msgspec.convert(table, kind)


def _names(on: str | list[str]) -> list[str]:
    return [on] if isinstance(on, str) else on


def _series(on: str | list[str]) -> tuple[str, ...]:
    if isinstance(on, str) and on in SERIES:
        return SERIES[on]
    for name in _names(on):
        _check_name("series", name, (*SERIES, *CONFIRMED))
    return tuple(_names(on))


def _step_part(part: str) -> StepPart:
    _check_name("part of a step", part, STEP_PARTS)
    return STEP_PARTS[part]


@cache
def _check_property(name: str, scope: str) -> None:
    questions([name], load_scope(scope))


def _check_name(what: str, name: str, names: Iterable[str], where: str = "") -> None:
    if name not in names:
        before = f"{where}: " if where else ""
        raise Misuse(f"{before}there is no {what} {name!r}{did_you_mean(name, names)}")
