"""The readers of bytes that somebody else wrote, each declared once, for tests and hunts.

A reader gets an input as a file or a folder, and reads all of it, as the command does that it is of.
It answers, or refuses in one line; :mod:`answered` says what is right.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

import input_sums
import made_inputs

#: The repository, whose files are examples.
TOP = Path(__file__).parents[2]

#: Inputs that are kept: a folder for each reader.
CORPUS = Path(__file__).parent / "corpus"


#: The most examples of a pattern that a hunt begins with.
MOST_EXAMPLES = 40


@dataclass(frozen=True)
class Reader:
    """
    One reader.

    :ivar name: its name, and that of its folder of kept inputs
    :ivar read: reads the input at a path to its end, and returns what is printed about it
    :ivar examples: files of the repository that it reads, as patterns
    :ivar made: makes inputs of which the repository has no file
    :ivar is_folder: an input is a text of which :func:`made_inputs.spread` makes a folder
    :ivar lines: the most lines of a refusal
    :ivar mended: an input with the sums and lengths in it corrected, without which nothing behind is read
    :ivar starts: the programs that it may start
    """

    name: str
    read: Callable[[Path], str | None]
    examples: tuple[str, ...] = ()
    made: Callable[[], Iterable[bytes]] = tuple
    is_folder: bool = False
    lines: int = 1
    mended: Callable[[bytes], bytes] | None = None
    starts: tuple[str, ...] = ()

    def placed(self, data: bytes, folder: Path) -> Path:
        """Where *data* lies in the empty *folder* for the reader to read."""
        place = folder / "input"
        if self.is_folder:
            made_inputs.spread(data, place)
        else:
            place.write_bytes(data)
        return place

    def kept(self) -> list[Path]:
        """The kept inputs."""
        return sorted((CORPUS / self.name).glob("*"))

    def first(self) -> Iterator[bytes]:
        """The inputs that a hunt begins with: some examples, and all that are made or kept."""
        for pattern in self.examples:
            found = sorted(TOP.glob(pattern))
            yield from (path.read_bytes() for path in found[:: len(found) // MOST_EXAMPLES + 1])
        yield from self.made()
        yield from (path.read_bytes() for path in self.kept())


def _printed(*words: str) -> str:
    """What a command prints."""
    from pfnlab.cli.reader import perform_words

    with redirect_stdout(io.StringIO()) as out:
        perform_words(list(words))
    return out.getvalue()


def _inspect(path: Path) -> str:
    return _printed("inspect", str(path)) + _printed("inspect", str(path), "--json")


def _core(path: Path) -> str:
    # Both forms are of one snapshot, and a core takes longest.
    return _printed("inspect", str(path), "--json")


def _redact(path: Path) -> None:
    from pfnlab.diagnosis.inspector.sources.bundle import Bundle
    from pfnlab.diagnosis.inspector.sources.collecting import collect

    collect(path.with_name("redacted"), Bundle.at(path), redact=True)


def _store(path: Path) -> str:
    words = ("campaign", "results", "--store", str(path))
    return _printed(*words, "--full") + _printed(*words, "--json")


def _golden(path: Path) -> None:
    from pfnlab.programs.runs.golden import read_golden

    read_golden(path)


def _report(path: Path) -> str:
    return _printed("report", str(path), "--format", "md") + _printed("report", str(path))


def _replay(path: Path) -> str:
    return _printed("replay", str(path), "--on", "model:7.2")


def _program(path: Path) -> str:
    from pfnlab.programs.lang.load import load_bytes, load_program, to_json
    from pfnlab.programs.lang.printer import format_program

    program = load_program(path)
    assert program == load_bytes(to_json(program))
    return format_program(program)


def _problems(path: Path) -> str:
    return _printed("fmt", "--check", str(path))


def _scope(path: Path) -> None:
    from pfnlab.checker.scopes.scope import load_scope

    load_scope(str(path))


def _campaign(path: Path) -> None:
    from pfnlab.campaign.plan_file import read_plan

    read_plan(path)


def _explain(path: Path) -> str:
    return _printed("explain", str(path)) + _printed("explain", str(path), "--json")


def _import(path: Path) -> str:
    return _printed("import", str(path))


def _bars(path: Path) -> None:
    from pfnlab.base.files import read_text
    from pfnlab.export.windows import bars_of

    bars_of(read_text(path, "resource file"), str(path))


def _patch(path: Path) -> None:
    from pfnlab.lab.building.patch_file import read_patch

    read_patch(path)


def _recording(path: Path) -> None:
    from tests.recorded.matrix import predict_files

    predict_files([path])


def _configuration(path: Path) -> None:
    from pfnlab.kernel.policies.kconfig import configuration_of

    configuration_of(path)


def _image(path: Path) -> None:
    from pfnlab.base.errors import Misuse, Undecided
    from pfnlab.lab.images.bzimage import release_of
    from pfnlab.lab.lens.vmlinux import btf_of

    with suppress(Misuse, Undecided):
        release_of(path)
    _types(btf_of(path))


def _types(data: bytes) -> None:
    from pfnlab.lab.lens.btf import Btf

    types = Btf(data)
    types.constants()
    for number in range(min(len(types), 1000)):
        types.size_of(number)


def _btf(path: Path) -> None:
    _types(path.read_bytes())


def _deb(path: Path) -> None:
    from pfnlab.lab.images.deb import take_out

    into = path.parent / "out"
    into.mkdir()
    take_out(path, into, lambda member: "file" if member.name.endswith("config") else None)


def _sources(path: Path) -> None:
    from pfnlab.lab.images.sources import debian_mirrors, read_sources

    lists = path.parent / "sources.list.d"
    lists.mkdir()
    (path.parent / "sources.list").write_bytes(path.read_bytes())
    (lists / "debian.sources").write_bytes(path.read_bytes())
    debian_mirrors(read_sources(path.parent), path.parent)


#: Every reader, in the order of the rooms in ARCHITECTURE.md.
READERS = (
    Reader("store", _store, made=made_inputs.stores),
    Reader("configuration", _configuration, made=made_inputs.configurations),
    Reader("program", _program, ("litmus/*/*.pfn",), made_inputs.json_programs, lines=3),
    Reader("problems", _problems, ("litmus/*/*.pfn", "tests/programs/mistakes/*.pfn"), lines=3),
    Reader("recording", _recording, made=made_inputs.recordings),
    Reader("import", _import, ("tests/export/recorded/*.strace",), made_inputs.straces),
    Reader("bars", _bars, ("tests/export/recorded/resource",)),
    Reader("scope", _scope, ("src/pfnlab/checker/scopes/scopes/*.toml",)),
    Reader("btf", _btf, made=made_inputs.types),
    Reader("image", _image, made=made_inputs.images),
    Reader("paste", _explain, made=made_inputs.pastes),
    Reader(
        "bundle",
        _inspect,
        ("src/pfnlab/explorer/page/*.bundle",),
        made_inputs.bundles,
        mended=input_sums.counted,
    ),
    Reader(
        "redacted",
        _redact,
        ("src/pfnlab/explorer/page/*.bundle",),
        made_inputs.bundles,
        mended=input_sums.counted,
        starts=("awk",),
    ),
    Reader("sos-folder", _inspect, made=made_inputs.folders, is_folder=True),
    Reader("sos-archive", _inspect, made=made_inputs.archives, mended=input_sums.summed),
    Reader("core", _core, made=made_inputs.cores),
    Reader("deb", _deb, made=made_inputs.packages, starts=("sh", "dpkg-deb")),
    Reader("sources", _sources, made=made_inputs.sources),
    Reader(
        "patch",
        _patch,
        ("evidence/patches/*.patch", "tests/present/report/posted_mails/*.mbox"),
        starts=("env", "sh"),
    ),
    Reader("golden", _golden, ("litmus/*/*.expected.json",)),
    Reader("result", _report, ("tests/present/document/samples/*.json",)),
    Reader("finding", _report, made=made_inputs.findings, is_folder=True),
    Reader("replay", _replay, made=made_inputs.checks, lines=3),
    Reader("campaign", _campaign, ("examples/campaign.toml",), lines=21),
)
