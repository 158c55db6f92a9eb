"""``pfnlab replay``: what check prints and stores, and findings, once more; what was changed is noticed."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from asking import Ask
from hostile_results import VALUES, places, spoiled
from hypothesis import given, settings
from hypothesis import strategies as st
from middle_runs import PROGRAM, careful, cut, forgetful
from sample_reports import sample_contents

from pfnlab.base.result import Outcome
from pfnlab.hunt.fuzz import replaying
from pfnlab.hunt.fuzz.filing import Folder, FoundDifference
from pfnlab.hunt.fuzz.signature import signature_of
from pfnlab.kernel.policies import own
from pfnlab.lab.running.confirm import comparison
from pfnlab.present.document.part import part_of
from pfnlab.present.document.read import result_of
from pfnlab.programs.lang.load import load_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.observation import Run

LEAK = "pfnlab path 1: model:6.1 small no_leak 0/0rne/1dzm/0alu"
RACE = ("--on", "model:7.2,flush=none", "--scope", "race", "--property", "told_free")


def printed(out: str) -> list[str]:
    """The words behind ``pfnlab replay``, of each counterexample."""
    return [line.partition("pfnlab replay ")[2] for line in out.splitlines() if "pfnlab replay " in line]


def test_what_check_prints_can_be_typed(ask: Ask) -> None:
    """The words of a path are arguments as they stand, quoted or not: 0."""
    (words,) = printed(ask("check", "--on", "model:6.1", "--scope", "small", "--property", "no_leak").out)

    assert LEAK == words
    for answer in (ask("replay", *words.split()), ask("replay", words)):
        assert 0 == answer.code
        assert ["holds", "holds", "VIOLATED"] == [line.split()[-1] for line in answer.out.splitlines()[2:5]]
        assert "model:6.1 violates no_leak in step 3, as recorded" == answer.out.splitlines()[-1]


def test_a_race_is_gone_through_turn_by_turn(ask: Ask) -> None:
    """The schedule of a race, and what the property says of each turn."""
    (words,) = printed(ask("check", *RACE).out)

    answer = ask("replay", words)

    assert 0 == answer.code
    assert "  5  main goes on in unlink           -" in answer.out
    assert "  7  t: unmap_mapping_range bar[0:2]  VIOLATED" in answer.out


@pytest.mark.parametrize(
    ("path", "step", "said"),
    [
        (LEAK.replace("/1dzm", "/2dzm"), 2, "is another step than the one recorded"),
        (LEAK.replace("/1dzm", "/1dzn"), 2, "is another step than the one recorded"),
        (LEAK.replace("/0alu", "/99alu"), 3, "and 99 was recorded"),
        (LEAK.replace("/0alu", ""), 2, "was VIOLATED, and now is holds"),
        (LEAK.replace("no_leak", "freed_once"), 2, "was undecided, and now is VIOLATED"),
        (LEAK.replace("model:6.1", "model:7.2"), 3, "now does not apply"),
        (LEAK.replace(" 0/", " 5/"), 1, "there is no beginning 5"),
    ],
)
def test_a_path_that_was_changed_is_noticed(ask: Ask, path: str, step: int, said: str) -> None:
    """The step that is another one is named: 1."""
    answer = ask("replay", path)

    assert 1 == answer.code
    assert f"step {step}: " in answer.out + answer.err
    assert said in answer.out + answer.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (LEAK.replace("path 1", "path 2"), "is of version 2"),
        (LEAK.replace("/1dzm", "/1"), "is not a way"),
        (LEAK.replace("no_leak ", ""), "is not a path"),
        (LEAK.replace("no_leak", "no_leek"), "did you mean `no_leak`"),
        (LEAK.replace("small", "smal"), "did you mean `small`"),
        (LEAK.replace("model:6.1", "qemu:6.1"), "is not a model"),
        ("nowhere.pfn", "there is no file"),
    ],
)
def test_what_is_no_recording_is_refused(ask: Ask, words: str, said: str) -> None:
    """With what to write instead: 2."""
    answer = ask("replay", words)

    assert 2 == answer.code
    assert said in answer.err


def test_another_model_does_otherwise(ask: Ask) -> None:
    """--on goes through the same steps elsewhere, by name, and says where it is otherwise: 1."""
    leak = ask("replay", LEAK, "--on", "model:6.1", "--on", "model:7.2")
    race = ask("replay", printed(ask("check", *RACE).out)[0], "--on", "model:7.2")

    assert (1, 1) == (leak.code, race.code)
    assert "model:7.2, scope small" in leak.out
    assert "step 5: `main goes on in unlink` was recorded, but here it is" in race.out


@pytest.mark.parametrize(
    ("machine", "says"),
    [
        ("model:6.12", "violates no_leak in step 3, as recorded"),
        ("model:7.3", "keeps no_leak, unlike the recording: step 3: after `munmap a[1:4]` it was VIOLATED"),
    ],
)
def test_a_replay_ends_with_a_verdict(ask: Ask, machine: str, says: str) -> None:
    """The last line says whether that machine keeps the property."""
    last = ask("replay", LEAK, "--on", machine).out.splitlines()[-1]

    assert last.startswith(f"{machine} {says}")


def test_a_schedule_that_cannot_be_followed_is_no_verdict(ask: Ask) -> None:
    """The last line gives the reason."""
    last = ask("replay", printed(ask("check", *RACE).out)[0], "--on", "model:7.2").out.splitlines()[-1]

    assert last.startswith("model:7.2 cannot be judged by told_free: step 5: ")


def test_saved_programs_are_replayed(ask: Ask, tmp_path: Path) -> None:
    """Of sequences and of races; on a model that is right, something else is shown."""
    ask("check", "--on", "model:6.1", "--scope", "small", "--property", "no_leak", "--save", tmp_path)
    ask("check", *RACE, "--save", tmp_path)

    for name in ("no_leak.pfn", "told_free.pfn"):
        assert 0 == ask("replay", tmp_path / name).code
        assert 1 == ask("replay", tmp_path / name, "--on", "model:7.2").code


def test_a_saved_program_that_was_changed_is_noticed(ask: Ask, tmp_path: Path) -> None:
    """Without its last operation it breaks nothing."""
    ask("check", "--on", "model:6.1", "--scope", "small", "--property", "no_leak", "--save", tmp_path)
    file = tmp_path / "no_leak.pfn"
    file.write_text(file.read_text().replace("munmap a[1:4]", "munmap a[1:3]"))

    answer = ask("replay", file)

    assert 1 == answer.code
    assert "step 3: after `munmap a[1:3]` it was VIOLATED" in answer.out


def test_a_program_of_nothing_is_refused(ask: Ask, program: Path) -> None:
    """A program whose title names no property is for run."""
    answer = ask("replay", program)

    assert 2 == answer.code
    assert answer.err.startswith(f"pfnlab: {program}: ") and "`pfnlab run`" in answer.err


def test_what_check_prints_as_json(ask: Ask, tmp_path: Path) -> None:
    """Every counterexample in it; one whose schedule was changed is noticed."""
    kept = tmp_path / "kept.json"
    kept.write_text(ask("check", *RACE, "--json").out)
    same = ask("replay", kept, "--json")
    kept.write_text(kept.read_text().replace("main goes on in rmap_del", "main goes on in vm_area_free"))
    other = ask("replay", kept)

    assert (0, 1) == (same.code, other.code)
    found = json.loads(same.out)
    assert ("pfnlab-replay/1", True, 7) == (found["format"], found["same"], len(found["steps"]))
    assert "step 6: `main goes on in vm_area_free` was recorded" in other.out


def test_json_without_a_counterexample_is_refused(ask: Ask, tmp_path: Path) -> None:
    """Where everything holds there is nothing to replay."""
    kept = tmp_path / "kept.json"
    asked = "check", "--on", "model:7.2", "--scope", "small", "--property", "no_leak", "--json"
    kept.write_text(ask(*asked).out)

    answer = ask("replay", kept)

    assert 2 == answer.code
    assert "records no counterexample" in answer.err


def test_a_finding_is_replayed(ask: Ask, tmp_path: Path) -> None:
    """By its folder or its program; machines that do the same, or differ otherwise, are something else."""
    program = load_text(
        "pfnlab program 1\ndevice bar: pci, 4 pages\n\na = mmap bar wc shared rw\nmunmap a[0]\n"
    )
    runs = [ModelMachine(spec).run([program])[0] for spec in ("6.12", "7.2")]
    signature = signature_of(program, runs)
    assert signature is not None
    found = FoundDifference(signature, program, tuple(runs), "random 1:2", 2, (1, 1))
    folder = tmp_path / Folder(tmp_path).file(found)

    assert 0 == ask("replay", folder).code
    assert 0 == ask("replay", folder / "program.pfn").code
    other = ask("replay", folder, "--on", "model:7.2", "--on", "model:7.3")
    assert 1 == other.code
    assert "the machines no longer differ" in other.out

    data = folder / "finding.json"
    data.write_text(data.read_text().replace('  "proc"\n', '  "proc",\n  "memory"\n'))
    older = ask("replay", folder)
    assert (2, True) == (older.code, "is no longer a finding: run its program.pfn" in older.err)


POLICY = Path(__file__).parent.parent.parent / "docs" / "own-policy" / "per_vma.py"


@pytest.fixture
def noting(tmp_path: Path) -> tuple[str, Path]:
    """A machine with a policy that leaves a file behind when it is run, and that file."""
    ran = tmp_path / "ran"
    policy = tmp_path / "policy.py"
    policy.write_text(f"{POLICY.read_text()}\nopen({str(ran)!r}, 'w').close()\n")
    return f"model:7.2,tracker={policy}", ran


def kept_of(ask: Ask, machine: str, folder: Path) -> list[Path]:
    """What is kept of a counterexample on *machine* and of a finding, which anybody could have written."""
    asked = "check", "--on", "model:6.1", "--scope", "small", "--property", "no_leak"
    kept = folder / "kept.json"
    kept.write_text(ask(*asked, "--json", "--save", folder).out.replace("model:6.1", machine))
    saved = folder / "no_leak.pfn"
    saved.write_text(saved.read_text().replace("model:6.1", machine))
    program = load_text(
        "pfnlab program 1\ndevice bar: pci, 4 pages\n\na = mmap bar wc shared rw\nmunmap a[0]\n"
    )
    runs = tuple(ModelMachine(spec).run([program])[0] for spec in ("6.12", "7.2"))
    signature = signature_of(program, runs)
    assert signature is not None
    finding = folder / Folder(folder).file(FoundDifference(signature, program, runs, "random 1:2", 2, (1, 1)))
    data = finding / "finding.json"
    data.write_text(data.read_text().replace('  "model:7.2"\n', f'  "{machine}"\n'))
    assert machine in data.read_text()
    return [kept, saved, finding, finding / "program.pfn"]


def test_a_policy_that_only_a_file_names_is_not_run(
    ask: Ask, tmp_path: Path, noting: tuple[str, Path]
) -> None:
    """Whatever kind of file: 2, and a line that says to read the policy first."""
    machine, ran = noting

    answers = [ask("replay", file) for file in kept_of(ask, machine, tmp_path)]

    policy = machine.partition("=")[2]
    assert [2] * 4 == [answer.code for answer in answers]
    assert all(
        answer.err.endswith(f" names {policy}, which would be run: read that policy, then say --trust\n")
        for answer in answers
    )
    assert not ran.exists()


def test_a_policy_that_is_trusted_is_run(ask: Ask, tmp_path: Path, noting: tuple[str, Path]) -> None:
    """By --trust, or as part of a machine on the command line."""
    machine, ran = noting
    for file in kept_of(ask, machine, tmp_path):
        for asked in (["--trust"], ["--on", machine, "--on", "model:6.12"]):
            ran.unlink(missing_ok=True)
            own._load.cache_clear()

            answer = ask("replay", file, *asked)

            assert (True, True) == (answer.code in (0, 1), ran.exists())


def test_words_on_the_command_line_are_asked_for(ask: Ask, noting: tuple[str, Path]) -> None:
    """A path that was typed names its machine itself."""
    machine, ran = noting

    ask("replay", LEAK.replace("model:6.1", machine))

    assert ran.exists()


def test_another_machine_needs_no_trust(ask: Ask, tmp_path: Path, noting: tuple[str, Path]) -> None:
    """A saved program and a finding are run there, and their own machine is not."""
    machine, ran = noting
    _, *others = kept_of(ask, machine, tmp_path)

    codes = [ask("replay", file, "--on", "model:6.1", "--on", "model:7.2").code for file in others]

    assert ([1, 1, 1], False) == (codes, ran.exists())


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("[" * 100_000, "values nested deeper than the 100"),
        (
            '{"properties": [{"kind": "always", "verdict": "violated", "replay": 5}]}',
            "is not what `check --json` prints: Expected `str | null`, got `int`",
        ),
        ("{\xff", "this is not UTF-8"),
        ("1" * 401, "no result has a number of 401 digits"),
    ],
)
def test_what_check_never_printed_is_refused(ask: Ask, tmp_path: Path, content: str, says: str) -> None:
    """However odd it is: 2."""
    kept = tmp_path / "kept.json"
    kept.write_bytes(json.dumps(sample_contents()["check"]).encode() + b"\n" + content.encode("latin-1"))

    answer = ask("replay", kept)

    assert (2, True, 1) == (answer.code, says in answer.err, answer.err.count("\n"))


@settings(max_examples=60)
@given(data=st.data())
def test_whatever_stands_in_what_check_prints_is_replayed_or_refused(
    ask: Ask, tmp_path: Path, data: st.DataObject
) -> None:
    """Some of its places hold something else; a way has other steps."""
    content = sample_contents()["check"]
    replays = [place for place in places(content) if place[-1] == "replay"]
    starts, step = ["0", "²", "9" * 5000, ""], st.sampled_from(["1abc", "٣xyz", "9" * 5000 + "abc", "", "/"])
    ways = st.tuples(st.sampled_from(starts), step, step)
    other = st.dictionaries(st.sampled_from(list(places(content))), st.sampled_from(sorted(VALUES.values())))
    way = ways.map(lambda words: json.dumps(f"pfnlab path 1: model:6.1 small no_leak {'/'.join(words)}"))
    changed = data.draw(st.dictionaries(st.sampled_from(replays), way, max_size=1)) | data.draw(other)
    kept = tmp_path / "kept.json"
    kept.write_text(spoiled(content, changed))

    answer = ask("replay", kept)

    assert answer.code in (0, 1, 2) and answer.err.count("\n") <= 1


@pytest.mark.parametrize("path", ["", "x", LEAK.replace("6.1", "9.9"), LEAK.replace("small", "\x1b[2J")])
def test_a_path_in_a_file_that_is_none_is_said_of_the_file(ask: Ask, tmp_path: Path, path: str) -> None:
    """Nobody typed it."""
    content = json.loads(
        ask("check", "--on", "model:6.1", "--scope", "small", "--property", "no_leak", "--json").out
    )
    content["properties"][0]["replay"] = path
    kept = tmp_path / "kept.json"
    kept.write_text(json.dumps(content))

    answer = ask("replay", kept)

    assert (2, 1) == (answer.code, answer.err.count("\n"))
    assert answer.err.startswith(f"pfnlab: {kept}: ")


def test_a_long_path_with_a_mistake_is_misuse(ask: Ask) -> None:
    """It is too long for the name of a file."""
    answer = ask("replay", f"pfnlab pth 1: model:6.1 small no_leak {'0' * 300}")

    assert (2, 1) == (answer.code, answer.err.count("\n"))


@pytest.mark.parametrize(
    ("run", "outcome"),
    [
        (careful(), Outcome.AS_EXPECTED),
        (msgspec.structs.replace(cut(careful(), 2), machine="lost: a"), Outcome.UNDECIDED),
        (forgetful(), Outcome.DISCOVERY),
    ],
    ids=["same", "lost", "other"],
)
def test_a_kernel_is_compared_with_the_model(run: Run, outcome: Outcome) -> None:
    """The exit code is the outcome's, whatever the words are."""
    assert outcome is comparison(PROGRAM, careful(), run).outcome


@pytest.mark.parametrize(("alarmed", "code"), [(False, 3), (True, 1)])
def test_a_lost_guest_is_undecided(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alarmed: bool, code: int
) -> None:
    """In the exit code, in JSON, and in a report of it; what it printed before is not."""
    ask("check", "--on", "model:6.1", "--scope", "small", "--property", "no_leak", "--save", tmp_path)
    alarm = Alarm("oops", "BUG: unable to handle page fault") if alarmed else None
    guest = msgspec.structs.replace(cut(careful(), 2), alarm=alarm)
    monkeypatch.setattr(replaying.named_machines, "side_by_side", lambda *_: [(careful(), guest)])

    answer = ask("replay", tmp_path / "no_leak.pfn", "--on", "qemu:6.1", "--json")

    said = json.loads(answer.out)
    assert (code, alarmed, False) == (answer.code, said["decided"], said["same"])
    assert code == part_of(result_of(said)).outcome.value
