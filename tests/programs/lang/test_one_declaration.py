"""One declaration an operation: what follows from it, and how many files name one by hand."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, get_args

import pytest
from for_each import for_each

from pfnlab.programs.lang.ops import Call
from pfnlab.programs.lang.words import ROWS, word_of

ROOT = Path(__file__).parents[3]
SOURCE = ROOT / "src" / "pfnlab"
GUEST = SOURCE / "lab" / "guest"

#: The files of src that name a new operation, at most: its declaration, its effect, the list, the function
#: and the protocol of the agent, and what it is observed by, if anything.
LIMIT = 6

#: The operations that more files name, and how many: this list only becomes shorter, its numbers lower.
BEFORE: dict[str, int] = {
    **{"mmap": 32, "munmap": 9, "mremap": 23, "pkey_mprotect": 8, "madvise": 7, "process_madvise": 11},
    **{"mlockall": 9, "munlockall": 8, "mbind": 7, "remap_file_pages": 15, "read": 15, "write": 16},
    **{"fork": 28, "thread": 19, "exec": 14, "exit": 17, "kill": 19, "release": 15, "look": 8},
    **{"mincore": 10, "memory_disable": 8, "memory_enable": 8, "vfio_reset": 10, "d3": 9, "d0": 9},
    **{"vfio_close": 9, "unmap_mapping_range": 15, "request_mem_region": 9, "ioremap": 9},
    **{"memremap_pages": 8, "bind": 11, "unbind": 11, "rescan": 8, "rescan_moved": 12, "unplug": 12},
    **{"plug": 12, "process_vm_readv": 18, "walk": 25, "clear_refs": 9, "setrlimit": 11},
    **{"process_mrelease": 14, "status": 11},
}


@cache
def _imported() -> dict[str, set[str]]:
    """The files that define or import each name of the language, alone or with its module, by the name."""
    found: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        modules: set[str] = set()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pfnlab.programs.lang."):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module == "pfnlab.programs.lang":
                modules |= {alias.name for alias in node.names}
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                names = [node.attr] if node.value.id in modules else []
            elif isinstance(node, ast.ClassDef) and path.parent == SOURCE / "programs" / "lang":
                names = [node.name]
            for name in names:
                found.setdefault(name, set()).add(str(path.relative_to(SOURCE)))
    return found


@cache
def _guest_files() -> dict[str, str]:
    """The sources of agent and driver."""
    return {
        str(path.relative_to(SOURCE)): path.read_text(encoding="utf-8")
        for path in GUEST.rglob("*")
        if path.suffix in (".c", ".h")
    }


def _of_the_agent(wire: str) -> set[str]:
    """The files of the guest that name a request: by its number in C, and in the protocol."""
    words = wire.split()
    word = words[1] if words[0] == "driver" else words[0]
    text = "\n".join(_guest_files().values())
    number = re.search(rf'VERB\((\w+), "{word}",|COMMAND\("{word}", (\w+)\)', text)
    assert number is not None, wire
    name = number[1] or number[2]
    return {file for file, code in _guest_files().items() if re.search(rf"\b{name}\b", code)} | {
        "lab/guest/PROTOCOL.md"
    }


def files_of(kind: type[Call]) -> set[str]:
    """The files of src that name an operation, in Python by its class, in the guest by its request."""
    agent = _of_the_agent(ROWS[kind].wire) if kind in ROWS else set()
    return _imported()[kind.__name__] | agent


def test_no_operation_costs_more_files_than_before() -> None:
    """Those that came before the limit have a number of their own, which is lowered with them."""
    counts = {word_of(kind): len(files_of(kind)) for kind in get_args(Call)}

    above = {word: count for word, count in counts.items() if count > LIMIT}

    assert above == BEFORE


#: Made-up operations: a system call with a range and a word, and a request to the driver; a declaration each.
WARM = '''
class Warm(OnPages, frozen=True, tag="warm"):
    """warm(2), which is made up."""

    row: ClassVar = Row(
        (Shape.RANGE, Flag("gently")), "warm", "S5.10", weight=3, traced="warm", option="huge_pages"
    )

    gently: bool = False

'''
FLUSH_DEVICE = '''
class FlushDevice(OnPages, frozen=True, tag="flush_device"):
    """The driver flushes device pages, which is made up."""

    row: ClassVar = Row(
        (Shape.DEVICE_PAGES, Word({"now": 0, "later": 1}, "time", "now", c="FLUSH_")), "driver flush", "S9.9"
    )

    when: str

'''

#: What is asked of the copy that has both.
PROBE = """
import inspect, json
from random import Random
from pfnlab.api.methods import Operations
from pfnlab.base.errors import ProgramError
from pfnlab.base.units import PfnRange
from pfnlab.explorer.offers import Offers
from pfnlab.export.formats import export
from pfnlab.export.from_strace import from_strace
from pfnlab.export.subject import Subject
from pfnlab.hunt.fuzz.call_kinds import KINDS, Vocabulary
from pfnlab.hunt.fuzz.grammar import draw
from pfnlab.hunt.fuzz.simplifications import simplifications
from pfnlab.lab.running.placement import Windows
from pfnlab.lab.running.wire import compile_program
from pfnlab.lab.running.wire import USUAL
from pfnlab.programs.lang.load import from_json, to_json
from pfnlab.kernel.mm.configuration import Configuration
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.needs import lacking
from pfnlab.programs.lang.printer import op_lines, op_text
from pfnlab.programs.lang.tokens import token_table

