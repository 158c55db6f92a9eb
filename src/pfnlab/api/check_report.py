"""`pl.check`: every sequence of operations in a scope, on models, checked for properties."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pfnlab.api.live import Policies, answered
from pfnlab.api.records import Record, RowResult
from pfnlab.api.runs import On, machine_names
from pfnlab.base.errors import Misuse
from pfnlab.base.progress import say, silent
from pfnlab.base.result import Outcome, other_fields
from pfnlab.checker.check import SHOWN_APART, VIOLATED, CheckResult, PropertyResult
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.runs.named_machines import name_machine
from pfnlab.verbs.check import CheckRequest, perform


class CheckReport(RowResult):
    """The checks of one or more models; it prints like ``pfnlab check``.

    :ivar checks: one check per model, in the order the models were given
    """

    def __init__(self, checks: Sequence[CheckResult]) -> None:
        self.checks = tuple(checks)

    @property
    def holds(self) -> bool:
        """True if every state was visited and no property is violated."""
        return self.exit_code == 0

    @property
    def violated(self) -> tuple[str, ...]:
        """The properties that any model violates, without duplicates."""
        names = (answer.name for checked in self.checks for answer in checked.answered(VIOLATED))
        return tuple(dict.fromkeys(names))

    @property
    def counterexamples(self) -> dict[str, Program]:
        """The counterexample to each violated property, from the first model that has one."""
        found: dict[str, Program] = {}
        for checked in self.checks:
            for name, program in self.counterexamples_of(checked).items():
                found.setdefault(name, program)
        return found

    @property
    def exit_code(self) -> int:
        """The exit code of ``pfnlab check``: 0 all properties hold, 1 one is violated, 3 undecided."""
        return Outcome.of_all(checked.outcome for checked in self.checks).value

    def __getitem__(self, name: str) -> PropertyResult:
        """The result for a property, from the first model."""
        answers = {answer.name: answer for answer in self.checks[0].answers}
        if name not in answers:
            raise Misuse(f"{name!r} was not asked: asked were {', '.join(answers)}")
        return answers[name]

    @staticmethod
    def counterexamples_of(checked: CheckResult) -> dict[str, Program]:
        """The counterexample to each property that one check found violated."""
        found = {answer.name: answer.program for answer in checked.answered(VIOLATED)}
        return {name: program for name, program in found.items() if program is not None}

    def to_records(self) -> list[Record]:
        """A row for each model and property."""
        return [
            {
                "machine": checked.machine,
                "scope": checked.scope,
                "property": answer.name,
                "kind": answer.kind,
                "asks": answer.asks,
                "verdict": answer.verdict,
                "arose": answer.arose,
                "length": answer.length,
                "states": checked.states,
                "complete": checked.complete,
                **other_fields(checked, SHOWN_APART),
            }
            for checked in self.checks
            for answer in checked.answers
        ]

    def __repr__(self) -> str:
        from pfnlab.present.document.check_part import part
        from pfnlab.present.document.terminal import terminal

        return "\n\n".join(terminal(part(checked)) for checked in self.checks)

    def _repr_html_(self) -> str:
        from pfnlab.present.document.check_part import part
        from pfnlab.present.document.compose import document_of
        from pfnlab.present.document.html import fragment

        return fragment(document_of([part(checked) for checked in self.checks]).blocks)


def check(
    on: On | None = None,
    scope: str | Path = "standard",
    depth: int | None = None,
    properties: Sequence[str] | str = (),
    *,
    policies: Policies = (),
    states: int | None = None,
    seconds: float | None = None,
    seed: int = 0,
    walks: int | None = None,
) -> CheckReport:
    """Try every sequence of a scope's operations on models, and check every state.

    :param on: models; by default the model of the newest kernel
    :param scope: the name of a scope, e.g. ``"small"`` or ``"standard"``, or a file
    :param depth: maximum number of operations in a sequence; by default the scope's own, 0 for no limit
    :param properties: names of properties or seams; by default all that apply to the scope
    :param policies: policies to use instead of the models' own
    :param states: limit on states; *seconds* is a time limit
    :param walks: number of random walks, generated from *seed*, to do instead of a full search
    :raises Misuse: if there is no such model, scope or property, or *seed* is given without *walks*
    """

    def done() -> CheckReport:
        machines = tuple(machine_names(on, policies))
        for spec in machines:
            if name_machine(spec).kind != "model":
                raise Misuse(
                    f"{spec} cannot be searched: check a model, then run its counterexamples on {spec}"
                )
        request = CheckRequest(
            on=machines,
            scope=str(scope),
            properties=(properties,) if isinstance(properties, str) else tuple(properties),
            depth=depth,
            states=states,
            seconds=seconds,
            random=walks,
            seed=seed,
            jobs=1,
        )
        with silent():
            return CheckReport([*perform(request, say)])

    return answered(done, on, policies)
