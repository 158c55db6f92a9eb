"""Part for ``fuzz --json``, i.e. programs or cells on several machines, and for folders of findings."""

from collections.abc import Iterator, Mapping

from pfnlab.base.units import number_of
from pfnlab.hunt.fuzz.causes import FindingCause
from pfnlab.hunt.fuzz.coverage import Reached, ReachedCoverage
from pfnlab.hunt.fuzz.filing import FindingFolder
from pfnlab.hunt.fuzz.hunt_state import FuzzResult, KnownRow
from pfnlab.hunt.fuzz.letters import KNOWN, KNOWN_ROW, NEW, QUIET, CellTable, PrintedCells
from pfnlab.present.document.blocks import (
    Block,
    Bullets,
    Cell,
    Chapter,
    Code,
    Table,
    Tone,
    cell,
    cells,
    headed,
)
from pfnlab.present.document.part import (
    Part,
    drawn_program,
    operations_of,
    part_of_result,
    program_code,
    short,
)

#: The maximum number of reasons, files and kinds listed on a line.
_NAMED = 6


def part(content: FuzzResult) -> Part:
    """Return a hunt's findings by cause, and its coverage or the results of its cells."""
    amount = f"{number_of(content.compared, content.noun)} compared on {', '.join(content.machines)}"
    title = f"Random programs, seed {content.seed}"
    if content.cells is not None:
        title = f"Sweep of {content.cells.scope}"
    if content.findings:
        more = f" of {number_of(len(content.causes), 'cause')}" if content.causes else ""
        if content.cells is not None:
            more = f", {sum(not finding.known for finding in content.findings.values())} of them new,"
        says = f"{number_of(len(content.findings), 'finding')}{more} in {amount}."
    elif content.unstable:
        says = f"{number_of(len(content.unstable), 'difference')} did not recur in {amount}."
    else:
        says = f"No difference in {amount}."
    return part_of_result(content, title, says, _blocks(content), first=content.headline)


def finding_part(content: FindingFolder) -> Part:
    """Return the part for a filed finding: its report, as text, and its program."""
    title = next((line[2:] for line in content.report.splitlines() if line.startswith("# ")), content.name)
    return Part(
        title=title,
        says=f"{content.name}: {title}.",
        outcome=content.outcome,
        blocks=(
            *program_code(content.program),
            Code("The report that was filed", content.report.strip("\n")),
        ),
        facts=(("finding", (content.name,)),),
    )


def _blocks(content: FuzzResult) -> Iterator[Block]:
    if content.cells is not None:
        yield Bullets((*_letters(content, content.cells), *_unstable(content)))
    causes = content.causes or [FindingCause(key, (key,)) for key in content.findings]
    shown = [cause for cause in causes if cause.finding in content.findings]
    if shown:
        findings = number_of(len(content.findings), "finding")
        by_cause = f"{number_of(len(shown), 'cause')} of {findings}, the shortest program first"
        yield Table(
            by_cause if content.cells is None else "Findings",
            ("finding", "difference", f"{content.noun}s", "first", "shown by"),
            tuple(_row(content, cause.finding) for cause in shown),
            glance=(0, 1, 2, 4),
            below=tuple(_chapter(number, content, cause) for number, cause in enumerate(shown, 1)),
            headed=True,
        )
    coverage = content.coverage
    if coverage is not None:
        yield Bullets((*_unstable(content), *_unanswered(content), *_reached(coverage)))
    yield from known_violations(content.known)
    if content.cells is not None:
        yield from cell_tables(content.cells)
    if coverage is None:
        return
    rows = (
        cells(
            *(name, _share(kinds), str(pairs), str(triples)),
            f"{', '.join(never[:_NAMED])}{', ...' * (len(never) > _NAMED)}" or "-",
            code=False,
        )
        for name, (kinds, pairs, triples, never) in coverage.under.items()
    )
    yield from headed("Under conditions", ("condition", "kinds", "pairs", "triples", "never"), rows, 5)


def known_violations(rows: Mapping[str, KnownRow]) -> Iterator[Block]:
    """Yield a hunt's known violations as a table; nothing without any."""
    known = sorted(rows.items(), key=lambda item: (item[1].programs, item[0]))
    lines = (cells(name, f"{row.programs:,}", code=False) for name, row in known)
    return headed("Known violations, rarest first", ("property and reason", "programs"), lines, 2)


