"""Record on patched kernels what claims ask of models with the same policy.

``record_claims.py [PATCH...]`` builds the patches' kernels (by default, all that claims need), runs the
programs on them, and stores the runs in ``src/pfnlab/discussions/patched``. Searches contribute their
shortest programs. ``--missing`` records nothing; it lists recordings that are missing or made with an
outdated patch.

A golden names the commit of the code that recorded it, so commit the code first. Exit codes: 0 if all are
recorded and match their models, 1 if one does not, 2 for misuse, 3 if one could not be built or run.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import msgspec
from hold_patches import FOLDER, ROOT, built_kernel, chosen, claims_about

from pfnlab.base.errors import Discovery, PfnlabError
from pfnlab.base.files import write_whole
from pfnlab.base.inert import json_line
from pfnlab.base.progress import say
from pfnlab.discussions.claim_questions import ClaimQuestion
from pfnlab.discussions.patch_evidence import (
    HOLD,
    PatchProgram,
    lacking,
    patch_programs,
    predicted,
)
from pfnlab.discussions.patch_goldens import (
    RECORD,
    PatchGolden,
    RecordedRun,
    TrackerSizes,
    patch_golden_path,
    patch_goldens,
    read_patch_golden,
)
from pfnlab.hunt.meeting.trial import alive
from pfnlab.kernel.mm.configuration import DISTRIBUTION, Configuration
from pfnlab.kernel.policies.patched import patched_kernels
from pfnlab.lab.building.patch_file import PatchFile
from pfnlab.lab.images.cache import sha256_of
from pfnlab.lab.images.kernels import KernelImage
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.lab.sizes.kernel_sizes import OWN_FIELD, VMA, known_sizes, members_of, structures_of, types_of
from pfnlab.programs.lang.printer import op_lines
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.golden import check_whole, observation_text
from pfnlab.programs.runs.observation import Run

#: The files that a recording depends on, and the recordings themselves.
CODE = (
    *("src", "evidence/tools", "evidence/patches"),
    *(":!src/pfnlab/discussions/patched", ":!src/pfnlab/discussions/*.toml"),
)


def main(arguments: Sequence[str]) -> int:
    """Record, or list what is missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="PATCH", help="flush-end_vma; all where none is named")
    parser.add_argument("--missing", action="store_true", help="only list what is not recorded")
    asked = parser.parse_args(arguments)
    patches = [patch for patch in chosen(asked.names) if asks_of(patch) or asked.names]
    if asked.missing:
        lines = [line for patch in patches for line in missing(patch)]
        print("\n".join(lines) if lines else "nothing is missing")
        return int(bool(lines))
    commit = committed()
    status = 0
    for patch in patches:
        try:
            record(patch, commit)
        except PfnlabError as reason:
            print(f"{patch.path.stem}: {reason}", file=sys.stderr)
            status = max(status, reason.exit_code)
    return status


def machine_like(patch: PatchFile) -> str:
    """Return the model that has the policy in *patch*."""
    return f"{patch.base_series},{patch.policy}"


def asks_of(patch: PatchFile) -> list[ClaimQuestion]:
    """Return the questions that claims ask of the model with the policy in *patch*."""
    return [asked for claim in claims_about(patch).values() for asked in claim]


def missing(patch: PatchFile) -> Iterator[str]:
    """The programs of *patch* without a recording, one per line."""
    name, path = patch.path.stem, patch_golden_path(patch.path.stem)
    if name not in patched_kernels():
        yield f"{name}: compared with no model: run `{HOLD} {name}`"
    if not path.exists():
        yield f"{name}: not recorded, asked by {', '.join(claims_about(patch))}: run `{RECORD} {name}`"
        return
    golden = read_patch_golden(path)
    if (golden.sha256, golden.machine) != (sha256_of(patch.path), machine_like(patch)):
        yield f"{name}: recorded with another patch than the file has now: run `{golden.again}`"
    yield from (f"{name}: {reason}" for reason in lacking(golden, asks_of(patch)))


