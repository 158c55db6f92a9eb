"""Every property by name, and the ones that are judged on runs."""

from pfnlab.checker.judging import contents, entries, operation_judges
from pfnlab.checker.judging.run_judge import RunJudge
from pfnlab.checker.scopes.properties import MODEL_PROPERTIES, SEEN_QUESTIONS
from pfnlab.programs.runs import memory_faults
from pfnlab.programs.runs.kernel_property import KernelProperty, declared

#: The judges of entries and operations.
RUN_JUDGES = declared(RunJudge, entries, operation_judges)

#: The properties of pages' contents.
OF_CONTENTS = declared(KernelProperty, contents)

#: The properties that observers of memory report.
OF_MEMORY = declared(KernelProperty, memory_faults)

#: The properties checked on runs, whatever the machine, except those that observers of memory report.
RUN_PROPERTIES: dict[str, KernelProperty] = {
    one.name: one for one in (*SEEN_QUESTIONS, *(judge.of for judge in RUN_JUDGES), *OF_CONTENTS)
}

#: The names of properties of operations rather than states: every occurrence counts.
EACH_TIME = {
    *(one.name for one in SEEN_QUESTIONS if one.about != "state"),
    *(judge.of.name for judge in RUN_JUDGES if judge.on != "entries"),
    *(one.name for one in OF_CONTENTS),
}

#: Every property that a machine may violate or a search may ask, by name.
PROPERTIES: dict[str, KernelProperty] = (
    MODEL_PROPERTIES | RUN_PROPERTIES | {one.name: one for one in OF_MEMORY}
)
