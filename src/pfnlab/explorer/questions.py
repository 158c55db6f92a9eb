"""Questions from the page, with limits, and the replies to them.

Data that does not match a question is refused before anything uses it. A reply is an answer, or one line with
the reason why it could not be given.
"""

import sys
import traceback
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import msgspec

from pfnlab.base.errors import Misuse, PfnlabError, ProgramError
from pfnlab.explorer.stories import NotRunYet, mistake
from pfnlab.programs.lang.words import MAX_BYTES, MAX_OPS

#: The maximum number of operations in a walk through the checker's graph.
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
    """A question; its tag is the last part of the URL it is sent to."""


class OfProgram(PageQuestion, frozen=True):
    """A question about a program on machines."""

    program: Text
    machines: Names


class OfScope(PageQuestion, frozen=True):
    """A question about a machine's states in a scope."""

    machine: Word
    scope: Word


class StartQuestion(PageQuestion, frozen=True, tag="start"):
    """A request for everything that can be chosen on the page."""


class ProgramQuestion(PageQuestion, frozen=True, tag="program"):
    """A request for the text of a library program."""

    name: Word


class StoryQuestion(OfProgram, frozen=True, tag="story"):
    """A request for a program's steps on machines, or its first mistake."""


class PictureQuestion(OfProgram, frozen=True, tag="picture"):
    """A request for the picture of one step, counted from 0; *width* is in pixels, None for the usual one."""

    step: Number
    width: Pixels | None = None


class RuleQuestion(PageQuestion, frozen=True, tag="rule"):
    """A request for the text of a rule, by its number in docs/semantics."""

    rule: Word


class GraphQuestion(OfScope, frozen=True, tag="graph"):
    """A request for a state of the checker's graph; *path* is each operation's index among those possible."""

    path: Choices
    width: Pixels | None = None


class CQuestion(OfProgram, frozen=True, tag="c"):
    """A request for a program as C that expects the results of the first machine."""


class RaceQuestion(OfProgram, frozen=True, tag="race"):
    """A request for the lanes of a program's processors."""

    width: Pixels | None = None


class BundleQuestion(PageQuestion, frozen=True, tag="bundle"):
    """A bundle, identified by a number; its bytes are sent raw, not as JSON."""

    bundle: Word
    name: Word
    data: bytes


class OpenedQuestion(PageQuestion, frozen=True, tag="opened"):
    """The same request, for the bundle named on the command line."""


class DeviceQuestion(PageQuestion, frozen=True, tag="device"):
    """A request for everything about a device, e.g. whether it is write-combining."""

    bundle: Word
    device: Word


class ExplainQuestion(PageQuestion, frozen=True, tag="explain"):
    """A request for the meaning of log lines; *kernel* is the version if they do not name it, or empty."""

    lines: Text
    kernel: Word = ""


#: The questions that take work, which separate processes answer.
Worked = (
    StoryQuestion
    | PictureQuestion
    | GraphQuestion
    | RaceQuestion
    | CQuestion
    | DeviceQuestion
    | ExplainQuestion
)

#: Questions about input from outside; they have a process of their own.
Inspected = BundleQuestion | DeviceQuestion | ExplainQuestion


class SearchQuestion(OfScope, frozen=True, tag="search"):
    """A request to search for violations of a property, in the background."""


class KernelRunQuestion(PageQuestion, frozen=True, tag="kernel"):
    """A request to run a program on a real kernel, in the background."""

    program: Text
    machine: Word


class JobQuestion(PageQuestion, frozen=True, tag="job"):
    """A request for the progress of background work."""

    job: Word
    stop: bool = False


class NotOpen(Misuse):
    """The bundle that a question is about is no longer in the process."""


def by_question(answers: object) -> dict[type[Any], Callable[[Any], Any]]:
    """Return those methods of *answers* that take a question, by type of question."""
    methods = [getattr(answers, name) for name in vars(type(answers)) if not name.startswith("_")]
    return {
        kind: method for method in methods for kind in get_type_hints(method).values() if _is_question(kind)
    }


def _is_question(kind: object) -> bool:
    """Return True if *kind* is the structure of a question, whatever the argument is called."""
    config = getattr(kind, "__struct_config__", None)
    return config is not None and config.tag_field == "ask"


def reply(answer: Callable[[Any], Any], question: Any) -> bytes:
    """Return the answer to *question* as one line of JSON."""
    return msgspec.json.encode(answered(answer, question))


def answered(answer: Callable[[Any], Any], question: Any) -> Any:
    """Return the answer, or the error in the program or question."""
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
