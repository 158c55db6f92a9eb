"""How switches and policies are known: what is called measured is seen on kernels of the archive."""

from __future__ import annotations

from for_each import for_each
from litmus_files import LITMUS

from pfnlab.kernel.policies.switches import ERAS, SWITCHES, SwitchEvidence
from pfnlab.programs.lang.load import load_program
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences
from pfnlab.programs.runs.golden import golden_path, golden_run, newest_version, read_golden

#: Another policy for each that a release had.
OTHER = {
    "tracker=vm_pat": "tracker=track_ctx",
    "tracker=track_ctx": "tracker=vm_pat",
    "flush=end_vma": "flush=none",
    "flush=free_vmas": "flush=end_vma",
    "walker=page_test_skip": "walker=special_bits",
    "walker=special_bits": "walker=page_test_skip",
}


#: How each switch and each policy of a release is known, by its name.
SWITCHES_KNOWN = {switch.name: switch.known_by for switch in SWITCHES}
ERAS_KNOWN = {f"{era.seam}={era.name}": era.known_by for era in ERAS}


def measured(known: dict[str, tuple[SwitchEvidence, ...]]) -> list[tuple[str, SwitchEvidence]]:
    """Each that is called measured, with its programs."""
    return [(name, by) for name, several in known.items() for by in several if by.how == "measured"]


def seen(by: SwitchEvidence, series: str, other: str) -> bool:
    """True where the kernel of *series* differs from its model with the change *other*."""
    path = LITMUS / f"{by.program}.pfn"
    golden = read_golden(golden_path(path))
    assert golden is not None
    version = newest_version(golden, series)
    assert version is not None
    kernel = golden_run(golden, version)
    assert kernel is not None
    changed = ModelMachine(f"{version},{other}", golden.look).run_one(load_program(path))
    return bool(differences([kernel, changed]))


def test_of_every_switch_and_policy_it_is_said() -> None:
    """A row of either table that says nothing of it would stand there unproved."""
    assert all((*SWITCHES_KNOWN.values(), *ERAS_KNOWN.values()))


def test_of_every_switch_it_is_said_what_it_means() -> None:
    """In one sentence, which ends as one."""
    assert [] == [switch.name for switch in SWITCHES if not switch.says.endswith((".", ")."))]


@for_each(("name", "by"), measured(SWITCHES_KNOWN))
def test_a_switch_that_is_measured_is_seen_on_a_kernel(name: str, by: SwitchEvidence) -> None:
    """With the switch the other way, the model of that kernel is not that kernel."""
    switch = next(switch for switch in SWITCHES if switch.name == name)

    for series in by.on:
        golden = read_golden(golden_path(LITMUS / f"{by.program}.pfn"))
        assert golden is not None
        version = newest_version(golden, series)
        assert version is not None
        assert seen(by, series, f"{name}={'off' if switch.on(version) else 'on'}"), series


@for_each(("name", "by"), measured(ERAS_KNOWN))
def test_a_policy_that_is_measured_is_seen_on_a_kernel(name: str, by: SwitchEvidence) -> None:
    """With another policy the model of that kernel is not that kernel."""
    for series in by.on:
        assert seen(by, series, OTHER[name]), series


def test_no_text_says_it_instead() -> None:
    """How a behaviour is known is in one place."""
    assert [] == [source.source for source in (*SWITCHES, *ERAS) if "measured" in source.source]
