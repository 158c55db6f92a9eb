"""Questions of the page, with bounds, and the replies to them.

Data that fits no question is refused before anything reads it. A reply is an answer, or one line with the
reason for its absence.
"""

import resource
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any, TypeVar, get_type_hints

import msgspec

from pfnlab.base.errors import Misuse, PfnlabError, ProgramError
from pfnlab.explorer.stories import NotRunYet, mistake
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


class PageQuestion(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="ask"):
    """A question; its tag is the end of the address it is sent to."""


class OfProgram(PageQuestion, frozen=True):
    """A question about a program on machines."""

    program: Text
    machines: Names


class OfScope(PageQuestion, frozen=True):
    """A question about the states of a machine in a scope."""

    machine: Word
    scope: Word


class StartQuestion(PageQuestion, frozen=True, tag="start"):
    """The question for all that the page can choose from."""


class ProgramQuestion(PageQuestion, frozen=True, tag="program"):
    """The text of a program of the library."""

    name: Word


class StoryQuestion(OfProgram, frozen=True, tag="story"):
    """The steps of a program on machines, or its first mistake."""


class PictureQuestion(OfProgram, frozen=True, tag="picture"):
    """The picture of one step, from 0; *width* is its room in pixels, None for the usual."""

    step: Number
    width: Pixels | None = None


class RuleQuestion(PageQuestion, frozen=True, tag="rule"):
    """The text of a rule, by the number it has in docs/semantics."""

    rule: Word


class GraphQuestion(OfScope, frozen=True, tag="graph"):
    """A state of the checker's graph: *path* has each operation's number among those possible."""

    path: Choices
    width: Pixels | None = None


class CQuestion(OfProgram, frozen=True, tag="c"):
    """A program as C, which expects what the first of the machines answers."""


class RaceQuestion(OfProgram, frozen=True, tag="race"):
    """The lanes of a program's processors."""

    width: Pixels | None = None


class BundleQuestion(PageQuestion, frozen=True, tag="bundle"):
    """A bundle by its number; its bytes were sent raw, not as JSON."""

    bundle: Word
    name: Word
    data: bytes


class OpenedQuestion(PageQuestion, frozen=True, tag="opened"):
    """The same question about the bundle that the command line named."""


class DeviceQuestion(PageQuestion, frozen=True, tag="device"):
    """The question whether a device is write-combining, all of it."""

    bundle: Word
    device: Word


class ExplainQuestion(PageQuestion, frozen=True, tag="explain"):
    """The meaning of a log's lines; *kernel* is the version where they do not say it, or empty."""

    lines: Text
    kernel: Word = ""


#: The questions that take work: they are worked out in processes of their own.
Worked = (
    StoryQuestion
    | PictureQuestion
    | GraphQuestion
    | RaceQuestion
    | CQuestion
    | DeviceQuestion
    | ExplainQuestion
)

#: Those among them about what comes from outside; they have a process to themselves.
Inspected = BundleQuestion | DeviceQuestion | ExplainQuestion


class SearchQuestion(OfScope, frozen=True, tag="search"):
    """A search for violations of a property, in the background."""


class KernelRunQuestion(PageQuestion, frozen=True, tag="kernel"):
    """A program on a real kernel, in the background."""

    program: Text
    machine: Word


class JobQuestion(PageQuestion, frozen=True, tag="job"):
    """The progress of background work."""

    job: Word
    stop: bool = False


_Question = TypeVar("_Question")


class NotOpen(Misuse):
    """The bundle of a question is no longer in its process."""


def begin_answering(memory: int) -> None:
    """Be a process that answers questions; what wants more bytes gets :func:`answered`'s line."""
    # The server hears Ctrl-C, and ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


def by_question(answers: object) -> dict[type[Any], Callable[[Any], Any]]:
    """The methods of *answers* whose argument is a question, by its kind."""
    methods = [getattr(answers, name) for name in vars(type(answers)) if not name.startswith("_")]
    return {
        kind: method for method in methods for kind in get_type_hints(method).values() if _is_question(kind)
    }


def _is_question(kind: object) -> bool:
    """True for the structure of a question, whatever the name of the argument."""
    config = getattr(kind, "__struct_config__", None)
    return config is not None and config.tag_field == "ask"


def reply(answer: Callable[[_Question], Any], question: _Question) -> bytes:
    """The answer to *question* as JSON on one line."""
    return msgspec.json.encode(answered(answer, question))


def refused(reason: str) -> bytes:
    """The reply where there is no answer."""
    return msgspec.json.encode({"refused": reason})


def is_refused(reply: bytes) -> bool:
    """True for the reply where there is no answer."""
    return reply.startswith(b'{"refused":')


def answered(answer: Callable[[_Question], Any], question: _Question) -> Any:
    """The answer, or the error in the program or question."""
    try:
        return answer(question)
    except ProgramError as wrong:
        return {"mistake": mistake(wrong)}
    except NotRunYet as wrong:
        return {"refused": str(wrong), "runs": wrong.machine}
    except NotOpen as wrong:
        return {"refused": str(wrong), "gone": True}
    except PfnlabError as wrong:
        return {"refused": str(wrong)}
    except MemoryError:
        return {"refused": "this takes more memory than a question may: the verbs of pfnlab have no limit"}
    except RecursionError:
        return {"refused": "the program is nested too deeply"}
    except Exception:
        traceback.print_exc(file=sys.stderr)
        return {"refused": "this is a defect of pfnlab; please report what the terminal shows"}
