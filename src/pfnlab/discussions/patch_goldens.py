"""Goldens for patched kernels: what claims' programs do on a kernel whose patch implements a policy.

There is one file for each patch in ``evidence/patches/``, e.g. ``patched/flush-gather_v4.json``, written by
``python evidence/tools/record_claims.py``. It identifies the patch by digest, and names the source package.
Each step is one line, as in the goldens in ``litmus/``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.files import MOST_RECORDED, read_bytes
from pfnlab.kernel.mm.configuration import DISTRIBUTION, Configuration
from pfnlab.programs.lang.load import load_text, program_hash
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.golden import GOLDEN
from pfnlab.programs.runs.observation import Run, Step

#: Records all goldens, or those for the named patches.
RECORD = "python evidence/tools/record_claims.py"


class RecordedRun(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The run of one program.

    :param text: the program
    :param violates: the searches that have it as their shortest violation, by scope and property, e.g.
        ``standard no_leak``
    :param steps: what the kernel did
    :param once: once-per-boot messages that the kernel had already printed
    """

    text: str
    steps: tuple[Step, ...]
    violates: tuple[str, ...] = ()
    once: tuple[str, ...] = ()

    @classmethod
    def of(cls, text: str, violates: tuple[str, ...], run: Run) -> RecordedRun:
        """A run in its stored form."""
        return cls(text, run.steps, violates, run.once)

    @property
    def program(self) -> Program:
        """The program."""
        return load_text(self.text)


class TrackerSizes(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The sizes of a tracker's data, read from the kernel's types.

    :param members: the sizes of VMA members in bytes, by name: the kernel's own, and
        those that the patch adds
    :param context: the size of its object for a tracked mapping in bytes; 0 if it has none
    """

    members: dict[str, int]
    context: int

    @property
    def price(self) -> tuple[int, int]:
        """The number of bytes it takes in every VMA, and for each tracked mapping."""
        return sum(self.members.values()), self.context


class PatchGolden(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The golden for one patch.

    :param patch: its name, e.g. ``flush-gather_v4``
    :param file: its file below ``evidence/patches/``
    :param sha256: that file's digest, in hex
    :param policy: the policy that it implements, e.g. ``flush=gather_v4``
    :param series: the kernel's series, e.g. ``7.2``
    :param kernel: the kernel's version string, e.g. ``7.2.13+130a665aad5c``
    :param source: the package with its source
    :param configured: a description of its configuration, e.g. ``lab``
    :param configuration: its effect on rules, if different from that of a distribution kernel's configuration
    :param unobserved: the calls that cannot be observed on this kernel
    :param commit: the commit of the tool that recorded it
    :param made_by: the command that recorded it
    :param sizes: the sizes of its tracker's data
    :param runs: one per program
    """

    patch: str
    file: str
    sha256: str
    policy: str
    series: str
    kernel: str
    source: str
    configured: str
    configuration: dict[str, bool | None]
    unobserved: tuple[str, ...]
    commit: str
    made_by: str
    sizes: TrackerSizes
    runs: tuple[RecordedRun, ...]

    @property
    def version(self) -> str:
        """The kernel's version, e.g. ``7.2.13``."""
        return self.kernel.partition("+")[0]

    @property
    def machine(self) -> str:
        """The model that the kernel is compared with, e.g. ``7.2,flush=gather_v4``."""
        return f"{self.series},{self.policy}"

    @property
    def again(self) -> str:
        """The command that records the golden again."""
        return f"{RECORD} {self.patch}"

    @property
    def configured_as(self) -> Configuration:
        """The kernel's configuration."""
        changes: dict[str, Any] = dict(self.configuration)
        return replace(DISTRIBUTION, **changes)

    def recorded(self, program: Program) -> RecordedRun:
        """The run of *program*; raises Misuse if it was not recorded."""
        asked = program_hash(program)
        for one in self.runs:
            if program_hash(one.program) == asked:
                return one
        raise Misuse(f"the golden of {self.patch} lacks a program that a claim asks: run `{self.again}`")

    def violation(self, violates: str) -> RecordedRun:
        """The run that a search found, e.g. for ``standard no_leak``; raises Misuse if none was recorded."""
        for one in self.runs:
            if violates in one.violates:
                return one
        raise Misuse(f"the golden of {self.patch} lacks what violates {violates}: run `{self.again}`")

    def run_of(self, recorded: RecordedRun) -> Run:
        """A run of the kernel, in the form that a machine reports."""
        return Run(
            GOLDEN,
            self.kernel,
            steps=recorded.steps,
            once=recorded.once,
            configuration=self.configured_as,
            unobserved=frozenset(self.unobserved),
        )


def patch_golden_path(patch: str) -> Path:
    """The file of a patch's golden, which may not exist."""
    return Path(str(files("pfnlab.discussions"))) / "patched" / f"{patch}.json"


@cache
def patch_goldens() -> tuple[PatchGolden, ...]:
    """All goldens, by name; raises Misuse if a file is not a golden."""
    return tuple(map(read_patch_golden, sorted(patch_golden_path("").parent.glob("*.json"))))


def read_patch_golden(path: Path) -> PatchGolden:
    """The golden at *path*; raises Misuse if the file cannot be read or is not a golden."""
    try:
        return msgspec.json.decode(read_bytes(path, "golden", MOST_RECORDED), type=PatchGolden)
    except (msgspec.DecodeError, UnicodeDecodeError) as trouble:
        raise Misuse(f"{path} is not a golden: {trouble}; record it with `{RECORD} {path.stem}`") from trouble
