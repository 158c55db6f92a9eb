"""Every patch of ``evidence/patches/`` as a kernel, compared with the model with its policy.

``hold_patches.py [NAME...] [--programs N] [--seed N]`` builds them (all by default), runs the programs of
``litmus/`` and N random ones of each kind on the kernel and on its model, and records what was compared
(:mod:`pfnlab.kernel.policies.patched`); for flush placements also the schedules in which a thread may read
revoked memory. ``--stale`` runs only these, ``--dry`` records nothing, ``--write`` only makes the tables of
``evidence/patches/README.md``, and that of ``evidence/patches/upstream/fixes/README.md`` for the patches
there.

Exit codes: 0 all are equal, 1 one differs, 3 one could not be built or compared.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec
from page_tables import put, table

from pfnlab.base.errors import Undecided
from pfnlab.base.progress import say
from pfnlab.base.result import Outcome
from pfnlab.discussions.claim_questions import ClaimQuestion
from pfnlab.discussions.lookup import claims_of
from pfnlab.discussions.patch_evidence import is_about
from pfnlab.discussions.patch_goldens import patch_goldens
from pfnlab.hunt.meeting.holding import Programs
from pfnlab.hunt.meeting.trial import TrialResult, try_kernel
from pfnlab.kernel.policies.known_kernels import programs_in, steps_in
from pfnlab.kernel.policies.patched import PatchedKernel, read_patched
from pfnlab.lab.building.build import build
from pfnlab.lab.building.built import BuiltKernel
from pfnlab.lab.building.patch_file import PatchFile, read_patch
from pfnlab.lab.running.qemu_machine import QemuMachine
from pfnlab.present.document.compose import document_of
from pfnlab.present.document.mail import mail
from pfnlab.present.document.meeting_part import trial_part
from pfnlab.programs.lang.device_ops import UnmapMappingRange
from pfnlab.programs.lang.library import find_program
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.lang.ops import Program, Read
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.machine import Machine
from pfnlab.programs.runs.observation import Run

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "evidence" / "patches"
KEPT = ROOT / "src" / "pfnlab" / "kernel" / "policies" / "patched.json"
PAGE = "README.md"
#: Patches proposed for the kernel; they have their own page.
FIXES = Path("upstream", "fixes")

#: Schedules in which a thread may read pages after ``unmap_mapping_range`` has returned for them.
REVOKED = (
    *(find_program(f"race-revoked-{name}") for name in ("after-unlink", "before-flush")),
    *(FOLDER / f"revoked-{name}.pfn" for name in ("behind-ordinary", "second")),
)

#: The sections of a page, each with a table between marks: policies by seam, then a report and a switch.
SEAMS = ("flush", "walker", "tracker", "freed_in_vain", "fork_copies_vfio")
BEGIN, END = "<!-- {}: `python evidence/tools/hold_patches.py --write` -->\n", "<!-- end of {} -->\n"

_COUNTS = ("litmus", "changed", "schedules", "random", "steps", "undecided", "differences")
_HEADINGS = ("patch", "policy", "base", "lines", "build", *_COUNTS, "stale reads", "claims")


def main(arguments: Sequence[str]) -> int:
    """Compare the patched kernels, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="flush-end_vma; all where none is named")
    parser.add_argument("--programs", type=int, default=200, help="random programs of each kind")
    parser.add_argument("--seed", type=int, default=7, help="which random programs")
    parser.add_argument("--config", metavar="FRAGMENT", help="how it is configured: debug; else for the lab")
    parser.add_argument("--dry", action="store_true", help="compare, and keep nothing")
    parser.add_argument("--stale", action="store_true", help="only the schedules of stale reads")
    parser.add_argument("--write", action="store_true", help="only make the tables again")
    asked = parser.parse_args(arguments)
    status = 0
    for patch in () if asked.write else chosen(asked.names):
        if asked.stale:
            status = max(status, hold_stale(patch, asked.config))
        else:
            status = max(status, hold(patch, asked.programs, asked.seed, asked.config, keeps=not asked.dry))
    if not asked.dry:
        write_tables(FOLDER)
    return status


