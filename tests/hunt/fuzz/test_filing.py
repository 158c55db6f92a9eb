"""Findings as folders: private, canonical, recognised by their signature."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import shell_words
from pfnlab.hunt.fuzz.filing import FiledData, Folder, FoundDifference, own_lines, read_data
from pfnlab.hunt.fuzz.signature import Signature, signature_of, signatures_of
from pfnlab.programs.lang.library_list import library_folder
from pfnlab.programs.lang.load import load_program, load_text
from pfnlab.programs.lang.problems import format_text
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.alarm import Alarm
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run

FINDINGS = Path(__file__).parents[3] / "evidence" / "findings"

PROGRAM = load_text("pfnlab program 1\ndevice bar: pci, 4 pages\n\na = mmap bar wc shared rw\nmunmap a[0]\n")


def found() -> FoundDifference:
    """What today's model and one of another series differ in."""
    runs = tuple(ModelMachine(spec).run([PROGRAM])[0] for spec in ("6.12", "7.2"))
    signature = signature_of(PROGRAM, runs)
    assert signature is not None
    return FoundDifference(signature, PROGRAM, runs, "random 1:2", 14, (4, 4))


def names(folder: Folder) -> dict[str, str]:
    """The name of each finding, by signature key."""
    return {key: one.name for key, one in folder.known().items()}


def test_a_finding_is_a_program_and_a_private_report(tmp_path: Path) -> None:
    """Both are there, the program in canonical layout, the state on the second line."""
    name = Folder(tmp_path).file(found())
    text = (tmp_path / name / "program.pfn").read_text()
    report = (tmp_path / name / "report.md").read_text()

    assert PROGRAM.ops == load_program(tmp_path / name / "program.pfn").ops
    assert text == format_text(text)
    assert "State: private" == report.splitlines()[1]
    for said in ("--on model:6.12 --on model:7.2", "random 1:2", "4 of 4 runs", "munmap a[0]", "profile 7.2"):
        assert said in report


@pytest.mark.parametrize(
    ("kind", "field", "title"),
    [
        ("alarm", "log", "alarm at munmap: log"),
        ("difference", "book", "difference at munmap: book"),
        ("violation", "", "violation at munmap: no_leak"),
        ("lost", "", "lost at munmap: no_leak"),
    ],
)
def test_a_title_has_the_kind_of_the_finding(tmp_path: Path, kind: str, field: str, title: str) -> None:
    """And its operation, and the field; or else what a kernel shows on its own."""
    signature = Signature(kind, field, "munmap", (("model:7.2",), ("qemu:7.2",)), "no_leak")
    name = Folder(tmp_path).file(msgspec.structs.replace(found(), signature=signature))

    assert f"# {title}" == (tmp_path / name / "report.md").read_text().splitlines()[0]
    assert title == load_program(tmp_path / name / "program.pfn").title


def test_a_report_says_in_which_operation_a_machine_was_lost(tmp_path: Path) -> None:
    """The first that it did not answer."""
    (run,) = ModelMachine("7.2").run([PROGRAM])
    lost = Run("qemu:7.2", "", steps=run.steps[:1], lost="the guest was lost: it hung")
    signature = signature_of(PROGRAM, [run, lost])
    assert signature is not None
    name = Folder(tmp_path).file(msgspec.structs.replace(found(), signature=signature, runs=(run, lost)))

    report = (tmp_path / name / "report.md").read_text()

    assert "- qemu:7.2 was lost at step 2 `munmap a[0]`: the guest was lost: it hung" in report


def test_a_vma_is_filed_in_one_line(tmp_path: Path) -> None:
    """Pages, and the rest as in a table of its steps."""
    (run,) = ModelMachine("7.2", LookLevel.MEMORY).run([PROGRAM])
    (vma,) = run.steps[0].vmas or ()
    step = msgspec.structs.replace(run.steps[0], vmas=(msgspec.structs.replace(vma, perms="r--s"),))
    other = msgspec.structs.replace(run, machine="qemu:7.2", steps=(step, *run.steps[1:]))
    (signature,) = signatures_of(PROGRAM, (run, other))

    name = Folder(tmp_path).file(FoundDifference(signature, PROGRAM, (run, other), "random 1:2", 14, (4, 4)))

    assert "- qemu:7.2: `a[0:4] r--s wc bar[0:4] (rd wr " in (tmp_path / name / "report.md").read_text()


