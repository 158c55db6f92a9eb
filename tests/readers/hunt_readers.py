"""Hunt for inputs that a reader answers wrongly: `python tests/readers/hunt_readers.py [READER...]`.

Inputs are changed at random, and those that reach new lines of the source are changed further (atheris, the
extra `fuzz-readers`). A reader has a process of its own, which is ended by an input that takes too long, and
begun anew. Each kind of fault leaves its smallest input in build/readers/READER/faults, and `--keep READER
FILE` makes an input smaller and adds it to tests/readers/corpus, which `make test` reads.

Exit codes: 0 no fault, 1 a fault, 3 atheris is not here.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import io
import json
import os
import re
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

TESTS = Path(__file__).parents[1]

#: Where hunts leave what they find, which git ignores.
WORK = TESTS.parent / "build" / "readers"

#: Seconds of a processor that an input may take, and seconds after which the process is ended with it.
MOST_SECONDS, END_SECONDS = 2.0, 20

#: Bytes of memory that a process may take beside what it has as it begins.
MOST_MEMORY = 1 << 30

#: The most bytes of an input, unless the reader's first inputs are larger.
MOST_INPUT = 1 << 16

#: First inputs that are read before anything is measured: what is imported when it is needed is here then.
_WARM = 2

#: Seconds between two times that a process says how far it is.
_SAYS_EVERY = 1.0

#: The exit code of a process that could not hunt.
_FAILED = 70

_COVERED = re.compile(r"^#\d+\t.* cov: (\d+)", re.M)


def _find_tests() -> None:
    """Let the modules of tests be imported, as pytest's ``pythonpath`` does."""
    folders = ("", "campaign/store", "checker", "diagnosis/inspector", "export", "lab/lens", "readers")
    sys.path[:0] = [str(TESTS / folder) for folder in folders if str(TESTS / folder) not in sys.path]
    sys.path.append(str(TESTS.parent))


class ReaderHunt(NamedTuple):
    """
    What a hunt of one reader came to.

    :ivar inputs: how many it read
    :ivar seconds: how long it took
    :ivar covered: the branches of the source that it reached; 0 where that is not known
    :ivar faults: a line for each kind of fault, with its file
    """

    reader: str
    inputs: int
    seconds: float
    covered: int
    faults: tuple[str, ...]


