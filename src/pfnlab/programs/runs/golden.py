"""Goldens: a program's runs on real kernels, stored next to it as ``NAME.expected.json``.

One file holds the observations for every version on which it was promoted; identical ones are stored once. A
run can be compared with it only if it was observed in the same way as the golden (S10.3.7). Each step is one
line, so if a kernel changes, the diff shows which lines.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from pfnlab.base.errors import Discovery, LostGuest, Misuse, Undecided
from pfnlab.base.files import MOST_RECORDED, Missing, read_bytes, write_whole
from pfnlab.base.inert import json_line, one_line, shell_path, shell_word
from pfnlab.kernel.policies.releases import series_of, version_key
from pfnlab.programs.lang.library import library_paths
from pfnlab.programs.lang.load import load_program, program_hash
from pfnlab.programs.runs.compare import Difference, differences
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run, Step

#: The golden's name in a difference.
GOLDEN = "golden"

#: The message if goldens are requested but not installed.
NO_GOLDENS = "Recorded kernel results come with pfnlab's repository: run this in a clone."

#: Parts of a step that were added later, so older goldens lack them.
_LATER = ("tracked", "prots", "direct_map", "levels")


_Version = Annotated[str, Meta(pattern=r"^[0-9]{1,9}\.[0-9]{1,9}(?:\.[0-9]{1,9}|-rc[0-9]{1,9})?\Z")]


class Observation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """An observation that several versions share.

    :param once: once-per-boot messages that those kernels had printed before
    """

    versions: tuple[_Version, ...]
    steps: tuple[Step, ...]
    once: tuple[str, ...] = ()


class Golden(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A golden file.

    :param program: the program's hash
    :param made_by: the command that last promoted it
    :param kernels: the package and package version of each kernel, by exact kernel version
    :param look: how all of these kernels were observed; if a file lacks it, through /proc
    """

    program: str
    made_by: str
    kernels: dict[_Version, str]
    observations: tuple[Observation, ...]
    look: LookLevel = LookLevel.PROC

    def __post_init__(self) -> None:
        """Refuse an observation without kernels, or a kernel without an observation (ValueError)."""
        seen = {version for one in self.observations for version in one.versions}
        if other := sorted(seen ^ self.kernels.keys()):
            raise ValueError(f"{other[0]} is not both among the kernels and in an observation")


def golden_path(program: Path) -> Path:
    """The path of a program file's golden: ``NAME.expected.json`` next to ``NAME.pfn``."""
    return program.with_name(f"{program.stem}.expected.json")


def read_golden(path: Path) -> Golden | None:
    """Read the golden at *path*; None if the file does not exist.

    :raises Misuse: if the file cannot be read, or is not a golden
    """
    try:
        return msgspec.json.decode(read_bytes(path, "golden", MOST_RECORDED), type=Golden)
    except Missing:
        return None
    except (ValueError, RecursionError) as trouble:
        said = one_line(str(trouble))
        raise Misuse(f"{path} is not a golden: {said}; remove it and promote again") from trouble


def golden_look(program: Path) -> LookLevel | None:
    """The way in which kernels were observed for the golden next to *program*; None if there is no golden.

    :raises Misuse: if the golden cannot be read
    """
    golden = read_golden(golden_path(program))
    return golden.look if golden is not None else None


def has_goldens() -> bool:
    """Return False if pfnlab is installed from its wheel, which has the programs without their goldens."""
    return any(golden_path(path).is_file() for path in library_paths())


def write_golden(path: Path, golden: Golden) -> None:
    """Write *golden*, with one step per line."""
    write_whole(path, golden_text(golden))


def golden_text(golden: Golden) -> str:
    """The file's content."""
    observations = ",\n".join(
        observation_text({"versions": list(one.versions)}, one.once, one.steps) for one in golden.observations
    )
    kernels = ",\n".join(f"  {json_line(name)}: {json_line(text)}" for name, text in golden.kernels.items())
    look = "" if golden.look is LookLevel.PROC else f' "look": {json_line(golden.look)},\n'
    return (
        f'{{\n "program": {json_line(golden.program)},\n "made_by": {json_line(golden.made_by)},\n{look}'
        f' "kernels": {{\n{kernels}\n }},\n "observations": [\n{observations}\n ]\n}}\n'
    )