def test_an_alarm_is_filed_with_its_log(tmp_path: Path) -> None:
    """The report says what happened, where, and shows the call trace."""
    (run,) = ModelMachine("7.2").run([PROGRAM])
    alarm = Alarm(
        "oops", "BUG: in zap", log=("BUG: at 0", "Call Trace:", " zap+0x1/0x2"), op="munmap a[0]", step=1
    )
    kernel = msgspec.structs.replace(
        run,
        machine="qemu:7.2",
        steps=run.steps[:1],
        lost="the guest was lost: BUG: in zap",
        alarm=alarm,
    )
    signature = signature_of(PROGRAM, [run, kernel])
    assert signature is not None
    finding = FoundDifference(signature, PROGRAM, (run, kernel), "random 1:2", 14, (4, 4))

    name = Folder(tmp_path).file(finding)

    report = (tmp_path / name / "report.md").read_text()
    assert name.startswith("munmap-alarm-")
    assert "# alarm at munmap: oops: BUG: in zap\n" in report
    assert "- qemu:7.2 raised an alarm: oops, in step 2, munmap a[0]: BUG: in zap\n" in report
    assert "was lost" not in report
    assert "```text\nBUG: at 0\nCall Trace:\n zap+0x1/0x2\n```" in report
    title = load_program(tmp_path / name / "program.pfn").title
    assert "alarm at munmap: oops: BUG: in zap" == title


def test_a_known_signature_is_recognised(tmp_path: Path) -> None:
    """A second one is not filed, whatever its folder is called by now, and its report is left alone."""
    folder = Folder(tmp_path)
    first = folder.file(found())
    (tmp_path / first).rename(tmp_path / "the-name-a-person-gave-it")
    report = tmp_path / "the-name-a-person-gave-it" / "report.md"
    report.write_text(report.read_text().replace("State: private", "State: reported"))

    again = folder.file(found())

    assert "the-name-a-person-gave-it" == again
    assert ["the-name-a-person-gave-it"] == [one.name for one in tmp_path.iterdir()]
    assert "State: reported" in report.read_text()
    assert {found().signature.key: again} == names(folder)


def test_what_is_filed_is_read_again(tmp_path: Path) -> None:
    """Its signature, the machines, how they were looked at, and what showed with it."""
    signature = found().signature
    other = msgspec.structs.replace(signature, field="log")
    finding = msgspec.structs.replace(found(), minimal=False, with_it=(other,))

    data = read_data(tmp_path / Folder(tmp_path).file(finding))

    assert data == FiledData(
        signatures=(signature,),
        machines=("model:6.12", "model:7.2"),
        looks=(LookLevel.PROC,),
        minimal=False,
        with_it=(other,),
    )


def test_a_report_is_for_people_alone(tmp_path: Path) -> None:
    """Whatever a person makes of it, the finding is known by its data."""
    folder = Folder(tmp_path)
    name = folder.file(msgspec.structs.replace(found(), minimal=False))
    (tmp_path / name / "report.md").write_text("# Told in other words\nState: reported\n")

    (known,) = folder.known().items()

    assert (found().signature.key, name, False) == (known[0], known[1].name, known[1].minimal)


def test_a_finding_of_an_earlier_version_is_not_forgotten(tmp_path: Path) -> None:
    """It has a signature in its report and no data: one line says what to do."""
    name = Folder(tmp_path).file(found())
    (tmp_path / name / "finding.json").unlink()

    with pytest.raises(
        Misuse, match=rf"^{tmp_path}/{name} was filed by an earlier version, without finding.json"
    ):
        Folder(tmp_path).known()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"format": "pfnlab-filed-finding/1"}',
        '{"format": "pfnlab-filed-finding/1", "signatures": [], "machines": ["a"], "looks": ["proc"]}',
        "\udcff",
        "[" * 9999,
    ],
)
def test_data_that_are_none_are_refused(tmp_path: Path, content: str) -> None:
    """In one line with the name of the file."""
    (tmp_path / "finding.json").write_bytes(content.encode("utf-8", "surrogateescape"))

    with pytest.raises(Misuse, match=rf"^{tmp_path}/finding.json\b[^\n]*$"):
        read_data(tmp_path)


@pytest.mark.parametrize("report", sorted(FINDINGS.glob("*/finding.json")), ids=lambda one: one.parent.name)
def test_a_finding_of_ours_has_the_signatures_of_its_report(report: Path) -> None:
    """People read the report, and tools the data."""
    said = [f"Signature: {one.key} {one}" for one in read_data(report.parent).signatures]

    assert said == [
        line
        for line in (report.parent / "report.md").read_text().splitlines()
        if line.startswith("Signature: ")
    ]


