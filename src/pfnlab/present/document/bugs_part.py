"""Parts for ``bugs affects`` and ``bugs run``: the bugs in a kernel, and a bug that programs show."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from pfnlab.base.terminal_text import linkless
from pfnlab.base.units import number_of
from pfnlab.hunt.meeting.bug_run import BugRunResult, HeldMachine, ShownMachine, ShownProgram
from pfnlab.kernel.bugs.affected import AffectedBy, AffectsResult
from pfnlab.present.document.blocks import Block, Cell, Paragraph, Table, cell, cells
from pfnlab.present.document.part import Part, part_of_result, program_code, section


def affects_part(content: AffectsResult) -> Part:
    """Return the rows, most severe first, then repeated notes and how many rows were left out."""
    facts = (
        ("upstream", content.upstream if content.upstream != content.version else ""),
        ("architecture", content.arch),
        ("configuration", content.config),
        ("changelog", content.changelog),
    )
    says = _affected(content)
    shown = [(name, value) for name, value in facts if value]
    return part_of_result(
        content, f"Bugs of {content.version}", says, _affects_blocks(content), *shown, first=says
    )


def _affected(content: AffectsResult) -> str:
    counts = content.counts
    words = [number_of(counts.get("has", 0), "known bug")]
    others = (one for one in counts.items() if one[0] != "has")
    words += [f"{count} {_COUNTED.get(word, word)}" for word, count in others]
    return f"{content.version}: {', '.join(words)}."


#: The words for the number of bugs in a state, if they differ from the state.
_COUNTED = {"mended": "fixed according to its changelog", "not known": "possible"}
#: The states of rows that are decided by something other than a date.
_RULED_OUT = ("not with this configuration", "not on this architecture")
#: The groups of rows, each with a caption and a test for membership.
_GROUPS: tuple[tuple[str, Callable[[AffectedBy], bool]], ...] = (
    ("It has", lambda row: row.kind.is_fault and row.word == "has"),
    ("It may have", lambda row: row.kind.is_fault and row.word == "not known"),
    (
        "Fixed according to its changelog",
        lambda row: row.kind.is_fault and row.word == "mended" and bool(row.named),
    ),
    ("Ruled out", lambda row: row.kind.is_fault and row.word in _RULED_OUT),
    ("Changes, not bugs", lambda row: not row.kind.is_fault and row.word == "has"),
    ("Changes it may have", lambda row: not row.kind.is_fault and row.word == "not known"),
)


def _affects_blocks(content: AffectsResult) -> Iterator[Block]:
    yield from (Paragraph(text) for text in content.about)
    rows = content.rows
    notes = Counter(row.note for row in rows if row.note)
    marks = {note: f"[{at}]" for at, note in enumerate((note for note, n in notes.items() if n > 1), 1)}
    left = list(rows)
    for caption, belongs in _GROUPS:
        group = [row for row in left if belongs(row)]
        left = [row for row in left if row not in group]
        yield from _affects_table(caption, group, marks)
    yield from _affects_table("Others", left, marks)
    yield from (Paragraph(f"{mark} {note}") for note, mark in marks.items())
    if content.left_out:
        number = number_of(content.left_out, "entry", "entries")
        yield Paragraph(f"{number} not shown (fixed, introduced later, or rules): add --all.", "pale")


def _affects_table(caption: str, rows: list[AffectedBy], marks: Mapping[str, str]) -> Iterator[Block]:
    head = ("id", "severity", "what happens", "kind", "stands", "sentence", "sources")
    if rows:
        cells_of = tuple(_affected_row(row, marks) for row in rows)
        glance = (0, 1, 2) if any(row.kind.is_fault for row in rows) else (0, 2)
        yield Table(caption, head, cells_of, glance=glance, listed=True)


def _affected_row(row: AffectedBy, marks: Mapping[str, str]) -> tuple[Cell, ...]:
    word = cell(row.word, "bad" if row.word == "has" and row.kind.is_fault else "")
    what = linkless(row.what)
    what += f" {row.cve}." if row.cve and row.cve not in what else ""
    only = f"On {', '.join(row.architectures)} only." if _is_rare(row) else ""
    also = f"Measurements: {', '.join(row.also)}." if row.also else ""
    note = marks.get(row.note, row.note)
    ended = "" if row.word in _RULED_OUT else " ".join(filter(None, (row.fixed, note, only, also)))
    named = [f"Line {one.line:,} of the changelog: {one.text}" for one in row.named]
    says = row.sentence if row.word in _RULED_OUT or (row.named and row.word != "mended") else ""
    lines = tuple(filter(None, (what, says, ended, *named)))
    return (
        cell(row.id),
        cell(row.severity),
        Cell(lines),
        cell(row.kind),
        word,
        *cells(row.sentence, "; ".join(row.sources), code=False),
    )


def _is_rare(row: AffectedBy) -> bool:
    """Return True if it exists on only one architecture, which most readers do not have."""
    return len(row.architectures) == 1 and row.architectures[0] != "x86_64"


def part(content: BugRunResult) -> Part:
    """Return, for each program, the step that identifies the bug, with a row for each machine."""
    cve = f" ({content.cve})" if content.cve else ""
    says = f"{content.id}, {content.title}: {_shown(content)}"
    first = f"{content.id}  {content.title}{cve}: {content.what}"
    breaks = ", ".join(content.breaks)
    return part_of_result(
        content, f"Bug {content.id}", says, _run_blocks(content), ("violates", breaks), first=first
    )


def _shown(content: BugRunResult) -> str:
    machines = [machine for program in content.programs for machine in program.machines]
    wrong = sum(not machine.as_expected for machine in machines)
    names = {one.program for one in content.programs} | {one.program for one in content.held}
    programs = number_of(len(names), "program")
    same = sum(not program.sign for program in content.programs)
    words = [f"{programs}, {number_of(len(machines) + len(content.held), 'result')}"]
    broken = sum(one.answer != one.says for one in content.held)
    words += [f"{broken} contradicting the rule"] if broken else []
    words += [f"{wrong} contradicting its dates"] if wrong else []
    words += [f"{number_of(same, 'program')} without a difference"] if same else []
    return f"{', '.join(words)}."


def _run_blocks(content: BugRunResult) -> Iterator[Block]:
    for program in content.programs:
        yield Paragraph(_sign(program))
        yield Table(
            f"{program.program}",
            ("machine", "bug", "result", "violates"),
            tuple(_machine_row(program, machine) for machine in program.machines),
            glance=(0, 1, 2, 3),
        )
        yield from section(
            f"The program {program.program}", *program_code(program.text, glance=""), folded=True
        )
    if content.held:
        yield Table(
            "The rule holds",
            ("program", "machine", "step", "result"),
            tuple(map(_held_row, content.held)),
            glance=(0, 1, 2, 3),
        )
    yield Paragraph(_shown(content))


#: The words for what a machine shows of a bug, if they differ from the result's.
_SHOWN = {"broken": "has it", "mended": "fixed"}


def _sign(program: ShownProgram) -> str:
    if not program.sign or program.step is None:
        return f"{program.program}: {program.before} and {program.after} do not differ."
    broken = ""
    if program.violated:
        broken = f"; only {program.before} violates {', '.join(program.violated)}"
    fields = " and ".join(one.field for one in program.sign)
    differ = "differs" if len(program.sign) == 1 else "differ"
    return f"{program.program}, step {program.step + 1}, {program.op}: {fields} {differ}{broken}"


def _held_row(one: HeldMachine) -> tuple[Cell, ...]:
    kept = one.answer == one.says
    answer = f"{one.field} {one.answer}{'' if kept else f', expected {one.says}'}"
    return cells(one.program, one.machine, one.op, cell(answer, "" if kept else "bad"), code=False)


def _machine_row(program: ShownProgram, machine: ShownMachine) -> tuple[Cell, ...]:
    word = cell(_SHOWN.get(machine.word, machine.word))
    if not machine.as_expected:
        word = cell(f"{word.lines[0]}, expected {_SHOWN.get(machine.expected, machine.expected)}", "bad")
    answers = zip(program.sign, machine.answers, strict=False)
    shown = "; ".join(f"{one.field} {', '.join(lines) or '-'}" for one, lines in answers)
    return cells(machine.machine, word, shown, ", ".join(machine.violated), code=False)
