"""A campaign's file, read with a one-line error for a mistake."""

import re
from collections import Counter
from collections.abc import Hashable, Iterator
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

from pfnlab.base.errors import Misuse, ProgramError
from pfnlab.base.files import MOST_WRITTEN, check_regular, read_text
from pfnlab.base.inert import one_line
from pfnlab.base.spelling import did_you_mean
from pfnlab.base.toml_text import MOST_TOML, toml_content, toml_place, toml_struct
from pfnlab.campaign.night import on_kernel
from pfnlab.campaign.plan import (
    NEXT,
    CatalogueTable,
    CheckTable,
    FuzzTable,
    MeetTable,
    NightlyTable,
    Plan,
    ReviewTable,
    SweepTable,
    changes_of,
)
from pfnlab.campaign.plan_files import PlanFiles
from pfnlab.campaign.store.rows import TASK_NAMES, VERDICTS
from pfnlab.checker.review.designs import is_file, models_reviewed
from pfnlab.checker.scopes.properties import questions
from pfnlab.hunt.fuzz.rounds import check_vocabulary, compared_together, looking_named
from pfnlab.hunt.meeting.meet import model_version
from pfnlab.hunt.sweep.swept_cells import cells_of
from pfnlab.kernel.policies.known_kernels import known_versions
from pfnlab.kernel.policies.own import files_in, is_path
from pfnlab.kernel.policies.seams import POLICIES
from pfnlab.lab.images.bzimage import release_of
from pfnlab.programs.runs.look import look_named
from pfnlab.programs.runs.named_machines import name_machine, open_machine

#: The format version that this pfnlab reads.
FORM = 1

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HERE = Path()


def read_plan(path: Path, *, trust: bool = False) -> Plan:
    """The plan in the file at *path*; relative paths in it start from its folder.

    :param trust: run the policies that its machines name; otherwise it is enough that they exist
    :raises Misuse: if it is not a plan
    :raises Unreadable: if it cannot be read
    """
    return plan_of(read_text(path, "campaign", MOST_TOML), str(path), path.parent, trust=trust)


def plan_of(text: str, source: str, folder: Path = _HERE, *, trust: bool = False) -> Plan:
    """The plan that *text* describes.

    :param trust: as for :func:`read_plan`
    :raises Misuse: if it is not a plan
    """
    content = toml_content(text, source)
    if (form := content.get("form", FORM)) != FORM:
        newer = isinstance(form, int) and form > FORM
        remedy = "use the newer pfnlab that wrote it" if newer else f"write form = {FORM}"
        raise Misuse(f"{source}: form: the form of the file is {FORM}: {remedy}")
    plan = toml_struct(content, source, Plan)
    # A machine or a scope may occur in many tables.
    accepted = set[Hashable]()
    for path, check, *arguments in _checks(plan, content, PlanFiles(folder), trust):
        if (asked := (check, *arguments)) in accepted:
            continue
        try:
            check(*arguments)
        except Misuse as wrong:
            words = wrong.in_one_line if isinstance(wrong, ProgramError) else str(wrong)
            raise Misuse(f"{toml_place(source, path)}: {one_line(words)}") from None
        accepted.add(asked)
    return plan


#: The path of a value, the code that raises Misuse if it is wrong, and the arguments of that code.
_Check = tuple[Any, ...]


def _checks(plan: Plan, content: dict[str, Any], files: PlanFiles, trust: bool) -> Iterator[_Check]:
    """Checks for names that do not exist, and for values that do not go together."""
    yield ".name", _check_name, plan.name
    yield "", _check_work, plan.nightly is None, tuple(name for name in TASK_NAMES if getattr(plan, name))
    for path, value in _lists(content):
        yield path, _check_list, tuple(map(str, value)), path
    yield from ((".count.verdicts", _check_verdict, verdict) for verdict in plan.count.verdicts)
    if plan.nightly is not None:
        kernel = plan.nightly.kernel
        if kernel == NEXT:
            # A kernel to check the plan with, before the one of a night is chosen.
            kernel = known_versions()[-1]
        yield ".nightly.kernel", _check_machine, f"qemu:{kernel}", trust
        yield ".nightly.kernel", _check_night, kernel, trust
        yield from ((".nightly.known", files.findings, folder) for folder in plan.nightly.known)
        plan = on_kernel(plan, kernel, date.today())
    for task in TASK_NAMES:
        for number, table in enumerate(getattr(plan, task)):
            for key, *check in _table_checks(table, files, trust):
                yield f".{task}[{number}].{key}", *check
    yield "", plan.check_number, files


