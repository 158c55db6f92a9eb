"""Syzkaller calls on processes, their limits and their page map.

Processes and descriptors are results of calls: ``r0 = getpid()``, ``r1 = syz_pidfd_open(r0, 0x0)``.
"""

from collections import Counter
from collections.abc import Callable

from pfnlab.export.following import RecoveredOp
from pfnlab.export.printed_values import PAGEMAP_SCAN, RLIMIT, number
from pfnlab.export.syz_lines import SyzCall, SyzPlaces, address, members, pointed, pointed_text
from pfnlab.export.to_syz import NO_LIMIT
from pfnlab.programs.lang.ops import MAIN_TASK, Call
from pfnlab.programs.lang.process_ops import ADVICE, ProcessMadvise, ProcessMrelease, Setrlimit
from pfnlab.programs.lang.span import Span
from pfnlab.programs.lang.walk_ops import Walk

#: Descriptor numbers that refer to the process itself.
_SELF = (NO_LIMIT + 1 - 10000, NO_LIMIT + 1 - 10001)

_ADVICES = {value: name for name, value in ADVICE.items()}
_RESOURCES = {value: name for name, value in RLIMIT.items()}


class SyzProcessCalls:
    """The operations of a syzkaller program so far, and what its variables mean.

    :ivar unsaid: the number of calls that cannot be expressed, by kind
    """

    def __init__(self, places: SyzPlaces) -> None:
        self.steps: list[RecoveredOp] = []
        self.unsaid: Counter[str] = Counter()
        self.places = places
        #: The tasks of variables that hold pids or pidfds, and the variables that hold page map descriptors.
        self.pids: dict[str, str] = {}
        self._pidfds: dict[str, str] = {}
        self._page_maps: set[str] = set()

    def add(self, made: Call, call: SyzCall, more: str = "") -> bool:
        """Add one operation; always True."""
        self.steps.append(RecoveredOp(MAIN_TASK, made, f"line {call.line}{more}"))
        return True

    def left_out(self, kind: str) -> bool:
        """Count a call that a program cannot express; always True."""
        self.unsaid[kind] += 1
        return True

    def process_call(self, call: SyzCall) -> bool:
        """Convert a call that this module handles; False for others, and those not about device memory."""
        words = call.arguments
        match call.name:
            case "getpid" if call.result:
                self.pids[call.result] = MAIN_TASK
            case "pidfd_open" | "syz_pidfd_open" if words and words[0] in self.pids and call.result:
                self._pidfds[call.result] = self.pids[words[0]]
            case "syz_open_procfs" if len(words) > 1 and pointed_text(words[1]) == "pagemap" and call.result:
                if number(words[0]) in (0, NO_LIMIT) or self.pids.get(words[0]) == MAIN_TASK:
                    self._page_maps.add(call.result)
            case "process_madvise" if len(words) > 4:
                return self._process_madvise(call)
            case "process_mrelease" if len(words) > 1 and number(words[1]) == 0:
                victim = self._task_of(words[0])
                return victim is not None and self.add(ProcessMrelease(victim), call)
            case "setrlimit" if len(words) > 1:
                return self._limit(call, *words[:2])
            case "prlimit64" if len(words) > 2:
                own = number(words[0]) == 0 or self.pids.get(words[0]) == MAIN_TASK
                return own and self._limit(call, *words[1:3])
            case "ioctl" if len(words) > 2 and words[0] in self._page_maps:
                return number(words[1]) == PAGEMAP_SCAN and self._scan(call)
        return False

    def pages(self, call: SyzCall, start: int, length: int, make: Callable[[Span], Call], more: str) -> bool:
        """Add one operation for each area between two addresses; True if there is any."""
        spans = self.places.pages_of(start, length)
        for span in spans:
            self.add(make(span), call, more)
        return bool(spans)

    def _task_of(self, pidfd: str) -> str | None:
        return MAIN_TASK if number(pidfd) in _SELF else self._pidfds.get(pidfd)

    def _process_madvise(self, call: SyzCall) -> bool:
        target = self._task_of(call.arguments[0])
        parts = map(members, members(pointed(call.arguments[1])))
        ranges = [(address(part[0]), number(part[1])) for part in parts if len(part) >= 2]
        if target is None:
            return False
        advice = _ADVICES.get(number(call.arguments[3]) or 0)
        if advice is None or number(call.arguments[4]) != 0:
            return self.left_out(f"process_madvise {call.arguments[3]} {call.arguments[4]}")
        more = ": one range of several" if len(ranges) > 1 else ""
        met = [
            self.pages(call, start, length, lambda span: ProcessMadvise(span, advice, target), more)
            for start, length in ranges
            if start is not None and length
        ]
        return any(met)

    def _limit(self, call: SyzCall, resource: str, limits: str) -> bool:
        name = _RESOURCES.get(number(resource) or 0)
        soft = (*members(pointed(limits)), "")[0]
        if name is None or not soft:
            return False
        if number(soft) != NO_LIMIT:
            return self.left_out(f"{call.name} of RLIMIT_{name.upper()} to a number of bytes")
        return self.add(Setrlimit(name, None), call)

    def _scan(self, call: SyzCall) -> bool:
        """PAGEMAP_SCAN for pages in any category."""
        fields = members(pointed(call.arguments[2]))
        if len(fields) < 12:
            return False
        start, end = address(fields[2]), address(fields[3])
        if start is None or end is None or end <= start:
            return False
        if any(number(fields[place]) for place in (1, 7, 8, 9)):
            return self.left_out("PAGEMAP_SCAN with flags, a limit or categories that have to be there")
        return self.pages(call, start, end - start, lambda span: Walk("pagemap_scan", span), "")
