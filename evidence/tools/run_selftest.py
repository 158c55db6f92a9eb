"""Run the kernel's pfnmap selftest, as extended by a folder in ``evidence/patches/upstream``, on kernels.

``run_selftest.py KERNEL... [--patches FOLDER] [--source SOURCE] [--write]`` compiles the test from the
source (a series in the archive, or a tree's folder) with the folder's changes, and runs it in a guest of
each kernel, with devices whose frames are in the memtype list. The folder is ``exact`` or ``per_vma``,
whose tests check what the series promises, or ``selftests``, whose tests are independent. A KERNEL is a
name of `pfnlab kernels list`: one that was built here, a series or a version. The last one is expected to
pass. ``--write`` puts the table into ``evidence/patches/upstream/README.md``.

Exit codes: 0 if the last kernel passes all tests, 1 if it does not, 3 if a guest did not finish the test.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from own_guest import compile_in, console_of
from page_tables import put, table

from pfnlab.base.errors import LostGuest, PfnlabError
from pfnlab.base.progress import say
from pfnlab.lab.building.built import find
from pfnlab.lab.building.patch_file import read_patch
from pfnlab.lab.building.source import source_for
from pfnlab.lab.building.worktree import original
from pfnlab.lab.images.kernels import KernelImage, kernel_for
from pfnlab.lab.images.modules import vfio_modules
from pfnlab.lab.vm.launch import device_arguments

ROOT = Path(__file__).parents[2]
UPSTREAM = ROOT / "evidence" / "patches" / "upstream"
PAGE = UPSTREAM / "README.md"
#: The folders of patches that change the selftest.
FOLDERS = ("exact", "per_vma", "selftests")
INIT = Path(__file__).with_name("selftest_init.c")

#: The marks around a table of the page, with the name of the folder.
BEGIN, END = "<!-- selftests of {}: `make test-selftests` -->\n", "<!-- end of selftests of {} -->\n"

_FOLDER = "tools/testing/selftests/mm"
_FILES = ("pfnmap.c", "vm_util.c")
_INCLUDES = ("tools/testing/selftests/mm", "tools/testing/selftests", "tools/lib")
#: Seconds a whole guest may take; one needs about ten on an idle processor.
GUEST_LIMIT = 600.0

#: Two devices at the bus addresses hard-coded in selftest_init.c.
_CLAIMED = ("-device", "virtio-rng-pci,addr=0x5,disable-legacy=on")
_INSERTED = 0x6

# The harness prints the result of each test, and the reason if it is skipped; kernel lines may appear in
# between.
_RESULT = re.compile(r"(?P<word>ok|not ok) \d+ (?P<name>\S+?)(?: # (?P<skip>SKIP.*))?$", re.MULTILINE)
# The last line from a first process, whatever its name.
_WHOLE = re.compile(r"^\w+ ended with \d+", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """
    The outcome on one kernel.

    :param kernel: its name
    :param version: the version of its package or sources
    :param results: ``ok``, ``not ok`` or ``SKIP`` with the reason, by the name of the test
    """

    kernel: str
    version: str
    results: Mapping[str, str]

    @property
    def passes(self) -> bool:
        """True if all tests ran and passed."""
        return bool(self.results) and all(result == "ok" for result in self.results.values())


def main(arguments: Sequence[str]) -> int:
    """Run the selftest, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kernels", nargs="+", metavar="KERNEL", help="7.3-own, exact-series, 7.3")
    parser.add_argument("--patches", choices=FOLDERS, default="exact", help="a folder of upstream patches")
    parser.add_argument("--source", default="7.3", help="a series, or the folder of a tree; 7.3 without")
    parser.add_argument("--write", action="store_true", help="put the table into the page")
    asked = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="pfnlab-selftest-") as name:
            program = compiled(asked.source, selftest_patches(asked.patches), Path(name))
            outcomes = [on_kernel(kernel, program, Path(name)) for kernel in asked.kernels]
    except PfnlabError as trouble:
        print(trouble, file=sys.stderr)
        return 3
    print(table_of(outcomes), end="")
    if asked.write:
        put(PAGE, (BEGIN.format(asked.patches), END.format(asked.patches)), table_of(outcomes))
    return 0 if outcomes[-1].passes else 1


