"""The requests of the table's operations: the agent has each verb, and the protocol says it."""

from __future__ import annotations

import re
from importlib.resources import files

from for_each import for_each
from table_lines import LINES, path_end, program_with

from pfnlab.base.units import PfnRange
from pfnlab.lab.running.placement import Windows
from pfnlab.lab.running.wire import ObservationRequest, compile_program

_GUEST = files("pfnlab.lab") / "guest"

#: The verbs that the agent reads, with the number of their arguments.
VERBS = {
    name: int(count)
    for name, count in re.findall(r'VERB\(\w+, "([^"]+)", (\d+)\)', (_GUEST / "agent.h").read_text())
}
COMMANDS = set(re.findall(r'COMMAND\("([^"]+)", PFNLAB_\w+\)', (_GUEST / "driver/pfnlab.h").read_text()))

#: The first cells of the rows of the protocol's tables, word by word.
_PROTOCOL = (_GUEST / "PROTOCOL.md").read_text()
_CELLS = re.findall(r"^\| ([^|]+) \|", _PROTOCOL, re.MULTILINE)
SAID = {word for cell in _CELLS for word in re.split("[ ,]+", cell)}


def request(word: str, line: str) -> list[str]:
    """The verb of the operation on *line* and its arguments."""
    program = program_with(word, line)
    placement = Windows(PfnRange(0xF8000, 0xF8000 + 1024)).place(program)
    assert placement is not None
    lines = compile_program(program, placement, ObservationRequest(vmas=False, ptes=False)).splitlines()
    return [line for line in lines if line.startswith("op ")][path_end(word)].split()[2:]


@for_each(("word", "line"), LINES)
def test_the_agent_reads_the_request(word: str, line: str) -> None:
    """Its verb is one of the agent's and has as many arguments; of the driver its command is one."""
    verb, *arguments = request(word, line)

    assert verb in VERBS
    if verb == "driver":
        assert arguments[0] in COMMANDS
    else:
        assert VERBS[verb] == len(arguments)


@for_each(("word", "line"), LINES)
def test_the_protocol_says_the_request(word: str, line: str) -> None:
    """The tables of PROTOCOL.md have its verb, or the driver's command."""
    verb, *arguments = request(word, line)

    assert (arguments[0] if verb == "driver" else verb) in SAID