def record(patch: PatchFile, commit: str) -> None:
    """Build the kernel of *patch*, run what claims ask of it, and store the runs.

    :param commit: the commit of this tool
    :raises Undecided: the kernel could not be built, or a program did not end
    :raises Discovery: the kernel raised an alarm or differs from its model; the run is stored nevertheless
    """
    name, machine = patch.path.stem, machine_like(patch)
    asked = patch_programs(asks_of(patch))
    kernel = built_kernel(patch, None)
    with QemuMachine(kernel.image, guests=1, name=f"qemu:{name}", say=say) as guests:
        living = alive(guests)
        runs = [one_run(guests, one) for one in asked]
    for run in runs:
        check_whole(run, f"{name} is not recorded")
    golden = PatchGolden(
        patch=name,
        file=patch.path.relative_to(FOLDER).as_posix(),
        sha256=sha256_of(patch.path),
        policy=patch.policy,
        series=patch.base_series,
        kernel=living.kernel,
        source=kernel.source,
        configured=kernel.configuration,
        configuration=configuration_differences(living.configuration),
        unobserved=tuple(sorted(living.unobserved)),
        commit=commit,
        made_by=f"{RECORD} {name}",
        sizes=tracker_sizes(kernel.image),
        runs=tuple(RecordedRun.of(one.text, one.violates, run) for one, run in zip(asked, runs, strict=True)),
    )
    write_patch_golden(patch_golden_path(name), golden)
    found = [one for one, recorded in zip(asked, golden.runs, strict=True) if differs(golden, recorded)]
    say(f"{name}: {len(asked)} programs recorded, {len(found)} differ from model:{machine}")
    if found:
        raise Discovery(f"differs from model:{machine}: {'; '.join(op_lines(found[0].program))}")


def configuration_differences(configuration: Configuration) -> dict[str, bool | None]:
    """The fields in which *configuration* differs from that of distribution kernels."""
    return {
        field.name: value
        for field in fields(Configuration)
        if (value := getattr(configuration, field.name)) != getattr(DISTRIBUTION, field.name)
    }


def write_patch_golden(path: Path, golden: PatchGolden) -> None:
    """Write *golden*, one line per step."""
    path.parent.mkdir(exist_ok=True)
    write_whole(path, patch_golden_text(golden))
    patch_goldens.cache_clear()


def patch_golden_text(golden: PatchGolden) -> str:
    """The content of its file."""
    head = {key: value for key, value in msgspec.to_builtins(golden).items() if key != "runs"}
    lines = "".join(f" {json_line(key)}: {json_line(value)},\n" for key, value in head.items())
    runs = ",\n".join(map(_run_text, golden.runs))
    return f'{{\n{lines} "runs": [\n{runs}\n ]\n}}\n'


def _run_text(run: RecordedRun) -> str:
    violates = {"violates": list(run.violates)} if run.violates else {}
    return observation_text({"text": run.text, **violates}, run.once, run.steps)


def tracker_sizes(kernel: KernelImage) -> TrackerSizes:
    """Return the structure sizes in a kernel's tracker.

    The members are the tracker's VMA field, and any VMA field that the archive's kernel in that series lacks.
    """
    structures = structures_of(types_of(kernel))
    (archive,) = (sizes for sizes in known_sizes() if sizes.series == kernel.series)
    theirs = {member.name for member in members_of(archive)} - {OWN_FIELD}
    members = {one.name: one.size for one in structures[VMA].members if one.name not in theirs}
    context = structures.get(OWN_FIELD)
    return TrackerSizes(members, context.size if context is not None else 0)


def one_run(guests: QemuMachine, asked: PatchProgram) -> Run:
    """A run before which no one-time message was printed."""
    (run,) = guests.run([asked.program])
    if run.once:
        guests.reboot()
        (run,) = guests.run([asked.program])
    return run


def differs(golden: PatchGolden, recorded: RecordedRun) -> bool:
    """True if the model differs."""
    model = predicted(golden.machine, golden.configured_as, recorded.text)
    return bool(differences([golden.run_of(recorded), model]))


def committed() -> str:
    """The commit of this tool and of the code it records with.

    :raises SystemExit: something is uncommitted
    """
    changed = git("status", "--porcelain", "--", *CODE)
    if changed:
        raise SystemExit(f"a golden names the commit that recorded it: commit first\n{changed}")
    return git("rev-parse", "HEAD")


def git(*words: str) -> str:
    """The output of git for this tree."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
