"""Findings known before a hunt, as part of the work of its shards, so workers need no folder of them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.files import read_text
from pfnlab.hunt.fuzz.asked_machines import AskedMachines
from pfnlab.hunt.fuzz.filing import DATA, PROGRAM, REPORT, FiledData, Folder, read_data
from pfnlab.hunt.fuzz.signature import LOST, Signature, placed_by_itself, signatures_of
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.machine import RebootableMachine
from pfnlab.programs.runs.observation import Run


class KnownFinding(msgspec.Struct, frozen=True, kw_only=True):
    """A finding known before a hunt.

    :param name: its folder's name, or the one that a folder for it would have
    :param machines: the machines that showed it
    :param program: the text of the program that shows it
    :param with_it: the other signatures of its step in its program, which follow from it
    :param again: whether its program runs again: kernels in the series showed it when it last ran
    """

    name: str
    signatures: tuple[Signature, ...]
    machines: tuple[str, ...]
    program: str
    with_it: tuple[Signature, ...] = ()
    again: bool = False

    def keys(self, machines: Sequence[str]) -> frozenset[str]:
        """The keys of its signatures on other machines."""
        return frozenset(signature.on(machines).key for signature in self.signatures)


def findings_in(folder: Path) -> Iterator[KnownFinding]:
    """The findings filed in *folder* that have data and a program.

    :raises Misuse: if there is no such folder, or a file in it is malformed
    """
    if not folder.is_dir():
        raise Misuse(f"there is no folder {folder}: name one that `pfnlab fuzz --findings` has filled")
    for path in sorted(folder.glob(f"*/{DATA}")):
        if (program := path.parent / PROGRAM).is_file():
            data, text = read_data(path.parent), read_text(program, "program")
            yield KnownFinding(
                name=path.parent.name,
                signatures=data.signatures,
                machines=data.machines,
                program=text,
                with_it=data.with_it,
            )


@contextmanager
def folder_of(known: Sequence[KnownFinding], machines: Sequence[str]) -> Iterator[Folder]:
    """A temporary folder in which a hunt on *machines* finds *known*; folders have numbers as names."""
    with TemporaryDirectory(prefix="pfnlab-known-") as temporary:
        root = Path(temporary)
        for number, finding in enumerate(known):
            folder = root / "known" / str(number)
            folder.mkdir(parents=True)
            data = FiledData(
                signatures=tuple(signature.on(machines) for signature in finding.signatures),
                machines=(*finding.machines, *(machines if finding.again else ())),
                looks=(LookLevel.MEMORY,),
                with_it=tuple(signature.on(machines) for signature in finding.with_it),
            )
            (folder / DATA).write_bytes(msgspec.json.encode(data))
            (folder / PROGRAM).write_text(finding.program, encoding="utf-8")
            (folder / REPORT).touch()
        yield Folder(root / "new", (root / "known",))


def shows(finding: KnownFinding, machines: AskedMachines) -> bool | None:
    """True if the program of *finding* shows it on *machines*, at any level; None if none gave an answer.

    A message printed once per boot needs a fresh boot, so only that decides that a finding does not show.
    """
    program, wanted = load_text(finding.program, finding.name), finding.keys(machines.names)
    by_itself = machines.kernels and all(signature.by_itself for signature in finding.signatures)
    names = machines.kernels if by_itself else machines.names
    kinds = {signature.kind for signature in finding.signatures}
    answered = False
    for level, opened in machines.at.items():
        for fresh in (False, True):
            for machine in opened.values():
                if fresh and isinstance(machine, RebootableMachine):
                    machine.reboot()
            try:
                runs = machines.runs(program, level, names)
            except Misuse:
                break
            if any(_is_unanswered(run, lost=LOST in kinds) for run in runs):
                break
            if wanted & _shown(program, runs):
                return True
            answered |= fresh
    return False if answered else None


def _is_unanswered(run: Run, *, lost: bool) -> bool:
    return run.undecided is not None or (not lost and run.alarm is None and run.lost is not None)


def _shown(program: Program, runs: Sequence[Run]) -> set[str]:
    kernels = [run for run in runs if not run.machine.startswith("model:")]
    by_itself = (signature for _, signature in placed_by_itself(program, kernels))
    return {signature.key for signature in (*signatures_of(program, runs), *by_itself)}
