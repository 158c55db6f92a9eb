"""A request split into its operations, so that the host can observe and act between them.

The agent keeps a request's tasks if the request ends with ``more`` (``guest/PROTOCOL.md``). The replies are
joined as if the whole request had been answered at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pfnlab.base.errors import LostGuest
from pfnlab.lab.running.preparations import FramingLines


@dataclass
class Stage:
    """The progress of a request between two of its operations.

    :param done: the number of the program's operations that are done
    :param begun: whether the first task exists
    :param preparing: whether the request comes before or after an operation of the program and is not
        the operation itself
    :param pids: the process ids of the tasks known so far, by slot
    """

    done: int = 0
    begun: bool = False
    preparing: bool = False
    pids: dict[int, int] = field(default_factory=dict)


#: Sends one small request to the guest and returns the reply.
Ask = Callable[[str, Stage], str]

#: Called while the guest is stopped after an operation, and after the end.
Look = Callable[[Stage], None]


def ask_stepwise(
    request: str,
    ask: Ask,
    look: Look,
    preparations: Sequence[FramingLines] = (),
    *,
    nop_first: bool = False,
    together: Callable[[int], bool] = lambda index: False,
) -> str:
    """The reply to *request*, a whole program whose operations are sent one by one.

    :param ask: sends a request; `Stage.done` is the index of the operation, or the number of
        operations for the end
    :param preparations: the request's lines that are not operations of the program, if any
    :param nop_first: whether to begin the first task before the first operation, so that its pid is known
    :param together: returns True if the operation with this index and the lines around it can be one request
    :return: a reply in the agent's format, truncated if a part of the request was not answered completely
    :raises LostGuest: if *ask* or *look* raises it; with the reply to the operations before
    """
    joined = _JoinedReply()
    lines = request.splitlines()
    head = [line for line in lines if not line.startswith("op ") and line != "end"]
    ops = [line for line in lines if line.startswith("op ")]
    try:
        joined.stage.begun = not nop_first
        if nop_first and ops:
            first_request = "\n".join([*head, "op 0 nop", "more", ""])
            joined.begin(ask(first_request, joined.stage))
            joined.stage.begun = True
        for before, op, after in _parts(ops, preparations):
            if together(joined.stage.done):
                before, op, after = [], [*before, *op, *after], []
            for part in (before, op, after):
                joined.stage.preparing = part is not op
                if part and not joined.part(ask("\n".join([*head, *part, "more", ""]), joined.stage)):
                    return joined.text
                joined.stage.done += part is op
            joined.stage.preparing = False
            look(joined.stage)
        if joined.end(ask("\n".join([*head, "end", ""]), joined.stage)):
            look(joined.stage)
        return joined.text
    except LostGuest as lost:
        lost.answered = joined.text
        raise


def _parts(
    lines: list[str], preparations: Sequence[FramingLines]
) -> Iterator[tuple[list[str], list[str], list[str]]]:
    remaining = iter(preparations)
    at = 0
    while at < len(lines):
        around = next(remaining, FramingLines())
        op = at + len(around.before)
        end = op + 1 + len(around.after)
        yield lines[at:op], lines[op : op + 1], lines[op + 1 : end]
        at = end


class _JoinedReply:
    def __init__(self) -> None:
        self.stage = Stage()
        self._lines: list[str] = []
        self._late_lines: list[str] = []
        self._started = False
        self._steps = 0

    @property
    def text(self) -> str:
        return "\n".join([*self._lines, ""])

    def begin(self, reply: str) -> None:
        # Observations by a request before the first operation belong to the state before that operation.
        self._take([line for line in reply.splitlines() if line.split(" ")[0] not in ("step", "r", "v", "p")])
        self._lines = [line for line in self._lines if not line.startswith("done ")]

    def part(self, reply: str) -> bool:
        if not self._take(reply.splitlines()):
            return False
        self._lines.pop()
        return True

    def end(self, reply: str) -> bool:
        return self._take(reply.splitlines())

    def _take(self, lines: list[str]) -> bool:
        before = False
        for line in lines:
            word, _, rest = line.partition(" ")
            if word == "pid" and rest.count(" ") == 1 and rest.replace(" ", "").isdecimal():
                slot, pid = map(int, rest.split())
                self.stage.pids[slot] = pid
            if word in ("program", "before") and self._started:
                # Log lines since the last operation are reported with the next one.
                before = word == "before"
                continue
            if before and word != "step":
                self._late_lines += [line] * (word in ("l", "k"))
                continue
            before = False
            if word == "step":
                self._lines.append(line if rest == "end" else f"step {self._steps}")
                self._steps += 1
                self._lines += self._late_lines
                self._late_lines = []
            else:
                self._lines.append(line)
        self._started = True
        return bool(lines) and lines[-1].startswith("done ") and not lines[0].startswith("error ")
