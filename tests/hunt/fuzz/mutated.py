"""The model with one rule broken, as a machine: a copy of the package in a process of its own."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
from mutant import Mutant

import pfnlab
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.observation import Run

SOURCE = Path(pfnlab.__file__).parent

#: How long one program may take, in seconds, before the model counts as hanging.
LIMIT = 20.0

#: What the other process does: a program a line comes in, its run goes out.
_SERVE = """
import sys, msgspec
from pfnlab.base.errors import Why
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.observation import Run
from pfnlab.programs.lang.ops import Program
machine = ModelMachine(sys.argv[1])
for line in sys.stdin.buffer:
    program = msgspec.json.decode(line, type=Program)
    try:
        run = machine.run([program])[0]
    except Exception as trouble:
        run = Run("", "", lost=f"the broken rule stops it with {type(trouble).__name__}")
    sys.stdout.buffer.write(msgspec.json.encode(run) + b"\\n")
    sys.stdout.buffer.flush()
"""


def mutated(mutant: Mutant, into: Path) -> None:
    """Copy the package to *into*/pfnlab with *mutant*'s one change."""
    shutil.copytree(SOURCE, into / "pfnlab", ignore=shutil.ignore_patterns("__pycache__", "guest"))
    path = into / "pfnlab" / "kernel" / mutant.file
    text = path.read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1, f"{mutant.file} has {text.count(mutant.old)} times {mutant.old!r}"
    path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")


class MutatedModel:
    """A model with one rule broken; use it in a ``with`` statement."""

    def __init__(self, mutant: Mutant) -> None:
        self.mutant = mutant
        self._folder = Path(tempfile.mkdtemp(prefix="pfnlab-mutant-"))
        mutated(mutant, self._folder)
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, programs: Sequence[Program]) -> list[Run]:
        """One run a program; one that breaks or hangs the model is lost."""
        return [self._one(program) for program in programs]

    def _one(self, program: Program) -> Run:
        process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(msgspec.json.encode(program) + b"\n")
        process.stdin.flush()
        if not select.select([process.stdout], [], [], LIMIT)[0]:
            self._end()
            return Run("", "", steps=(), lost="the broken rule never comes to an end")
        return msgspec.json.decode(process.stdout.readline(), type=Run)

    def _start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {"PYTHONPATH": str(self._folder)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, self.mutant.series],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def __enter__(self) -> MutatedModel:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        shutil.rmtree(self._folder)