HEAD = "pfnlab program 1\\ndevice bar: pci, 16 pages\\na = mmap bar[0:8] wc shared rw\\n"
LINES = {"warm": "warm a[0:4] gently", "flush_device": "flush_device bar[0:4] later"}

def said(line):
    try:
        load_text(HEAD + line + "\\n")
    except ProgramError as error:
        return str(error)
    return ""

found = {}
for word, line in LINES.items():
    program = load_text(HEAD + line + "\\n")
    files = export(Subject("made_up", program), "c")
    drawn = [op.call for index in range(300) for op in draw(1, index, Vocabulary(driver=True)).ops]
    placement = Windows(PfnRange(0xF8000, 0xF8000 + 1024)).place(program)
    found[word] = {
        "printed": op_lines(program)[-1],
        "json": from_json(to_json(program)) == program,
        "wrong": said(line.rpartition(" ")[0] + " x"),
        "outside": said(line.replace("0:4", "4:1")),
        "offered": word in json.dumps(Offers().start(None)["words"]),
        "grammar": all(part in json.dumps(token_table()) for part in (word, line.split()[-1])),
        "method": str(inspect.signature(getattr(Operations, word))),
        "doc": getattr(Operations, word).__doc__,
        "weight": KINDS[word].weight,
        "drawn": any(type(call).__struct_config__.tag == word for call in drawn),
        "simpler": sorted({op_text(one.ops[-1]) for one in simplifications(program)}),
        "c": files,
        "request": compile_program(program, placement, USUAL).splitlines()[-2],
        "driver": program.needs.driver,
    }
