"""Hunt each defect in ``evidence/patches/planted`` with the fuzzer: which judge names it, and at what cost.

``hunt_defects.py [NUMBER...]`` builds the kernel if necessary and hunts for each defect (all by default):
the kernel with ``pfnlab_defect=NUMBER`` on its command line runs against its own model. Results are recorded
in ``evidence/patches/planted/hunted.json``, from which the table in ``docs/evidence/planted-defects.md`` is
made. ``--dry`` records nothing; ``--write`` only makes the table.

Exit codes: 0 every hunted defect was found, 1 one was not.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from pathlib import Path

import msgspec
from page_tables import code, put, table

from pfnlab.base.errors import Undecided
from pfnlab.base.progress import say
from pfnlab.lab.building.built import find
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.lang.printer import op_lines

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "evidence" / "patches" / "planted"
PATCH, DEFECTS, KEPT = FOLDER / "defects-7.3.patch", FOLDER / "defects.toml", FOLDER / "hunted.json"
PAGE = ROOT / "docs" / "evidence" / "planted-defects.md"
BEGIN = "<!-- planted: `python evidence/tools/hunt_defects.py --write` -->\n"
END = "<!-- end of planted -->\n"

#: The name of the built kernel.
NAME = "planted-7.3"

_HEADINGS = ("", "defect", "where", "programs", "seconds", "named by", "judge alone", "smallest program")


class Defect(msgspec.Struct, frozen=True):
    """
    A planted defect.

    :param number: its number on the command line
    :param rule: the rule that the kernel then violates
    :param where: the kernel file that has the defect
    :param options: the options for the hunt
    :param judge: the property that judges the kernel alone; *unjudged*: why there is none
    """

    number: int
    rule: str
    where: str
    options: tuple[str, ...] = ()
    judge: str = ""
    unjudged: str = ""


class HuntFinding(msgspec.Struct, frozen=True, kw_only=True):
    """
    The findings of a hunt for one defect.

    :param kernel: the booted kernel
    :param command: the hunt command
    :param programs: how many were compared, up to the first one with the finding, if any
    :param seconds: its duration, including repetitions and shrinking
    :param signature: the signature of the finding, in words; empty if nothing was found
    :param program: the smallest program, as text
    :param minimal: whether every smaller program was tried
    :param others: the signatures of other findings
    """

    number: int
    kernel: str
    command: str
    programs: int
    seconds: int
    signature: str = ""
    program: str = ""
    minimal: bool = True
    others: tuple[str, ...] = ()


def main(arguments: Sequence[str]) -> int:
    """Hunt for the defects, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", nargs="*", type=int, metavar="NUMBER")
    parser.add_argument("--programs", type=int, default=300, help="how many at most")
    parser.add_argument("--seconds", type=int, default=600, help="begin nothing new after so many")
    parser.add_argument("--dry", action="store_true", help="hunt, and keep nothing")
    parser.add_argument("--write", action="store_true", help="only make the table again")
    asked = parser.parse_args(arguments)
    status = 0
    defects = read_defects()
    for defect in () if asked.write else defects:
        if asked.numbers and defect.number not in asked.numbers:
            continue
        try:
            hunted = hunt(defect, asked.programs, asked.seconds)
        except Undecided as reason:
            say(f"{defect.number}: {reason}")
            status = 1
            continue
        say(f"{defect.number}: {hunted.signature or 'nothing'} ({hunted.programs:,} programs)")
        if not asked.dry:
            keep(hunted)
        status |= not hunted.signature
    if not asked.dry:
        put(PAGE, (BEGIN, END), text(defects, read_hunted()))
    return int(status)


def read_defects() -> list[Defect]:
    """Return the defects, by number."""
    return msgspec.convert(tomllib.loads(DEFECTS.read_text())["defect"], list[Defect])


def read_hunted() -> dict[int, HuntFinding]:
    """Return the findings, by defect number."""
    if not KEPT.exists():
        return {}
    return {one.number: one for one in msgspec.json.decode(KEPT.read_bytes(), type=list[HuntFinding])}