def compiled(source: str, patches: Sequence[Path], into: Path) -> bytes:
    """
    Compile the test and the guest's first process into one static program.

    :param source: a series in the archive, or the folder of a tree
    :param patches: the patches to the test
    :raises Undecided: if the change does not apply or does not compile
    """
    kernel_source = source_for(source, say=say)
    tree = kernel_source.folder
    folder = into / _FOLDER
    folder.mkdir(parents=True)
    for name in _FILES:
        shutil.copyfile(original(kernel_source, f"{_FOLDER}/{name}"), folder / name)
    for path in patches:
        compile_in(into, ["patch", "-p1", "-F0", "-i", str(path)], "apt-get install patch")
    includes = [f"-I{tree / place}" for place in _INCLUDES]
    command = ["gcc", "-O2", *includes, "-isystem", str(tree / "tools/include/uapi")]
    for name in _FILES:
        compile_in(into, [*command, "-Dmain=selftest_main", "-c", f"{_FOLDER}/{name}"], "apt-get install gcc")
    objects = [Path(name).with_suffix(".o").name for name in _FILES]
    command = ["gcc", "-O2", "-Wall", "-static", "-o", "init", str(INIT), *objects]
    compile_in(into, command, "apt-get install libc6-dev")
    return (into / "init").read_bytes()


def selftest_patches(folder: str) -> list[Path]:
    """The patches in a folder of ``evidence/patches/upstream`` that only change the selftest."""
    found = sorted((UPSTREAM / folder).glob("[0-9]*.patch"))
    paths = [path for path in found if not path.name.startswith("0000-")]
    return [path for path in paths if read_patch(path).files == (f"{_FOLDER}/pfnmap.c",)]


def on_kernel(name: str, program: bytes, folder: Path) -> Outcome:
    """
    Boot a kernel with the test and read its output.

    :raises MissingTool: there is no QEMU, or no such kernel
    :raises LostGuest: the guest did not end the test in time
    """
    own = find(name)
    kernel = own.image if own else kernel_for(name)
    console = console_with(kernel, program, folder)
    return Outcome(name, own.origin if own else kernel.version, results_of(console))


def console_with(kernel: KernelImage, program: bytes, folder: Path) -> str:
    """
    The console of a guest of *kernel* that ran the test.

    :raises MissingTool: there is no QEMU
    :raises LostGuest: it did not end in time, or not by itself
    """
    modules = {name: path.read_bytes() for name, path in vfio_modules(kernel, say=say).items()}
    inserted = device_arguments("bar", "memory-backend-ram,size=1M", _INSERTED)
    # vfio-pci needs an IOMMU, which must come before other devices.
    return to_the_end(
        console_of(
            *(kernel, program, folder, GUEST_LIMIT),
            devices=["-device", "intel-iommu", *_CLAIMED, *inserted],
            parameters="intel_iommu=on",
            extra=modules,
        )
    )


def to_the_end(console: str) -> str:
    """
    The console of a guest whose first process reports that it has ended.

    :raises LostGuest: it does not
    """
    if not _WHOLE.search(console):
        raise LostGuest(f"the guest did not end by itself: {console.strip()[-300:]}")
    return console


def results_of(console: str) -> dict[str, str]:
    """Return the result of each test, in order."""
    return {
        found["name"]: found["skip"].strip() if found["skip"] else found["word"]
        for found in _RESULT.finditer(console)
    }


def table_of(outcomes: Sequence[Outcome]) -> str:
    """Make a table with a row for each test and a column for each kernel."""
    head = ["test", *(outcome.kernel for outcome in outcomes)]
    names = dict.fromkeys(name for outcome in outcomes for name in outcome.results)
    rows = [[f"`{name}`", *(outcome.results.get(name, "-") for outcome in outcomes)] for name in names]
    return table(head, rows)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
