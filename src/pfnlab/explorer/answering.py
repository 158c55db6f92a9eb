"""The process that works out one question after the other, and may be ended at any time.

    python -m pfnlab.explorer.answering PIPE SERVER [MACHINE...]

PIPE is the number of an open socket, SERVER the process that asks. A question is a line of JSON in one of the
forms of :mod:`pfnlab.explorer.asked`, and so is its answer. It ends when the socket does, or the server.
"""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import reduce
from operator import or_

import msgspec

from pfnlab.endings import end_with
from pfnlab.explorer.answers import Answers
from pfnlab.explorer.recorded import golden_of
from pfnlab.explorer.reply import reply
from pfnlab.explorer.stories import Storyteller
from pfnlab.lab.machines import model_text
from pfnlab.own_code import serve


def main(words: Sequence[str]) -> None:
    """Answer until nobody asks any more."""
    pipe, server, *given = words
    end_with(int(server))
    # The server hears Ctrl-C, and ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A policy of the user's runs here: damage that it does to this process is said, and not forked.
    serve(lambda text: print(text, end="", file=sys.stderr), (1, 2, int(pipe)))
    by_question = Answers(Storyteller(golden_of, given, model_text)).by_question()
    decoder = msgspec.json.Decoder(reduce(or_, by_question))
    # The server may end, and a policy may close what it did not open.
    with suppress(OSError), socket.socket(fileno=int(pipe)) as end, end.makefile("rwb") as stream:
        for line in stream:
            question = decoder.decode(line)
            stream.write(reply(by_question[type(question)], question) + b"\n")
            stream.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
