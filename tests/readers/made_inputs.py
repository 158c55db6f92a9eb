"""Inputs that hunts begin with and that lie nowhere in the repository: archives, cores, stores and others."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import re
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from pathlib import Path

from btf_builder import sample
from core_builder import PAGE, elf_core, elf_sections, kdump, kernel_image
from fake_root import fake_root
from toy_kernel import IMAGE, KALLSYMS, SYMBOLS, TABLES, ToyKernel, type_bytes

from pfnlab.cli.reader import perform_words

TOP = Path(__file__).parents[2]

_FILE = re.compile(rb"^(==|->) ([^\n]*)\n", re.M)
_MOST_FILES = 200


def spread(text: bytes, folder: Path) -> None:
    """Make *folder* of a text: a line ``== PATH`` begins a file, ``-> PATH`` a link; its content follows."""
    folder.mkdir()
    top = os.fsencode(folder)
    parts = _FILE.split(text)[1:]
    for mark, name, content in zip(parts[0 : 3 * _MOST_FILES : 3], parts[1::3], parts[2::3], strict=False):
        place = os.path.normpath(top + b"/" + name)
        # A name that no file can have makes none.
        with suppress(OSError, ValueError):
            if place.startswith(top + b"/"):
                os.makedirs(os.path.dirname(place), exist_ok=True)
                if mark == b"==":
                    Path(os.fsdecode(place)).write_bytes(content)
                else:
                    os.symlink(content.strip(b"\n"), place)


def _gathered(folder: Path) -> bytes:
    """The text that :func:`spread` makes *folder* of."""
    text = b""
    for path in sorted(folder.rglob("*")):
        name = os.fsencode(path.relative_to(folder))
        if path.is_symlink():
            text += b"-> %s\n%s\n" % (name, os.fsencode(os.readlink(path)))
        elif path.is_file():
            text += b"== %s\n%s" % (name, path.read_bytes())
    return text


def folders() -> Iterator[bytes]:
    """A root, and a report of sos."""
    with tempfile.TemporaryDirectory() as place:
        yield _gathered(fake_root(Path(place) / "root"))
    yield _report()


def _report() -> bytes:
    return (
        b"== report/proc/iomem\n00001000-0009fbff : System RAM\ne0000000-efffffff : 0000:00:02.0\n"
        b"== report/sos_commands/kernel/dmesg\n[    0.0] Linux version 6.1.0 (a)\n"
        b"[    1.0] x86/PAT: X:7 freeing invalid memtype [mem 0xf8004000-0xf8007fff]\n"
        b"-> report/dmesg\nsos_commands/kernel/dmesg\n"
        b"== report/sos_commands/kernel/uname_-a\nLinux farhost 6.1.0-26-amd64 #1 SMP\n"
        b"== report/sos_commands/pci/lspci_-nnvv\n00:02.0 VGA compatible controller [0300]: A [10de:1db6]\n"
        b"\tRegion 0: Memory at e0000000 (64-bit, prefetchable) [size=256M]\n"
        b"\tKernel driver in use: nouveau\n"
        b"== report/sys/kernel/debug/x86/pat_memtype_list\nPAT memtype list:\n"
        b"PAT: [mem 0x00000000e0000000-0x00000000f0000000] write-combining\n"
        b"== report/proc/mtrr\nreg00: base=0x0c0000000 ( 3072MB), size= 1024MB, count=1: uncachable\n"
    )


def archives() -> Iterator[bytes]:
    """The report as an archive in each packing, in the form of GNU and of POSIX."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "root"
        spread(_report(), root)
        for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode="w", format=form) as archive:
                # A name that is longer than a head has room for.
                for name in ("report", f"{'long' * 30}/proc"):
                    archive.add(root / "report", name)
            yield out.getvalue()
    for packed in (gzip.compress, lzma.compress, bz2.compress):
        yield packed(out.getvalue())


def bundles() -> Iterator[bytes]:
    """The small beginnings of a bundle: each kind of line, and one that is packed."""
    text = (
        b"pfnlab-bundle 1\nnote root yes\nat 1700000000.5\n"
        b"file /proc/iomem\n 00001000-0009fbff : System RAM\n"
        b"folder /proc\n 1\n 7\nfile /proc/7/smaps\n"
        b" 7f0000000000-7f0000001000 rw-s e0000000 00:15 7    /dev/mem\n"
        b" VmFlags: rd wr sh mr mw me ms pf io\n"
        b"link /sys/bus/pci/devices/0000:00:02.0/driver\n ../../drivers/nouveau\n"
        b"hex /sys/bus/pci/devices/0000:00:02.0/config\n de 10 b6 1d\n"
        b"file /sys/kernel/debug/x86/pat_memtype_list\n PAT memtype list:\n"
        b" PAT: [mem 0x00000000e0000000-0x00000000f0000000] write-combining\n"
        b"absent /dev/kmsg\tgone\nrefused /proc/1/smaps\tno right\n"
    )
    text += b"end %d\n" % text.count(b"\n")
    yield text
    yield gzip.compress(text, mtime=0)


#: Where a small kernel has its types, and where its symbol table ends.
_TYPES, _SYMBOLS_END = 0x70000, KALLSYMS + 0x10000


