"""An answer as the page gets it, or the one line that says why there is none."""

from __future__ import annotations

import resource
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from pfnlab.base.errors import Misuse, PfnlabError, ProgramError
from pfnlab.explorer.stories import NotRunYet, mistake

_Question = TypeVar("_Question")


class NotOpen(Misuse):
    """A question is about a bundle that its process does not have any more."""


def begin_answering(memory: int) -> None:
    """Be a process that answers questions: it takes no more than so many bytes of memory.

    What wants more gets the line of :func:`answered`, and the server goes on.
    """
    # The server hears Ctrl-C, and ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))


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
    """The answer, or what is wrong with the program or with what was asked."""
    try:
        return answer(question)
    except ProgramError as wrong:
        return {"mistake": mistake(wrong)}
    except NotRunYet as wrong:
        return {"refused": str(wrong), "runs": True}
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
