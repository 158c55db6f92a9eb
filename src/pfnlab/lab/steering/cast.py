"""The tasks of an open program, in the terms of ``guest/PROTOCOL.md``; integers are hexadecimal."""

from collections.abc import Sequence
from dataclasses import dataclass

from pfnlab.base.errors import LostGuest
from pfnlab.base.units import number_of
from pfnlab.lab.vm.qemu import Guest

_MARGIN = 20.0
_BEGUN = "r 0 0 begun"
_STILL_RUNNING = "r -1 11 running"


@dataclass(frozen=True)
class Answer:
    """The answer to one operation: 0 or an errno.

    :param words: the words that follow it: the value loaded, the address that mremap returned,
        or ``sig SIGNO CODE``
    """

    errno: int
    words: tuple[str, ...] = ()

    @property
    def reply(self) -> tuple[str, ...]:
        """The words of the answer after the ``r`` in a reply."""
        return ("-1" if self.errno else "0", str(self.errno), *self.words)


@dataclass(frozen=True)
class Whereabouts:
    """A task's current state.

    :param state: the letter of ``/proc/PID/stat``
    :param functions: the kernel functions it sleeps in, innermost first; empty while it runs
    :param offset: the return offset in the innermost function; 0 while it runs
    """

    state: str
    functions: tuple[str, ...]
    offset: int = 0


class Cast:
    """The tasks of a program open on *guest*, ended by whoever opened it; *head* begins every request."""

    def __init__(self, guest: Guest, head: Sequence[str] = ()) -> None:
        self._guest, self._head = guest, head
        #: Process or thread ids, by task.
        self.pids: dict[int, int] = {}
        #: The latest verb that each task has begun.
        self.verbs: dict[int, str] = {}
        #: Kernel log lines since this list was last cleared.
        self.heard: list[str] = []

    def do(self, task: int, verb: str, *arguments: int | str) -> Answer:
        """Have *task* do one operation and wait for it; the guest kills the task after 10 s."""
        return _answer(self._request([_line("op", task, verb, *arguments)])[0])

    def begin(self, task: int, verb: str, *arguments: int | str) -> None:
        """Have *task* begin an operation, without waiting for it."""
        self.verbs[task] = verb
        answer = self._request([_line("begin", task, verb, *arguments)])[0]
        if answer != _BEGUN:
            raise LostGuest(f"task {task} did not begin {verb}: {answer}")

    def collect(self, task: int, limit: float) -> Answer | None:
        """The answer to the operation that *task* has begun; None if it still runs after *limit* seconds."""
        answer = self._request([f"collect {task} {int(limit * 1000):x}"], limit)[0]
        return None if answer == _STILL_RUNNING else _answer(answer)

    def attempt(self, task: int, verb: str, *arguments: int | str, limit: float = 0.4) -> Answer | None:
        """`begin` and `collect` in a single request; None if *task* is not done within *limit* seconds."""
        self.verbs[task] = verb
        lines = [_line("begin", task, verb, *arguments), f"collect {task} {int(limit * 1000):x}"]
        first_answer, answer = self._request(lines, limit)
        if first_answer != _BEGUN:
            return _answer(first_answer)
        return None if answer == _STILL_RUNNING else _answer(answer)

    def where(self, task: int) -> Whereabouts:
        """The current state of *task*."""
        self._request([f"where {task}"])
        return self._whereabouts

    def _request(self, lines: Sequence[str], limit: float = 0.0) -> list[str]:
        text = "\n".join([*self._head, *lines, "more", ""])
        self._whereabouts = Whereabouts("-", ())
        answers: list[str] = []
        for line in self._guest.request(text, limit + _MARGIN).splitlines():
            kind, _, rest = line.partition(" ")
            if kind == "r":
                answers.append(line)
            elif kind == "k":
                self.heard.append(rest)
            elif kind == "w":
                state, *places = rest.split()
                functions = tuple(place.partition("+")[0] for place in places)
                offset = int(places[0].partition("+")[2], 16) if places else 0
                self._whereabouts = Whereabouts(state, functions, offset)
            elif kind == "pid":
                task, pid = rest.split()
                self.pids[int(task)] = int(pid)
            elif kind == "error":
                raise LostGuest(f"the guest did not understand {text!r}: {rest}")
        if len(answers) < len(lines):
            raise LostGuest(f"the guest answered {len(answers)} of {number_of(len(lines), 'operation')}")
        return answers


def _line(kind: str, task: int, verb: str, *arguments: int | str) -> str:
    words = [argument if isinstance(argument, str) else f"{argument:x}" for argument in arguments]
    return " ".join([kind, str(task), verb, *words])


def _answer(line: str) -> Answer:
    _, _, errno, *words = line.split()
    return Answer(int(errno), tuple(words))
