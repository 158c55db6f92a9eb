"""A tool call, carried out as the command line does it, in a process that is killed at the call's limits.

The reply is JSON: exit code, results as ``--json`` prints them, and the text of the terminal. If there are
none, it has one line with the reason.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import msgspec

from pfnlab.base.answerer import begin_answering
from pfnlab.base.errors import Defect, Misuse, PfnlabError, ProgramError, Undecided
from pfnlab.base.inert import message
from pfnlab.base.made import set_command
from pfnlab.base.progress import silent
from pfnlab.base.result import Outcome, PlainText
from pfnlab.base.supervised import supervised
from pfnlab.base.units import size_text
from pfnlab.base.worker import End
from pfnlab.cli.help import help_text
from pfnlab.cli.reader import read
from pfnlab.cli.showing import show
from pfnlab.cli.verbs import function_of, page_of
from pfnlab.mcp.verb_tools import ToolCall

#: The maximum size of a reply, in bytes, and of the text in it, in characters.
MOST_REPLY, _MOST_SHOWN = 1 << 20, 8000


class CallReply(msgspec.Struct, frozen=True, omit_defaults=True):
    """The reply to a call.

    :param refused: one line with the reason why there are no results; empty if there are
    :param results: as ``--json`` prints them, or a JSON Schema; none for a verb that only prints text
    :param left_out: why there are no results although the verb has some
    :param text: the text of the terminal, cut only if the results are complete
    """

    refused: str = ""
    exit_code: int = 0
    results: tuple[msgspec.Raw, ...] = ()
    left_out: str = ""
    text: str = ""


def answering(end: End, memory: int | None, folder: str) -> Callable[[ToolCall], bytes]:
    """Return the function that carries out calls in a process with at most *memory* bytes.

    :param folder: where the folders with the texts of calls are made
    """
    begin_answering(memory)
    # The text is not for a terminal.
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS"):
        os.environ.pop(name, None)
    return lambda call: _answered(call, folder)


def _answered(call: ToolCall, folder: str) -> bytes:
    """Return the reply; raise Undecided if the process should be replaced."""
    with tempfile.TemporaryDirectory(dir=folder) as own:
        for name, text in call.texts.items():
            Path(own, name).write_bytes(text.encode("utf-8", "surrogatepass"))
        os.chdir(own)
        try:
            return supervised(lambda: _performed(call)) if call.runs_code else _performed(call)
        except PfnlabError as trouble:
            if isinstance(trouble, ProgramError):
                # The client has the line itself.
                trouble.text = ""
            return _refused(str(trouble), trouble.exit_code)
        except MemoryError:
            raise Undecided("the call takes more memory than it may: ask about less") from None
        except RecursionError:
            return _refused("the input is nested too deeply", Misuse.exit_code)
        except Exception:
            traceback.print_exc(file=sys.stderr)
            return _refused("this is a defect of pfnlab: the server's log has the details", Defect.exit_code)
        finally:
            os.chdir(folder)


def _performed(call: ToolCall) -> bytes:
    """Run the command and return the reply, without results if they are too large; Misuse if the text is."""
    set_command(call.words)
    line = read(call.words)
    if line.request is None:
        return msgspec.json.encode(CallReply(text=help_text(page_of(line.verb))))
    with silent():
        results = list(function_of(line.verb)(line.request, lambda line: None))
        code = Outcome.of_all(result.outcome for result in results).value
        documents = tuple(document for result in results for document in _documents(result))
        text = io.StringIO()
        with redirect_stdout(text):
            show(line.verb, line.request, iter(results))
    said = text.getvalue()
    encoded = msgspec.json.encode(CallReply("", code, documents, text=_cut(said) if documents else said))
    if documents and len(encoded) > MOST_REPLY:
        left_out = f"the results have {_too_large(encoded)}, and are left out: ask about less for them"
        encoded = msgspec.json.encode(
            CallReply("", code, left_out=left_out, text=f"{said.rstrip()}\n\n{left_out}\n")
        )
    if len(encoded) > MOST_REPLY:
        raise Misuse(f"the answer has {_too_large(encoded)}: ask about less")
    return encoded


def _too_large(encoded: bytes) -> str:
    return f"{size_text(len(encoded))}, more than {size_text(MOST_REPLY)}"


def _documents(result: Any) -> Iterator[msgspec.Raw]:
    """Yield the documents of a result; of a text, itself if it is a JSON object."""
    if isinstance(result, PlainText):
        if result.text.startswith("{"):
            yield msgspec.Raw(result.text.encode())
        return
    if hasattr(result, "of_programs"):
        yield from (msgspec.Raw(one.as_json().encode()) for one in result.of_programs)
    else:
        yield msgspec.Raw(result.as_json().encode())


def _cut(text: str) -> str:
    """Return the beginning of a long text, with the number of lines that are left out."""
    if len(text) <= _MOST_SHOWN:
        return text
    begin = text[:_MOST_SHOWN].rpartition("\n")[0]
    return (
        f"{begin}\n... {text.count(chr(10)) - begin.count(chr(10)):,} more lines; the results are complete\n"
    )


def _refused(reason: str, code: int) -> bytes:
    return msgspec.json.encode(CallReply(message(" ".join(reason.split())), code))