def _small_kernel() -> bytes:
    """The memory of a small kernel that has its types in it."""
    kernel, types = ToyKernel(), type_bytes()
    kernel.memory[_TYPES : _TYPES + len(types)] = types
    between = {"__start_BTF": IMAGE + _TYPES, "__stop_BTF": IMAGE + _TYPES + len(types)}
    kernel.symbols("relative", {**SYMBOLS, **between})
    return bytes(kernel.memory[: _TYPES + PAGE * (len(types) // PAGE + 1)])


def cores() -> Iterator[bytes]:
    """Cores of a small kernel: as ELF, and as kdump packs them, flattened too."""
    memory = _small_kernel()
    starts = range(0, len(memory), PAGE)
    pages = {
        at: memory[at : at + PAGE]
        for at in starts
        if at in range(KALLSYMS, _SYMBOLS_END) or any(memory[at : at + PAGE])
    }
    yield elf_core(pages)
    yield kdump(memory, hole=range(12, TABLES // PAGE))
    yield kdump(memory, flat=True)


def types() -> Iterator[bytes]:
    """Types of a kernel."""
    yield sample().bytes()


def images() -> Iterator[bytes]:
    """Images of kernels with types, packed in the ways that Python itself unpacks."""
    kernel = elf_sections({".text": bytes(range(256)), ".BTF": sample().bytes()})
    yield kernel
    for packed in (gzip.compress, lzma.compress, bz2.compress):
        yield kernel_image(packed(kernel))


def stores() -> Iterator[bytes]:
    """A store with a campaign, of which one shard is done."""
    from made_results import result, sighting

    from pfnlab.campaign.plan_file import plan_of
    from pfnlab.campaign.running import begin_campaign
    from pfnlab.campaign.store.store import Store

    plan = (
        'form = 1\nname = "c"\n[[fuzz]]\nmachines = [["model:6.1", "model:7.2"]]\n'
        "programs = 2\nprograms_per_shard = 1\n"
    )
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "s.db"
        with Store(str(path)) as store:
            begin_campaign(store, plan_of(plan, "c.toml"))
            store.finish(sighting("c", 0), [result()])
        yield path.read_bytes()


def checks() -> Iterator[bytes]:
    """What a check prints that found a leak."""
    with redirect_stdout(io.StringIO()) as out:
        perform_words(
            ["check", "--on", "model:6.1", "--scope", "small", "--depth", "3", "--jobs", "1", "--json"]
        )
    yield out.getvalue().encode()


def configurations() -> Iterator[bytes]:
    """A configuration, and a packed one."""
    text = b"# made\nCONFIG_X86_64=y\nCONFIG_X86_PAT=y\n# CONFIG_NUMA is not set\nCONFIG_SMP=y\n"
    yield text
    yield gzip.compress(text, mtime=0)


def json_programs() -> Iterator[bytes]:
    """Programs as JSON."""
    from pfnlab.programs.lang.load import load_program, to_json

    for path in sorted(TOP.glob("litmus/*/*.pfn"))[::8]:
        yield to_json(load_program(path))


def recordings() -> Iterator[bytes]:
    """Some lines of each recorded run."""
    for path in sorted(TOP.glob("tests/recorded/*.jsonl")):
        for line in path.read_bytes().splitlines()[::200]:
            yield line + b"\n"


def straces() -> Iterator[bytes]:
    """Logs of tests."""
    from test_damaged_texts import LOG, PROCESSES

    for lines in (LOG, PROCESSES):
        yield ("\n".join(lines) + "\n").encode()


def pastes() -> Iterator[bytes]:
    """The examples of messages, some together."""
    lines = (TOP / "tests/diagnosis/messages/examples.jsonl").read_text(encoding="utf-8").splitlines()
    for line in lines:
        yield str(json.loads(line)["text"]).encode("utf-8", "replace")


def findings() -> Iterator[bytes]:
    """Folders of findings, as far as a report reads them."""
    for report in sorted(TOP.glob("evidence/findings/*/report.md")):
        names = ("program.pfn", "report.md", "finding.json")
        files = [report.with_name(name) for name in names]
        yield b"".join(
            b"== %s\n%s" % (file.name.encode(), file.read_bytes()) for file in files if file.exists()
        )


def packages() -> Iterator[bytes]:
    """A package of Debian: its three members, of which the last has a kernel's configuration."""

    def packed(name: str, content: bytes) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as archive:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
        return out.getvalue()

    members = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": packed("./control", b"Package: p\nVersion: 1\nArchitecture: all\nMaintainer: m\n"),
        "data.tar.gz": packed("./boot/config", b"CONFIG_X86_64=y\n"),
    }
    out = b"!<arch>\n"
    for name, content in members.items():
        head = f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        out += head + content + b"\n" * (len(content) % 2)
    yield out


def sources() -> Iterator[bytes]:
    """Sources of apt, in both forms."""
    yield (
        b"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://host/debian trixie main\n"
        b"deb http://host/debian-security trixie-security main # a\n"
        b"Types: deb\nURIs: http://host/debian\nSuites: trixie trixie-updates\nComponents: main\n"
        b"Signed-By:\n -----BEGIN\n .\n"
    )