def _row(content: FuzzResult, key: str) -> tuple[Cell, ...]:
    found = content.findings[key]
    smallest = ("" if found.minimal else "; a shorter one may exist") + ("; known" if found.known else "")
    says = cell(short(found.says, content.machines), "" if found.known else "bad")
    by = f"{number_of(found.operations, 'operation')}{smallest}"
    return cells(found.folder or key, says, f"{found.met:,}", f"{found.first:,}", by)


def _chapter(number: int, content: FuzzResult, cause: FindingCause) -> Chapter:
    """Return the program that shows a cause, and other effects of the same cause."""
    shown = content.findings[cause.finding]
    others = (key for key in cause.findings if key in content.findings and key != cause.finding)
    named = ((key, content.findings[key]) for key in others)
    alike = "; ".join(f"{one.folder or key} ({short(one.says, content.machines)})" for key, one in named)
    return Chapter(
        f"{number}. {short(shown.says, content.machines)}",
        (
            *drawn_program(shown.program, content.machines, glance=operations_of(shown.program or "")),
            *((Bullets((f"of the same cause: {alike}",)),) if alike else ()),
        ),
    )


def _unstable(content: FuzzResult) -> Iterator[str]:
    """Yield the differences that did not happen again."""
    for each in content.unstable:
        says = short(each.says, content.machines)
        yield f"unstable, {each.shown} of {number_of(each.runs, 'run')} of {each.program}: {says}"


def _letters(content: FuzzResult, cells: PrintedCells) -> Iterator[str]:
    """Yield the letters for cell results, and the reasons why cells were not compared."""
    letters = "; ".join(
        f"{count} {letter} ({cells.meanings.get(letter, '')})" for letter, count in cells.letters.items()
    )
    yield f"{number_of(content.programs, 'cell')} of {cells.first}:{cells.end}, by letter: {letters}"
    for reason, count in sorted(content.reasons.items()):
        what = "no rule, kernels judged" if reason in content.models_own else "not runnable"
        yield f"{count} {what}: {reason}"


def _unanswered(content: FuzzResult) -> Iterator[str]:
    """Yield the reasons why programs were not compared."""
    if content.undecided:
        ordered = sorted(content.reasons.items(), key=lambda item: -item[1])[:_NAMED]
        reasons = "; ".join(f"{reason} ({count})" for reason, count in ordered)
        yield f"{content.undecided} undecided: {reasons}"
    if content.judged:
        yield f"{content.judged} of them judged on kernels only, {content.alarming} with findings"
    if content.spared:
        yield f"{content.spared} of them not run on kernels: such programs end in a known alarm"


def _reached(coverage: ReachedCoverage) -> Iterator[str]:
    yield f"operation pairs: {_share(coverage.pairs)}"
    if coverage.kernel is not None:
        blocks = number_of(coverage.kernel.blocks, "block")
        yield f"kernels: {blocks} in {number_of(coverage.kernel.functions, 'function')}"
    never = f"; never {', '.join(coverage.never)}" if coverage.never else ""
    yield f"kinds of kernel calls: {_share(coverage.words)}{never}"


def _share(pair: Reached) -> str:
    return f"{pair[0]} of {pair[1]}"


def cell_tables(cells: PrintedCells) -> Iterator[Block]:
    """Yield the tables that contain differences, and the names of the other tables."""
    for table in cells.tables:
        if not table.letters <= QUIET:
            yield _table(table)
    agreed = [table.name for table in cells.tables if table.letters <= QUIET]
    if agreed:
        yield Bullets((f"only agreement: {'; '.join(agreed)}",))


def _table(table: CellTable) -> Table:
    """Return the rows that show more than agreement; columns have the numbers of their operations."""
    columns, rows = table.loud
    caption = (
        f"{table.name}: two letters, at aligned and at odd places; first operations down, "
        f"last ones across; {len(rows)} of {number_of(len(table.rows), 'row')} and {len(columns)} of "
        f"{number_of(len(table.columns), 'column')}, only those with more than agreement"
    )
    return Table(
        caption,
        ("", *(table.columns[number] for number in columns)),
        tuple(
            (cell(name), *(Cell((row[number],), _tone(row[number]), code=True) for number in columns))
            for name, row in rows.items()
        ),
        glance=tuple(range(len(columns) + 1)),
        headed=True,
    )


def _tone(letters: str) -> Tone:
    if NEW & set(letters):
        return "bad"
    return "lit" if (KNOWN | {KNOWN_ROW}) & set(letters) else "pale" if QUIET.issuperset(letters) else ""