def chosen(names: Sequence[str]) -> list[PatchFile]:
    """Return the patches with these names, or all if no names are given.

    :raises SystemExit: if a name is unknown
    """
    patches = {patch.path.stem: patch for folder in (FOLDER, FOLDER / FIXES) for patch in patches_in(folder)}
    unknown = [name for name in names if name not in patches]
    if unknown:
        known = ", ".join(patches)
        raise SystemExit(f"there is no patch {unknown[0]!r} in evidence/patches/: known are {known}")
    return [patches[name] for name in names or patches]


def patches_in(folder: Path) -> list[PatchFile]:
    """Return the patches directly in *folder*, by name."""
    return [read_patch(path) for path in sorted(folder.glob("*.patch"))]


def hold(patch: PatchFile, programs: int, seed: int, configuration: str | None, *, keeps: bool) -> int:
    """Build one patch and compare its kernel with its model; return the exit code.

    :param configuration: the kernel configuration; None for the lab's
    :param keeps: whether the result becomes a row in the page
    """
    try:
        kernel = built_kernel(patch, configuration)
        packaged = Programs.of(None, programs, seed)
        compared = packaged._replace(litmus={**packaged.litmus, **Programs.of(FOLDER).litmus})
        with QemuMachine(kernel.image, guests=1, name=f"qemu:{kernel.name}", say=say) as machine:
            trial = try_kernel(
                machine,
                patch.base_series,
                compared,
                tree=kernel.name,
                built=f"{kernel.version} of {kernel.source}",
                patches=[patch],
                policies=(patch.policy,),
                name=kernel.name,
                say=say,
            )
            stale = stale_reads(machine, patch)
    except Undecided as reason:
        print(f"{patch.path.stem}: {reason}", file=sys.stderr)
        return reason.exit_code
    if trial.outcome is not Outcome.AS_EXPECTED:
        print(mail(document_of([trial_part(trial)])))
    if keeps:
        keep(patch.path.stem, row(trial, patch, kernel, changed_by(patch), stale))
    if stale is not None and stale[0] != stale[1]:
        print(f"{kernel.name}: {stale[0]} stale reads are predicted, {stale[1]} were seen", file=sys.stderr)
        return 1
    return trial.outcome.value


def hold_stale(patch: PatchFile, configuration: str | None) -> int:
    """Record stale reads on the kernel of a patch that was already compared; return the exit code."""
    known = read_patched(KEPT).get(patch.path.stem)
    if known is None:
        raise SystemExit(f"{patch.path.stem} was not held yet: leave out --stale")
    try:
        kernel = built_kernel(patch, configuration)
        with QemuMachine(kernel.image, guests=1, name=f"qemu:{kernel.name}", say=say) as machine:
            stale = stale_reads(machine, patch)
    except Undecided as reason:
        print(f"{patch.path.stem}: {reason}", file=sys.stderr)
        return reason.exit_code
    keep(patch.path.stem, msgspec.structs.replace(known, stale=stale))
    return 0 if stale is None or stale[0] == stale[1] else 1


def built_kernel(patch: PatchFile, configuration: str | None) -> BuiltKernel:
    """Return the kernel for *patch*, building it if it is not in the cache."""
    fragments = () if configuration is None else (configuration,)
    name = "-".join((patch.path.stem, *fragments))
    return build(patch.base_series, (patch.path,), fragments, name=name, say=say)


def stale_reads(machine: Machine, patch: PatchFile) -> tuple[int, int] | None:
    """Return how many of :data:`REVOKED` have a stale read on the model, and how many on the machine.

    Returns None for a patch that places no flushes.
    """
    if not patch.policy.startswith("flush="):
        return None
    programs = [load_program(path) for path in REVOKED]
    model = ModelMachine(f"{patch.base_series},{patch.policy}")
    predicted, seen = (sum(map(reads_revoked, programs, asked.run(programs))) for asked in (model, machine))
    return predicted, seen


def reads_revoked(program: Program, run: Run) -> bool:
    """True if a thread reads pages right after ``unmap_mapping_range`` has returned for them."""
    steps = list(zip(program.ops, run.steps, strict=False))
    return any(
        isinstance(first.call, UnmapMappingRange)
        and isinstance(second.call, Read)
        and (revoked.result, read.result) == ("ok", "ok")
        for (first, revoked), (second, read) in pairwise(steps)
    )


