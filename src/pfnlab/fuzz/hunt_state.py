"""The state of a hunt, what it found so far, and its file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec

from pfnlab.errors import Misuse, Why
from pfnlab.files import MOST_RECORDED, Missing, cannot_write, read_bytes, write_whole
from pfnlab.fuzz.call_kinds import Vocabulary
from pfnlab.fuzz.causes import Cause, Evidence
from pfnlab.fuzz.coverage import Coverage
from pfnlab.fuzz.grammar import Bias
from pfnlab.fuzz.looking import Looks
from pfnlab.fuzz.signature import Signature
from pfnlab.inert import one_line
from pfnlab.programs.lang.ops import Program
from pfnlab.result import ALWAYS, Count

FORMAT = "pfnlab-fuzz/2"


class ShownFinding(msgspec.Struct):
    """A finding.

    :ivar folder: the folder in which it is filed
    :ivar met: the number of programs that showed it
    :ivar first: the number of programs compared up to the first that showed it, that one included
    :ivar operations: the number of operations in the smallest program that shows it
    :ivar says: the signature in words
    :ivar minimal: whether every smaller program was tried
    :ivar with_it: keys of the other signatures in the same step of its smallest program: they follow from it
    """

    folder: str
    met: Count
    first: Count
    operations: Count
    says: str
    minimal: bool
    with_it: Annotated[list[str], ALWAYS] = msgspec.field(default_factory=list)


class KnownSignature(ShownFinding):
    """A signature that a program showed.

    :ivar signature: the signature itself
    :ivar program: its smallest program; None where a folder is known and has none
    :ivar evidence: what programs that showed it tell of its cause
    """

    signature: Signature | None = None
    program: Program | None = None
    evidence: Evidence = msgspec.field(default_factory=Evidence)


class Unstable(msgspec.Struct, frozen=True):
    """A difference that not every run of its program showed.

    :param program: seed and index of the program
    :param says: the difference
    :param shown: the number of its runs that showed it
    :param runs: the number of its runs
    """

    program: str
    says: str
    shown: Count
    runs: Count


class HuntState(msgspec.Struct):
    """The state of a hunt, complete enough to resume it.

    :ivar machines: by the names the user gave them
    :ivar next: the index of the next program
    :ivar compared: programs that ran on all machines
    :ivar undecided: programs not compared, because the model has no rule or a machine lacks something
    :ivar different: programs that showed a difference
    :ivar findings: the signatures found, by key
    :ivar causes: the findings by their causes, as far as the hunt has come to its end
    :ivar reasons: in words, why programs were not compared, and how many each
    :ivar kinds: of these reasons; one that an earlier version counted has none
    :ivar looking: how kernels are looked at
    """

    machines: list[str]
    seed: int
    vocabulary: Vocabulary
    next: int = 0
    compared: int = 0
    undecided: int = 0
    different: int = 0
    coverage: Coverage = msgspec.field(default_factory=Coverage)
    bias: Bias = msgspec.field(default_factory=Bias)
    prefixes: list[Program] = msgspec.field(default_factory=list)
    findings: dict[str, KnownSignature] = msgspec.field(default_factory=dict)
    unstable: list[Unstable] = msgspec.field(default_factory=list)
    reasons: dict[str, int] = msgspec.field(default_factory=dict)
    kinds: dict[str, Why] = msgspec.field(default_factory=dict)
    causes: list[Cause] = msgspec.field(default_factory=list)
    looking: Looks = Looks()
    format: str = FORMAT


def read_state(path: Path) -> HuntState | None:
    """The state in the file *path*, None when there is no file yet.

    :raises Misuse: the file is something else
    """
    try:
        state = msgspec.json.decode(read_bytes(path, "hunt", MOST_RECORDED), type=HuntState)
    except Missing:
        return None
    except (ValueError, RecursionError) as trouble:
        said = one_line(str(trouble))
        raise Misuse(f"{path} is no state of a hunt: {said}; name another file") from trouble
    if state.format != FORMAT:
        raise Misuse(f"{path} is of another version of pfnlab: name another file")
    return state


def write_state(path: Path, state: HuntState) -> None:
    """Write *state* to the file *path*, whole or not at all.

    :raises Misuse: the file cannot be written
    :raises Undecided: the disk is full or fails
    """
    content = msgspec.to_builtins(state)
    # A set has no order of its own; equal states are to be equal files.
    content["coverage"]["branches"] = sorted(state.coverage.branches)
    try:
        write_whole(path, msgspec.json.format(msgspec.json.encode(content), indent=1) + b"\n")
    except OSError as trouble:
        raise cannot_write(path, trouble, "name another file") from trouble