class _Faults:
    """The faults of one reader, each with the smallest input that shows it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, words: str, fault: str, data: bytes) -> None:
        """Keep an input, unless a smaller one shows the same."""
        file = self._folder / hashlib.sha256(words.encode()).hexdigest()[:12]
        if not file.exists() or len(data) < file.stat().st_size:
            file.write_bytes(data)
            file.with_suffix(".says").write_text(f"{fault}\n", encoding="utf-8", errors="backslashreplace")

    def lines(self) -> tuple[str, ...]:
        """A line for each."""
        says = sorted(self._folder.glob("*.says"))
        return tuple(f"{file.read_text(encoding='utf-8').strip()}  {file.with_suffix('')}" for file in says)


class _Hunt:
    """The hunt of one reader, in processes one after the other."""

    def __init__(self, reader: Any, seconds: float, seed: int, runs: int) -> None:
        self._reader, self._seconds, self._seed, self._runs = reader, seconds, seed, runs
        self._work = WORK / reader.name
        self._faults = _Faults(self._work / "faults")
        self._count = self._work / "count"
        for old in (*self._work.glob("faults/*"), *self._ended(), *self._work.glob("log*")):
            old.unlink()
        self._inputs = self._covered = 0
        self._begun = time.monotonic()

    @property
    def left(self) -> float:
        """The seconds that are left."""
        return self._seconds - (time.monotonic() - self._begun)

    def begin(self) -> int:
        """Hunt in a process of its own; its number."""
        self._count.unlink(missing_ok=True)
        # libFuzzer ends its process at once, so what that has made is removed here.
        self._room = tempfile.mkdtemp(prefix="pfnlab-readers-", dir=_memory_folder())
        process = os.fork()
        if not process:
            log = os.open(self._work / "log", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
            os.dup2(log, 1)
            os.dup2(log, 2)
            try:
                self._hunt()
            finally:
                os._exit(_FAILED)
        return process

    def end(self, code: int) -> bool:
        """Take what the process found, which ended with *code*; whether another one is to go on."""
        shutil.rmtree(self._room)
        log = self._work / "log"
        seen = _COVERED.findall(log.read_text(encoding="utf-8", errors="replace"))
        self._covered = max([self._covered, *map(int, seen)])
        self._inputs += int(self._count.read_text() or 0) if self._count.exists() else 0
        ended = self._ended()
        for file in ended:
            kind = file.name.partition("-")[0]
            self._faults.add(kind, f"{kind}: the process ended with exit code {code}", file.read_bytes())
            file.unlink()
        if code and not ended:
            self._faults.add("ended", f"the process ended with exit code {code}: {log}", b"")
        self._seed += 1
        return bool(code and ended and self.left > 1)

    def found(self) -> ReaderHunt:
        """All that it came to."""
        seconds = time.monotonic() - self._begun
        return ReaderHunt(self._reader.name, self._inputs, seconds, self._covered, self._faults.lines())

    def _ended(self) -> list[Path]:
        """The inputs with which a process ended, as libFuzzer names them."""
        return [file for kind in ("crash", "timeout", "oom", "leak") for file in self._work.glob(f"{kind}-*")]

    def _hunt(self) -> None:
        """Hunt in this process, which ends with it."""
        import atheris
        from answered import answer

        reader, room = self._reader, self._room
        inputs = self._work / "inputs"
        inputs.mkdir(exist_ok=True)
        largest = MOST_INPUT
        for data in reader.first():
            (inputs / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)
            largest = max(largest, len(data))
        said, count = time.monotonic(), 0

        def read(data: bytes) -> None:
            nonlocal said, count
            begun = time.process_time()
            given = answer(reader, data, room)
            took = time.process_time() - begun
            if given.fault:
                self._faults.add(given.words, given.fault, data)
            elif took > MOST_SECONDS:
                self._faults.add("too long", f"it takes {took:.1f} s", data)
            count += 1
            if count == self._runs or time.monotonic() - said > _SAYS_EVERY:
                said = time.monotonic()
                self._count.write_text(str(count))

        def change(data: bytes, most: int, seed: int) -> bytes:
            changed: bytes = atheris.Mutate(data, most)
            return reader.mended(changed)[:most] if seed % 2 else changed

        resource.setrlimit(resource.RLIMIT_AS, (_own_memory() + MOST_MEMORY,) * 2)
        options = [
            f"-max_total_time={max(1, int(self.left))}",
            f"-timeout={END_SECONDS}",
            f"-seed={self._seed}",
        ]
        options += [f"-runs={self._runs}", f"-max_len={largest}", f"-artifact_prefix={self._work}/"]
        options += ["-rss_limit_mb=0", "-len_control=0"]
        changes: dict[str, Any] = {"custom_mutator": change} if reader.mended else {}
        atheris.Setup([sys.argv[0], *options, str(inputs)], read, **changes)
        atheris.Fuzz()


def _memory_folder() -> str | None:
    """A folder whose files are in memory; None where there is none."""
    return "/dev/shm" if os.path.isdir("/dev/shm") else None


def _own_memory() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * resource.getpagesize()


def followed_readers() -> dict[str, Any]:
    """All readers by name, in a process in which hunts follow what they do."""
    import atheris

    with redirect_stderr(io.StringIO()):
        # What is imported while a reader reads is to be followed too, so this never ends.
        atheris.instrument_imports(include=["pfnlab", "tarfile", "tomllib"]).__enter__()
        _find_tests()
        from every_reader import READERS
    return {reader.name: reader for reader in READERS}


def hunt(
    readers: Sequence[Any], seconds: float, *, jobs: int = 2, seed: int = 1, runs: int = -1
) -> Iterator[ReaderHunt]:
    """
    Hunt readers, in processes that are forked of this one; what each came to, as it ends.

    :param seconds: for each reader
    :param runs: the most inputs of each; -1 for any number
    """
    from answered import answer

    for reader in readers:
        # What is imported when it is needed is here when processes are forked, and is not measured.
        with redirect_stderr(io.StringIO()):
            for data in islice(reader.first(), _WARM):
                answer(reader, data, _memory_folder())
    waiting, under_way = list(readers), dict[int, _Hunt]()
    while waiting or under_way:
        while waiting and len(under_way) < jobs:
            one = _Hunt(waiting.pop(0), seconds, seed, runs)
            under_way[one.begin()] = one
        process, status = os.wait()
        one = under_way.pop(process)
        if one.end(os.waitstatus_to_exitcode(status)):
            under_way[one.begin()] = one
        else:
            yield one.found()


def smaller(data: bytes, same: Callable[[bytes], bool]) -> bytes:
    """The input without the parts, down to single bytes, that *same* does not need."""
    size = len(data) // 2
    while size:
        at = 0
        while at < len(data):
            without = data[:at] + data[at + size :]
            if same(without):
                data = without
            else:
                at += size
        size //= 2
    return data


def keep(name: str, file: Path) -> Path:
    """Make an input smaller that is still answered the same, and add it to the corpus."""
    _find_tests()
    from answered import answer
    from every_reader import CORPUS, READERS

    reader = next(reader for reader in READERS if reader.name == name)
    data = file.read_bytes()
    wanted = _kind(answer(reader, data).words)
    data = smaller(data, lambda part: _kind(answer(reader, part).words) == wanted)
    place = CORPUS / name / hashlib.sha256(data).hexdigest()[:12]
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(data)
    return place


def _kind(words: str) -> str:
    """The answer without numbers and what is quoted, which depend on the input."""
    return re.sub(r"\d+|'[^']*'|`[^`]*`|\"[^\"]*\"", "", words)


def _row(found: ReaderHunt) -> str:
    faults = len(found.faults) or "no"
    covered = f"{found.covered:,} branches" if found.covered else "unknown"
    return (
        f"{found.reader:<14}{found.inputs:>10,} inputs{found.seconds:>7.0f} s{covered:>18}{faults:>5} faults"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Hunt all readers, or those that are named."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("readers", nargs="*", help="names of readers; default: all")
    parser.add_argument("--seconds", type=int, default=30, help="for each reader")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write the figures there too")
    parser.add_argument("--keep", nargs=2, metavar=("READER", "FILE"), help="add an input to the corpus")
    asked = parser.parse_args(argv)
    if asked.keep:
        print(keep(asked.keep[0], Path(asked.keep[1])))
        return 0
    if importlib.util.find_spec("atheris") is None:
        print("hunt_readers: atheris is not here: pip install -e '.[fuzz-readers]'", file=sys.stderr)
        return 3
    known = followed_readers()
    if unknown := [name for name in asked.readers if name not in known]:
        parser.error(f"there is no reader {unknown[0]}: {', '.join(known)}")
    results = []
    for found in hunt(
        [known[name] for name in asked.readers or known], asked.seconds, jobs=asked.jobs, seed=asked.seed
    ):
        results.append(found)
        print(_row(found), *found.faults, sep="\n  ", flush=True)
    if asked.json:
        asked.json.write_text(json.dumps([found._asdict() for found in results], indent=1) + "\n")
    return int(any(found.faults for found in results))


if __name__ == "__main__":
    sys.exit(main())