def _table_checks(table: Any, files: PlanFiles, trust: bool) -> Iterator[_Check]:
    """The checks of one table, with keys in place of paths."""
    yield from (("machines", _check_machine, machine, trust) for machine in _machines(table))
    if look := getattr(table, "look", ""):
        yield "look", look_named if isinstance(table, CatalogueTable) else looking_named, look
    match table:
        case CheckTable():
            yield from (("machines", _check_searched, machine) for machine in table.machines)
            yield from (("policies", changes_of, policy) for policy in table.policies)
            yield from (("scopes", _check_scope, scope, table.properties, files) for scope in table.scopes)
        case FuzzTable():
            yield "leaves", check_vocabulary, table.vocabulary
            yield from (("machines", _check_compared, machines) for machines in table.machines)
        case CatalogueTable():
            yield "programs", files.programs, table.programs
        case SweepTable():
            yield from (("machines", compared_together, machines) for machines in table.machines)
            yield from (("scopes", cells_of, scope) for scope in table.scopes)
        case ReviewTable():
            yield from (("bases", _check_base, base, trust) for base in table.bases)
            for base, design in product(table.bases, table.designs):
                yield "designs", _check_design, base, design, trust
        case MeetTable():
            yield from (("kernels", _check_machine, f"qemu:{kernel}", trust) for kernel in table.kernels)
            if table.profile:
                yield "profile", model_version, table.profile


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise Misuse('a name is at most 64 small letters, digits, dots and dashes: write name = "nightly"')


def _check_work(every_task: bool, tasks: tuple[str, ...]) -> None:
    if not tasks:
        raise Misuse(f"it has no work: add {' or '.join(f'[[{name}]]' for name in TASK_NAMES)}")
    for name in tasks:
        if not every_task and name not in ("fuzz", "meet"):
            raise Misuse(f"a night has only [[meet]] and [[fuzz]]: move [[{name}]] into another file")


def _check_list(items: tuple[str, ...], path: str) -> None:
    """Check that something is run, and nothing counted twice."""
    # A campaign in which nothing counts as a discovery makes sense.
    if not items and path != ".count.verdicts":
        raise Misuse("this list is empty: write something in it, or leave the key out")
    for item, times in Counter(items).most_common(1):
        if times > 1:
            raise Misuse(f"{item} is named twice: leave one out")


def _check_verdict(verdict: str) -> None:
    if verdict not in VERDICTS:
        raise Misuse(f"there is no verdict {verdict!r}{did_you_mean(verdict, VERDICTS)}")


def _check_machine(spec: str, trust: bool) -> None:
    if (files := files_in(spec)) and trust:
        from pfnlab.base.supervised import supervised

        supervised(lambda: bool(open_machine(name_machine(spec))))
        return
    for file in files:
        check_regular(Path(file), "policy", MOST_WRITTEN)
    named = name_machine(",".join(map(_packaged, spec.split(","))))
    if named.kind == "model":
        open_machine(named)
    elif not (named.stock or named.built):
        # It has the name of a file, which would be booted.
        release_of(Path(named.kernel))


def _check_night(kernel: str, trust: bool) -> None:
    _check_machine(NightlyTable(kernel).machines[0], trust)


def _check_searched(machine: str) -> None:
    if machine.startswith("qemu:"):
        raise Misuse(f"{machine} cannot be searched: name a model")


def _check_compared(machines: tuple[str, ...]) -> None:
    if len(machines) == 1:
        raise Misuse('a single machine cannot be compared: write machines = [["model:6.1", "model:7.2"]]')


def _check_scope(scope: str, properties: tuple[str, ...], files: PlanFiles) -> None:
    questions(list(properties), files.scope(scope))


def _check_base(base: str, trust: bool) -> None:
    models_reviewed(base, base)
    _check_machine(base, trust)


def _check_design(base: str, design: str, trust: bool) -> None:
    if is_file(design):
        # The seam that a policy file is for is known only after running it.
        raise Misuse(f"only running {design} tells its seam: write tracker={design}, or flush=")
    if base.startswith("model:"):
        machine = models_reviewed(design, base)[1]
        if not machine.startswith("model:"):
            raise Misuse(f"{design} cannot be reviewed: name a model")
        _check_machine(machine, trust)


def _packaged(change: str) -> str:
    """A change in a machine's name, with a built-in policy instead of a file."""
    name, _, value = change.partition("=")
    known = POLICIES.get(name.partition(".")[0])
    return f"{name}={next(iter(known))}" if known and is_path(value) else change


def _machines(table: Any) -> Iterator[str]:
    for one in getattr(table, "machines", ()):
        yield from [one] if isinstance(one, str) else one


def _lists(value: Any, path: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Every list of values, with its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lists(inner, f"{path}.{key}")
    elif isinstance(value, list):
        if not any(isinstance(item, dict) for item in value):
            yield path, value
        for number, inner in enumerate(value):
            yield from _lists(inner, f"{path}[{number}]")