mapped = (
    'openat(AT_FDCWD, "/sys/bus/pci/devices/0000:00:04.0/resource2_wc", O_RDWR) = 3\\n'
    "mmap(NULL, 65536, PROT_READ|PROT_WRITE, MAP_SHARED, 3, 0) = 0x7f0000000000\\n"
)
traced = mapped + "warm(0x7f0000000000, 8192, 0x1) = 0\\n"
warm = load_text(HEAD + LINES["warm"] + "\\n")
found["lacking"] = [lacking(warm, Configuration()), lacking(warm, Configuration(huge_pages=False))]
found["traced"] = from_strace(traced, "a.strace", {}).text().splitlines()[-1].partition("  #")[0]
print(json.dumps(found))
"""


def declare(folder: Path) -> None:
    """Both operations in a copy of the sources: a class each, and its name in a union of the same file."""
    lang = folder / "src" / "pfnlab" / "programs" / "lang"
    for name, text, before, union in (
        ("ops.py", WARM, "class Mlock(", ("MemoryCall = (\n    Mmap\n", "    | Warm\n")),
        (
            "device_ops.py",
            FLUSH_DEVICE,
            "class Ioremap(",
            ("DriverRequest = (\n    ZapVmaPtes\n", "    | FlushDevice\n"),
        ),
    ):
        source = (lang / name).read_text(encoding="utf-8")
        source = source.replace(before, f"{text.lstrip()}\n{before}", 1)
        (lang / name).write_text(source.replace(union[0], "".join(union), 1), encoding="utf-8")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What a copy of the sources says of both operations."""
    folder = tmp_path_factory.mktemp("declared")
    shutil.copytree(SOURCE, folder / "src" / "pfnlab", ignore=shutil.ignore_patterns("__pycache__", "page"))
    shutil.copytree(ROOT / "tools", folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "litmus").symlink_to(ROOT / "litmus")
    declare(folder)
    environment = {**os.environ, "PYTHONPATH": str(folder / "src")}
    for command in ([str(folder / "tools" / "make_methods.py"), "--write"], ["-c", PROBE]):
        done = subprocess.run(
            [sys.executable, *command],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert 0 == done.returncode, done.stderr
    return json.loads(done.stdout)


@for_each(("word", "line"), [("warm", "warm a[0:4] gently"), ("flush_device", "flush_device bar[0:4] later")])
def test_a_declaration_is_read_and_printed(found: Any, word: str, line: str) -> None:
    """As text, and as JSON."""
    assert (line, True) == (found[word]["printed"], found[word]["json"])


@for_each(
    ("word", "wrong", "outside"),
    [
        ("warm", "`x` is too much after the operation", "a[4:1] runs backwards"),
        (
            "flush_device",
            "unknown time `x`: write one of now, later",
            "bar[4:1] runs backwards: write bar[1:4]",
        ),
    ],
)
def test_a_declaration_is_checked(found: Any, word: str, wrong: str, outside: str) -> None:
    """Its word and its range, each with what to write instead."""
    assert wrong in found[word]["wrong"]
    assert outside in found[word]["outside"]


@for_each("word", ["warm", "flush_device"])
def test_a_declaration_is_offered_and_coloured(found: Any, word: str) -> None:
    """In the completion of the page, and in the grammars: its verb and its word."""
    assert (True, True) == (found[word]["offered"], found[word]["grammar"])


@for_each(
    ("word", "signature", "doc"),
    [
        (
            "warm",
            "(self, span: 'Where', *, gently: 'bool' = False) -> 'StepSeen'",
            "warm(2), which is made up.",
        ),
        (
            "flush_device",
            "(self, span: 'Where', when: 'str') -> 'StepSeen'",
            "The driver flushes device pages, which is made up.",
        ),
    ],
)
def test_a_declaration_is_a_method(found: Any, word: str, signature: str, doc: str) -> None:
    """Its arguments are the fields."""
    assert (signature, doc) == (found[word]["method"], found[word]["doc"])


@for_each(("word", "weight"), [("warm", 3), ("flush_device", 1)])
def test_a_declaration_is_drawn(found: Any, word: str, weight: int) -> None:
    """With its weight, and seldom without one."""
    assert (weight, True) == (found[word]["weight"], found[word]["drawn"])


@for_each(
    ("word", "simpler"),
    [
        ("warm", {"warm a[0:4]", "warm a[0] gently", "warm a[2:4] gently"}),
        ("flush_device", {"flush_device bar[0:4] now", "flush_device bar[0] later"}),
    ],
)
def test_a_declaration_is_shrunk(found: Any, word: str, simpler: set[str]) -> None:
    """Fewer pages, no flag, an earlier word."""
    assert simpler <= set(found[word]["simpler"])


def test_a_system_call_is_an_expression_of_c(found: Any) -> None:
    """A function of its name with its fields in order."""
    assert "warm(area_a, 4 * PAGE, true)" in found["warm"]["c"]["made_up.c"]


def test_a_request_is_one_of_the_module_in_c(found: Any) -> None:
    """The program asks, the header has the number, the driver calls a function of its name with the word."""
    files = found["flush_device"]["c"]

    assert "ask_driver(DRIVER_FLUSH_LATER, at_bar, 4 * PAGE)" in files["made_up.c"]
    assert "#define DRIVER_FLUSH_LATER _IOW('p', 2, struct driver_request)" in files["made_up_driver.h"]
    assert "return flush_device(ask.start, ask.len, FLUSH_LATER);" in files["made_up_driver.c"]


@for_each(
    ("word", "request", "driver"),
    [
        ("warm", "op 0 warm 100000000000 4000 1", False),
        ("flush_device", "op 0 driver flush f8000000 4000 1", True),
    ],
)
def test_a_declaration_is_sent(found: Any, word: str, request: str, driver: bool) -> None:
    """The agent hears numbers, and a guest has the driver where it needs one."""
    assert (request, driver) == (found[word]["request"], found[word]["driver"])


def test_a_kernel_without_its_option_has_no_such_operation(found: Any) -> None:
    """The option is said; a kernel that has it lacks nothing."""
    nothing, said = found["lacking"]

    assert nothing is None
    assert "this kernel has no warm: CONFIG_TRANSPARENT_HUGEPAGE is off" == said


def test_a_traced_call_is_read(found: Any) -> None:
    """The declaration has the arguments as strace prints them."""
    assert "warm a[0:2] gently" == found["traced"].rstrip()