def test_findings_of_people_are_no_obstacle(tmp_path: Path) -> None:
    """A report without a signature is left alone."""
    (tmp_path / "by-hand").mkdir()
    (tmp_path / "by-hand" / "report.md").write_text("# Something\nState: private\n")

    assert {} == Folder(tmp_path).known()
    assert {} == Folder(tmp_path / "nowhere").known()


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """One line says what to do."""
    (tmp_path / "file").write_text("")

    with pytest.raises(Misuse, match="say --findings DIR"):
        Folder(tmp_path / "file").file(found())


def test_a_broken_property_is_filed_with_what_was_seen(tmp_path: Path) -> None:
    """Though model and kernel agree."""
    (run,) = ModelMachine("7.2").run([PROGRAM])
    broken = msgspec.structs.replace(run.steps[0], vmas=())
    model = msgspec.structs.replace(run, steps=(broken, *run.steps[1:]))
    kernel = msgspec.structs.replace(model, machine="qemu:7.2")
    signature = next(found for found in signatures_of(PROGRAM, [model, kernel]) if found.kind == "violation")
    finding = FoundDifference(signature, PROGRAM, (model, kernel), "random 1:2", 14, (4, 4))

    name = Folder(tmp_path).file(finding)

    report = (tmp_path / name / "report.md").read_text()
    assert f"# violation at mmap: {signature.shape}" == report.splitlines()[0]
    assert f"- qemu:7.2 breaks {signature.shape} in step 1, a = mmap" in report


def test_a_report_is_markdown_whatever_machines_say(tmp_path: Path) -> None:
    """Names, logs and alarms are text; a fence in a log ends no block; the command has each as a word."""
    said = "x`` <b>y</b> [a](b)\n# z"
    finding = found()
    alarm = Alarm("warning", said, log=("```", "<script>", said))
    runs = tuple(
        msgspec.structs.replace(run, machine=f"{run.machine} {said}", kernel=said, alarm=alarm)
        for run in finding.runs
    )
    finding = msgspec.structs.replace(finding, runs=runs, origin=said, verb=said)
    folder = tmp_path / "-a b"

    name = Folder(folder).file(finding)

    report = (folder / name / "report.md").read_text()
    found_there = {token.type for token in _tokens(report)}
    assert set() == found_there & {"html_inline", "html_block", "link_open", "heading"}
    assert 5 <= sum(token.type == "heading_open" for token in _tokens(report)) <= 7
    (command,) = re.findall(r"^    (pfnlab run .*)$", report, re.MULTILINE)
    words = [str(folder / name / "program.pfn"), *(word for run in runs for word in ("--on", run.machine))]
    assert ["pfnlab", "run", *words, *["--look", "proc", "--steps", "--trace"]] == shell_words(command)


def _tokens(report: str) -> list[Token]:
    tokens = MarkdownIt("commonmark", {"html": True}).parse(report)
    return [inner for token in tokens for inner in (token, *(token.children or ()))]


def test_a_harmless_report_has_no_escape(tmp_path: Path) -> None:
    """It is read as text too."""
    name = Folder(tmp_path).file(found())

    assert "\\" not in (tmp_path / name / "report.md").read_text()


def test_what_a_driver_reserved_itself_is_not_leaked_in_a_report(tmp_path: Path) -> None:
    """As in the table of the runs, where it has an owner."""
    program = load_program(library_folder() / "driver" / "driver-aperture-part.pfn")
    runs = tuple(ModelMachine(spec).run_one(program) for spec in ("6.12", "7.2"))

    name = Folder(tmp_path).file(msgspec.structs.replace(found(), program=program, runs=runs))

    report = (tmp_path / name / "report.md").read_text()
    assert "book:\n  - model:6.12: `bar[0:8] wc`\n  - model:7.2: `bar[0:16] wc`\n" in report


def test_events_that_one_machine_cannot_observe_are_not_listed() -> None:
    """They are not compared either."""
    (run,) = ModelMachine("7.2").run([PROGRAM])
    seeing = msgspec.structs.replace(run.steps[0], events=("change_prot a[0]", "clear a[0]"))
    blind = msgspec.structs.replace(run.steps[0], events=("flush a[0:1]",))
    runs = [
        msgspec.structs.replace(run, machine="seeing", steps=(seeing,)),
        msgspec.structs.replace(run, machine="blind", steps=(blind,), unobserved=frozenset({"change_prot"})),
    ]

    assert {"seeing": "clear a[0]", "blind": "flush a[0:1]"} == own_lines(PROGRAM, runs, 0, "events")


def test_a_finding_is_known_by_its_data_alone(tmp_path: Path) -> None:
    """The report is for people."""
    name = Folder(tmp_path).file(found())
    (tmp_path / name / "report.md").unlink()

    assert {found().signature.key: name} == names(Folder(tmp_path))
