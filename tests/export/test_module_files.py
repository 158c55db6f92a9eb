"""The module beside a program: it has what the program asks of a driver, and no more."""

from __future__ import annotations

import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import pytest
from every_driver_operation import REQUESTS, WAYS, every_driver_operation
from for_each import for_each
from litmus_files import FILES, litmus_file, program_of

from pfnlab.base.errors import Undecided
from pfnlab.export.c_calls import why_not
from pfnlab.export.formats import export
from pfnlab.export.module_files import DriverWork
from pfnlab.export.subject import Subject
from pfnlab.programs.lang.ops import Program


@cache
def driven() -> dict[str, Program]:
    """The programs that a driver does something for, and that nothing else is in the way of."""
    return {
        name: program
        for name, path in FILES.items()
        if DriverWork.of(program := program_of(path)) and not any(map(why_not, program.ops))
    }


def files(name: str) -> dict[str, str]:
    """The files of a program of the library."""
    return export(Subject(name, program_of(litmus_file(name))), "c")


def work_of(name: str) -> frozenset[str]:
    """Every way to map and every request of a program, and what it calls in user space."""
    work = DriverWork.of(driven()[name])
    words = {"binds": work.binds, "chooses": work.chooses, "has": work.own_pages, "tells": work.tells_pages}
    named = [way.how for way in work.ways] + [request.name for request in work.requests]
    return frozenset([*named, *(word for word, there in words.items() if there)])


def enough() -> list[str]:
    """Programs that have between them all that any has."""
    chosen, seen = [], set[str]()
    for name in sorted(driven(), key=lambda name: -len(work_of(name))):
        if not work_of(name) <= seen:
            chosen.append(name)
            seen |= work_of(name)
    return chosen


def test_a_program_of_a_driver_is_four_files() -> None:
    """In one folder, the program first; make and the kernel take no name with a dash."""
    names = [f"driver_zap_conflict{end}" for end in (".c", "_driver.c", "_driver.h")]

    assert [*names, "Makefile"] == list(files("driver-zap-conflict"))


def test_no_program_of_a_driver_is_refused(tmp_path: Path) -> None:
    """What runs in user space compiles without a warning, whatever it asks of its driver."""

    def complaint(name: str) -> str:
        texts = files(name)
        for file, text in texts.items():
            (tmp_path / file).write_text(text, encoding="utf-8")
        command = ("gcc", "-Wall", "-Wextra", "-Werror", "-O2", "-c", "-o", "/dev/null", next(iter(texts)))
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60).stderr

    with ThreadPoolExecutor(2) as pool:
        complaints = [said for said in pool.map(complaint, enough()) if said]

    assert [] == complaints
    assert len([name for name in driven() if files(name)]) > 150


@for_each(
    ("name", "says"),
    [
        ("race-revoked-before-flush", "a hold point needs a debugger: use `pfnlab run`"),
        ("slot-moved", "is kept from it, from outside the machine: use `pfnlab run`"),
    ],
)
def test_what_no_driver_does_is_refused(name: str, says: str) -> None:
    """In one line, with the operation."""
    with pytest.raises(Undecided, match=rf"^{name}: `") as refused:
        files(name)

    assert str(refused.value).endswith(says)


def test_a_selftest_has_no_module() -> None:
    """The form that has one is named."""
    with pytest.raises(
        Undecided, match=r"only a driver does this: use `--format c`, which also writes a module"
    ):
        export(Subject("zap", program_of(litmus_file("driver-zap-conflict"))), "kselftest")


def test_every_way_and_every_request_has_its_answer() -> None:
    """Of the language, whether a program of the library has it or not."""
    text = export(Subject("every", every_driver_operation()), "c")["every_driver.c"]

    assert WAYS == len(re.findall(r"\tcase \d+: /\* ", text))
    assert REQUESTS + 1 == text.count("\tcase DRIVER_")


@pytest.mark.parametrize("name", ["driver-zap-conflict", "driver-bind-own"])
def test_a_module_has_what_is_asked_and_no_more(name: str) -> None:
    """Each request of the header is one of the program's and is answered; other functions are not there."""
    source, module, header, _ = files(name).values()

    requests = set(re.findall(r"^#define (DRIVER_\w+) _IO", header, re.M))

    for text in (source, module):
        assert requests == set(re.findall(r"\bDRIVER_\w+", text)) - {"DRIVER_NAME", "DRIVER_DEVICE"}
    assert "ioremap" not in module
    assert ("pci_register_driver" in module) == ("bind" in name)


def test_contents_of_the_machine_s_own_are_not_told() -> None:
    """Neither by a load nor by a walker: only that they were read."""
    source = next(iter(files("isa-access").values()))

    assert "untold(read_word(mem_read, area_a))" in source
    assert source.count("read_word(mem_read, area_") == source.count("untold(read_word(mem_read, area_")


def test_make_builds_program_and_module(tmp_path: Path) -> None:
    """The first as its head says, the second by the Makefile of the headers that are named."""
    headers, folder = tmp_path / "headers", tmp_path / "zap"
    for name, text in files("driver-zap-conflict").items():
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    headers.mkdir()
    (headers / "Makefile").write_text("include $(M)/Makefile\nmodules:\n\t@echo $(obj-m) of $(M)\n")

    command = ("make", f"KDIR={headers}")
    told = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=60).stdout

    assert f"driver_zap_conflict_driver.o of {folder}\n" in told
    assert (folder / "driver_zap_conflict").stat().st_mode & 0o111
