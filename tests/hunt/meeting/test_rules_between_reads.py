"""The rules that a run reads; rules that it does not read change nothing."""

from __future__ import annotations

from for_each import for_each
from hypothesis import given
from hypothesis import strategies as st
from litmus_files import FILES, program_of

from pfnlab.hunt.meeting.rules_between import RecordingProfile, run_with_rules
from pfnlab.kernel.policies.changes import field_of, single_changes
from pfnlab.kernel.policies.profiles import exact
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.compare import differences

PLAIN = sorted(name for name, path in FILES.items() if not program_of(path).needs.held)


def test_it_notes_the_fields_that_are_read() -> None:
    """And has the rules of the profile."""
    profile = ModelMachine("6.1").profile
    recording = RecordingProfile.of(profile)

    assert (recording.mseal, recording.tracker) == (profile.mseal, profile.tracker)
    assert recording.fields_read == {"mseal", "tracker"}


@for_each("version", ["6.1", "7.3"])
def test_the_run_is_that_of_the_model(version: str) -> None:
    """Recording changes nothing."""
    program, machine = program_of(FILES["munmap-middle"]), ModelMachine(version)
    run, fields_read = run_with_rules(machine, program)

    assert run == machine.run_one(program)
    assert "tracker" in fields_read and "mseal" not in fields_read


@given(st.sampled_from(PLAIN), st.sampled_from(sorted(single_changes("6.12"))))
def test_a_rule_that_is_not_read_changes_nothing(name: str, change: str) -> None:
    """Whatever the program: a run that does not read a rule is the same with the other one."""
    program, version = program_of(FILES[name]), exact("6.12")
    run, fields_read = run_with_rules(ModelMachine(version), program)
    (changed,) = ModelMachine(f"{version},{change}").run([program])

    assert field_of(change) in fields_read or not differences((run, changed))
