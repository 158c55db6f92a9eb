"""Functions that nothing calls, in programs of a few lines."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from pfnlab.lab.building.inlined import uncalled
from pfnlab.lab.lens import LensError

SOURCE = """
int value;
__attribute__((noinline)) void called(void) { value++; }
void taken_in(void) { value += 2; }
static inline __attribute__((always_inline)) void without_a_symbol(void) { value += 3; }
__attribute__((noinline)) void jumped_to(void) { value += 4; }
__attribute__((noinline)) void rest(void) asm("halved.part.0");
void rest(void) { value += 5; }
__attribute__((noinline)) void halved(int ask) { if (ask) rest(); else value += 6; }
__attribute__((noinline)) void own_rest(void) asm("whole.part.0");
void own_rest(void) { value += 7; }
__attribute__((noinline)) void whole(int ask) { if (ask) own_rest(); else value += 8; }
void _start(void) {
    called(); taken_in(); without_a_symbol(); called(); jumped_to();
    halved(value); if (value) rest();
    whole(value); called();
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A linked program with its symbols and debugging information."""
    folder = tmp_path_factory.mktemp("calls")
    (folder / "program.c").write_text(SOURCE)
    options = ["-O2", "-g", "-nostdlib", "-static", "-fno-pie", "-no-pie", "-fno-ipa-icf"]
    command = ["gcc", *options, "-o", str(folder / "program"), str(folder / "program.c")]
    subprocess.run(command, check=True, timeout=60)
    return folder / "program"


@pytest.mark.parametrize(
    ("function", "told"),
    [
        ("called", ()),
        ("jumped_to", ()),
        ("taken_in", ("taken_in",)),
        ("without_a_symbol", ("without_a_symbol",)),
        ("of_another_kernel", ()),
        ("halved", ("halved",)),
        ("whole", ()),
    ],
)
def test_what_its_caller_took_in_is_told(program: Path, function: str, told: tuple[str, ...]) -> None:
    """A call at the end of a function is a jump; what the source does not have is not told."""
    assert uncalled(program, {function}) == told


def test_what_is_no_program_is_refused(tmp_path: Path) -> None:
    """A build that ended early may leave such a file."""
    (tmp_path / "vmlinux").write_bytes(b"not yet")
    with pytest.raises(LensError, match="is not a 64-bit little-endian ELF file"):
        uncalled(tmp_path / "vmlinux", {"called"})