def keep(hunted: HuntFinding) -> None:
    """Record the results, replacing earlier ones."""
    known = {**read_hunted(), hunted.number: hunted}
    ordered = [known[number] for number in sorted(known)]
    KEPT.write_bytes(msgspec.json.format(msgspec.json.encode(ordered), indent=1) + b"\n")


def words(defect: Defect, programs: int, seconds: int) -> list[str]:
    """Return the command that hunts for a defect."""
    return [
        *("fuzz", "--on", f"model:{NAME}", "--on", f"qemu:{NAME},parameter=pfnlab_defect={defect.number}"),
        *("--seed", "34", "--programs", str(programs), "--seconds", str(seconds), "--stop-after", "1"),
        *("--jobs", "1", "--look", "memory"),
        *("--known", "evidence/findings", *defect.options),
    ]


def hunt(defect: Defect, programs: int, seconds: int) -> HuntFinding:
    """Hunt for a defect."""
    pfnlab = str(Path(sys.executable).with_name("pfnlab"))
    if find(NAME) is None:
        subprocess.run([pfnlab, "kernels", "build", "7.3", "--patch", str(PATCH), "--name", NAME], check=True)
    asked = words(defect, programs, seconds)
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [pfnlab, *asked, "--json", "--findings", folder], stdout=subprocess.PIPE, check=False, cwd=ROOT
        )
    return read(defect, "pfnlab " + " ".join(asked), done.stdout, round(time.monotonic() - begin))


def read(defect: Defect, command: str, answer: bytes, seconds: int) -> HuntFinding:
    """Read the result of a hunt.

    :param answer: the result, as printed by ``--json``
    :raises Undecided: if nothing was found but the kernel could not run some of the programs
    """
    result = msgspec.json.decode(answer)
    kernel = find(NAME)
    new = (finding for finding in result["findings"].values() if not finding["known"])
    findings = sorted(new, key=lambda finding: finding["first"])
    passed = [reason for reason in result["reasons"] if reason not in result["models_own"]]
    if passed and not findings:
        raise Undecided(f"some programs did not run: {passed[0]}")
    found = findings[0] if findings else None
    return HuntFinding(
        number=defect.number,
        kernel=kernel.origin if kernel is not None else NAME,
        command=command,
        programs=result["programs"] if found is None else found["first"],
        seconds=seconds,
        signature="" if found is None else found["says"],
        program="" if found is None else found["program"] or "",
        minimal=found is None or found["minimal"],
        others=tuple(finding["says"] for finding in findings[1:]),
    )


def text(defects: Sequence[Defect], hunted: dict[int, HuntFinding]) -> str:
    """Return the table, and the number of defects found."""
    rows = []
    for defect in defects:
        one = hunted.get(defect.number)
        row = [str(defect.number), defect.rule, f"`{defect.where}`"]
        alone = f"`{defect.judge}`" if defect.judge else defect.unjudged
        if one is None:
            rows.append([*row, "", "", "not hunted for", alone, ""])
            continue
        shown = code(op_lines(load_text(one.program))) if one.program else ""
        shown += "" if one.minimal else "<br>(cut short)"
        named = "<br>".join(_short(says, one.number) for says in (one.signature or "not found", *one.others))
        rows.append([*row, f"{one.programs:,}", f"{one.seconds:,}", named, alone, shown])
    asked = list(hunted.values())
    found = [one for one in asked if one.signature]
    kernels = sorted({one.kernel for one in asked})
    return f"{len(found)} of {len(asked)} were found, on {', '.join(kernels)}.\n\n{table(_HEADINGS, rows)}"


def _short(says: str, number: int) -> str:
    # A signature without the names that all of them share.
    kernel = f"qemu:{NAME},parameter=pfnlab_defect={number}"
    return says.replace(f" ({kernel})", "").replace(kernel, "kernel").replace(f"model:{NAME}", "model")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