def promoted(old: Golden | None, hash_now: str, made_by: str, runs: Mapping[str, Run]) -> Golden:
    """*old* with the runs of some versions replaced.

    Versions that did not run keep their entries as long as the program and the way of observing stay the
    same. Entries for a different program (the hash changed), or that were observed in a different way,
    are dropped. A version replaces an older one in its series if the observations are the same, as far
    as the older one has them.

    :param hash_now: the hash of the program as it is now
    :param runs: runs on real kernels by exact version, all observed in the same way
    :raises LostGuest: if a guest was lost
    :raises Undecided: if a machine could not answer
    :raises Discovery: if a kernel raised an alarm, which must not end up in a golden
    """
    for version, run in runs.items():
        check_whole(run, f"{version} is not promoted")
    (look,) = {run.look for run in runs.values()}
    previous = old if old is not None and (old.program, old.look) == (hash_now, look) else None
    observations = previous.observations if previous else ()
    by_version = {
        version: (observation.steps, observation.once)
        for observation in observations
        for version in observation.versions
    }
    kernels = dict(previous.kernels) if previous else {}
    for version, run in runs.items():
        steps, once = run.steps, run.once
        key, series = version_key(version), series_of(version)
        older_versions = [
            known for known in by_version if series_of(known) == series and version_key(known) < key
        ]
        for older in older_versions:
            if by_version[older][0] == _as_looked(steps, by_version[older][0]):
                # If the steps are equal, no message is missing, whatever the guest had printed before.
                _, once = by_version.pop(older)
                del kernels[older]
        by_version[version] = steps, once
        kernels[version] = run.kernel
    groups: dict[Any, list[str]] = {}
    for version in sorted(by_version, key=version_key):
        groups.setdefault(by_version[version], []).append(version)
    return Golden(
        program=hash_now,
        made_by=made_by,
        kernels={version: kernels[version] for version in sorted(kernels, key=version_key)},
        observations=tuple(Observation(tuple(names), steps, once) for (steps, once), names in groups.items()),
        look=look,
    )


def _as_looked(steps: tuple[Step, ...], before: tuple[Step, ...]) -> tuple[Step, ...]:
    """*steps* without the parts that the steps *before* lack: earlier versions of pfnlab observed less."""
    if len(steps) != len(before):
        return steps
    return tuple(
        msgspec.structs.replace(step, **{name: None for name in _LATER if getattr(old, name) is None})
        for step, old in zip(steps, before, strict=True)
    )


def check_whole(run: Run, therefore: str) -> None:
    """Refuse *run* for a golden if it raised an alarm or did not reach its end.

    :param therefore: the consequence, e.g. ``7.2.13 is not promoted``
    :raises LostGuest: if a guest was lost
    :raises Undecided: if the machine could not answer
    :raises Discovery: if the kernel raised an alarm
    """
    if run.alarm is not None:
        raise Discovery(f"{run.machine} raised an alarm and {therefore}: {run.alarm.title}")
    if run.lost is not None:
        raise LostGuest(f"{run.machine} was lost and {therefore}: {run.lost}")
    if run.undecided is not None:
        raise Undecided(f"{run.machine} is undecided and {therefore}: {run.undecided}", run.why)


def newest_version(golden: Golden, series: str) -> str | None:
    """The newest kernel in a series that the golden has; None if there is none."""
    versions = [version for version in golden.kernels if series_of(version) == series]
    return max(versions, key=version_key, default=None)


def golden_run(golden: Golden, version: str) -> Run | None:
    """The run of a version that the golden has; None if there is none."""
    for observation in golden.observations:
        if version in observation.versions:
            kernel = golden.kernels.get(version, "")
            return Run(GOLDEN, kernel, steps=observation.steps, once=observation.once, look=golden.look)
    return None


def golden_differences(program: Path, run: Run, version: str) -> list[Difference]:
    """The differences between *run* and the golden next to *program*.

    :param run: a run observed in the same way as the golden (:func:`golden_look`)
    :raises Misuse: if there is no golden, if it belongs to another program or was observed in another way,
        or if it lacks the version
    """
    path = golden_path(program)
    golden = read_golden(path)
    again = f"run `pfnlab run {shell_path(program)} --on {shell_word(f'qemu:{version}')} --promote`"
    if golden is None:
        raise Misuse(f"{path} is missing: {again}")
    if golden.program != program_hash(load_program(program)):
        raise Misuse(f"{path} is of another version of the program: {again}")
    expected = golden_run(golden, version)
    if expected is None:
        raise Misuse(f"{path} says nothing about {version}: {again}")
    if expected.look is not run.look:
        raise Misuse(f"{path} was made with --look {expected.look}, and {run.machine} was not: look that way")
    return differences([expected, run])


def observation_text(head: Mapping[str, Any], once: Sequence[str], steps: Sequence[Step]) -> str:
    """An observation as a golden file has it, one step per line.

    :param head: the keys at the start, e.g. the versions that share it
    :param once: once-per-boot messages that had been printed before
    """
    keys = [f"   {json_line(key)}: {json_line(value)},\n" for key, value in head.items()]
    if once:
        keys.append(f'   "once": {json_line(list(once))},\n')
    printed = ",\n".join(f"    {json_line(_written(step))}" for step in steps)
    return f'  {{\n{"".join(keys)}   "steps": [\n{printed}\n   ]\n  }}'


def _written(step: Step) -> dict[str, Any]:
    """*step* without unobserved parts that a file may leave out."""
    fields: dict[str, Any] = msgspec.to_builtins(step)
    return {name: value for name, value in fields.items() if value is not None or name not in _LATER}