def changed_by(patch: PatchFile) -> list[Program]:
    """Return the programs in ``litmus/`` that the policy in *patch* changes."""
    return changed(patch.base_series, patch.policy, Programs.of().litmus)


def changed(series: str, policy: str, programs: Mapping[str, Program]) -> list[Program]:
    """Return the *programs* that the policy changes on the model, so that their goldens do not apply.

    Programs for which either model has no rule are excluded.
    """
    asked = list(programs.values())
    runs = zip(*(ModelMachine(name).run(asked) for name in (series, f"{series},{policy}")), strict=True)
    return [
        program
        for program, pair in zip(asked, runs, strict=True)
        if all(run.unfinished is None for run in pair) and differences(pair)
    ]


def row(
    trial: TrialResult,
    patch: PatchFile,
    kernel: BuiltKernel,
    programs_changed: Sequence[Program],
    stale: tuple[int, int] | None,
) -> PatchedKernel:
    """Make the record of a trial."""
    random = sum(count.programs for name, count in trial.held.items() if name.startswith("random"))
    return PatchedKernel(
        policy=patch.policy,
        series=patch.base_series,
        kernel=trial.kernel,
        source=kernel.source,
        configuration=kernel.configuration,
        build_seconds=round(kernel.seconds),
        seed=trial.seed,
        litmus=programs_in(trial.held) - random,
        random=random,
        steps=steps_in(trial.held),
        changed=len(programs_changed),
        schedules=sum(program.needs.held for program in programs_changed),
        undecided=sum(count.undecided for count in trial.held.values()),
        differences=sum(len(cause.differences) for cause in trial.causes),
        stale=stale,
    )


def keep(name: str, kernel: PatchedKernel) -> None:
    """Record what was compared on the kernel for the patch *name*; records are sorted by name."""
    kernels = {**read_patched(KEPT), name: kernel}
    text = msgspec.json.format(msgspec.json.encode(dict(sorted(kernels.items()))), indent=1)
    KEPT.write_bytes(text + b"\n")


def table_of(patches: Sequence[PatchFile], held: Mapping[str, PatchedKernel]) -> str:
    """Make a table with a row per patch; a dash means not measured."""
    rows = []
    for patch in patches:
        name, kept = patch.path.stem, held.get(patch.path.stem)
        cells = [
            f"[{name}]({patch.path.name})",
            f"`{patch.policy}`",
            f"{patch.base_series}, {patch.base_version}" + _configured(kept),
            f"+{patch.added} -{patch.removed}",
            f"{kept.build_seconds} s" if kept else "-",
            *(f"{getattr(kept, key):,}" if kept else "-" for key in _COUNTS),
            "{1} of {0}".format(*kept.stale) if kept and kept.stale else "-",
            _claims(patch),
        ]
        rows.append(cells)
    return table(_HEADINGS, rows)


def claims_about(patch: PatchFile) -> dict[str, list[ClaimQuestion]]:
    """The questions that claims ask of the model with the policy in *patch*, by the number of the claim."""
    asked = {
        one.number: [ask for ask in one.claim.asks if is_about(ask, patch.base_series, patch.policy)]
        for one in claims_of()
    }
    return {number: questions for number, questions in asked.items() if questions}


def _claims(patch: PatchFile) -> str:
    """Count the claims that ask the model, and say if the kernel has not run their programs."""
    asking = claims_about(patch)
    recorded = any(golden.patch == patch.path.stem for golden in patch_goldens())
    return f"{len(asking)}" + ("" if recorded else ", not recorded") if asking else "-"


def _configured(kernel: PatchedKernel | None) -> str:
    """Describe a kernel's configuration, unless it is the lab's."""
    return f" ({kernel.configuration})" if kernel and kernel.configuration != "lab" else ""


def write_tables(folder: Path) -> None:
    """Regenerate the tables in the pages."""
    patches = patches_in(folder)
    by_seam = {seam: [patch for patch in patches if re.match(rf"{seam}[.=]", patch.policy)] for seam in SEAMS}
    held = read_patched(KEPT)
    for page, section, those in (
        *((folder / PAGE, seam, by_seam[seam]) for seam in SEAMS),
        (folder / FIXES / PAGE, "fix", patches_in(folder / FIXES)),
    ):
        put(page, (BEGIN.format(section), END.format(section)), table_of(those, held))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
