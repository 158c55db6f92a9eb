"""A campaign's file, read with a one-line error for every mistake."""

import re
from collections.abc import Callable, Hashable, Iterator
from datetime import date
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import Any

from pfnlab.base.errors import Misuse, ProgramError
from pfnlab.base.files import MOST_WRITTEN, check_regular, read_text
from pfnlab.base.inert import one_line
from pfnlab.base.spelling import did_you_mean
from pfnlab.base.toml_text import MOST_TOML, toml_content
from pfnlab.campaign.night import on_kernel
from pfnlab.campaign.plan import NEXT, NightlyTable, Plan, changes_of
from pfnlab.campaign.plan_files import PlanFiles
from pfnlab.campaign.plan_form import KeyPlaces, form_mistakes, plan_without, sample
from pfnlab.campaign.store.rows import TASK_NAMES, VERDICTS
from pfnlab.checker.review.designs import is_file, models_reviewed
from pfnlab.checker.scopes.properties import questions
from pfnlab.hunt.fuzz.rounds import check_vocabulary, compared_together, looking_named
from pfnlab.hunt.meeting.meet import model_version
from pfnlab.hunt.sweep.swept_cells import cells_of
from pfnlab.kernel.policies import SEAM_OF
from pfnlab.kernel.policies.known_kernels import known_versions
from pfnlab.kernel.policies.own import files_in, is_path
from pfnlab.kernel.policies.seams import POLICIES
from pfnlab.lab.images.bzimage import release_of
from pfnlab.programs.runs.look import look_named
from pfnlab.programs.runs.named_machines import name_machine, open_machine

#: The maximum number of mistakes reported at once.
_SAID = 20

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_POLICIES = "write " + ", ".join(f'"{folder}"' for folder in SEAM_OF) + ', "trackers/exact" or "all"'
_HERE = Path()


class PlanMistakes(Misuse):
    """A campaign file has mistakes; each gets a line."""

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = mistakes
        super().__init__("\n".join(mistakes))


def read_plan(path: Path, *, trust: bool = False) -> Plan:
    """The plan in the file at *path*; relative paths in it start from its folder.

    :param trust: run the policies that its machines name; otherwise it is enough that they exist
    :raises PlanMistakes: if it is not a plan
    :raises Unreadable: if it cannot be read
    """
    return plan_of(read_text(path, "campaign", MOST_TOML), str(path), path.parent, trust=trust)


def plan_of(text: str, source: str, folder: Path = _HERE, *, trust: bool = False) -> Plan:
    """The plan that *text* describes.

    :param trust: as for :func:`read_plan`
    :raises PlanMistakes: if it is not a plan
    """
    try:
        content = toml_content(text, source)
    except Misuse as wrong:
        raise PlanMistakes([str(wrong)]) from None
    places = KeyPlaces(text, source)
    of_form = list(islice(form_mistakes(content, places), _SAID + 1))
    mistakes = [line for line, _ in of_form]
    plan = plan_without(content, [place for _, place in of_form])
    if plan is not None:
        files = PlanFiles(folder)
        mistakes += islice(_Meaning(plan, places, files, trust).mistakes(), _SAID + 1)
        if not mistakes and (too_many := _refused(partial(plan.check_number, files))):
            mistakes = [f"{source}: {too_many}"]
        if not mistakes:
            return plan
    if len(mistakes) > _SAID:
        mistakes[_SAID:] = [f"{source}: there are more mistakes than these {_SAID}"]
    raise PlanMistakes(mistakes)


class _Meaning:
    """Checks for names that do not exist, and for values that do not go together."""

    def __init__(self, plan: Plan, places: KeyPlaces, files: PlanFiles, trust: bool) -> None:
        self._plan, self._places, self._files, self._trust = plan, places, files, trust
        # A machine or a scope may occur in many tables.
        self._known: dict[Hashable, str] = {}

    def mistakes(self) -> Iterator[str]:
        """One line per mistake."""
        plan, places = self._plan, self._places
        if plan.nightly is not None:
            yield from self._nightly(plan.nightly)
            plan = on_kernel(plan, self._some_kernel(plan.nightly), date.today())
        if not NAME.fullmatch(plan.name):
            at = places.at(key="name")
            yield f'{at}: a name is at most 64 small letters, digits, dots and dashes: write name = "nightly"'
        for verdict in plan.count.verdicts:
            if verdict not in VERDICTS:
                at = places.at("count", 0, "verdicts")
                yield f"{at}: there is no verdict {verdict!r}{did_you_mean(verdict, VERDICTS)}"
        for name in TASK_NAMES:
            for place, table in enumerate(getattr(plan, name)):
                for key, what in self._tried(name, table):
                    if what:
                        yield f"{places.at(name, place, key)}: {what}"

    def _nightly(self, nightly: NightlyTable) -> Iterator[str]:
        """The mistakes in what makes a campaign nightly, and the work that no night can have."""
        if nightly.kernel != NEXT and (what := self._refusal(_check_night, nightly.kernel, self._trust)):
            yield f"{self._places.at('nightly', 0, 'kernel')}: {what}"
        for folder in nightly.known:
            if what := self._refusal(self._files.findings, folder):
                yield f"{self._places.at('nightly', 0, 'known')}: {what}"
        for name in TASK_NAMES:
            if getattr(self._plan, name) and name not in ("fuzz", "meet"):
                at = self._places.at(name)
                yield f"{at}: a night has only [[meet]] and [[fuzz]]: move this into another file"

    def _some_kernel(self, nightly: NightlyTable) -> str:
        """A kernel to check the plan with, before the one of a night is chosen."""
        if nightly.kernel == NEXT or self._refusal(_check_night, nightly.kernel, self._trust):
            return known_versions()[-1]
        return nightly.kernel

    def _tried(self, name: str, table: Any) -> Iterator[tuple[str, str]]:
        """The keys in one table whose values are refused by the code that uses them, with the reasons."""
        for machine in _machines(table):
            yield "machines", self._refusal(_check_machine, machine, self._trust)
        if name == "check":
            for machine in table.machines:
                if machine.startswith("qemu:"):
                    yield "machines", f"{machine} cannot be searched: name a model"
            for policy in table.policies:
                yield "policies", self._refusal(changes_of, policy)
            for scope in table.scopes:
                yield "scopes", self._refusal(self._check_scope, scope, table.properties)
        elif name == "fuzz":
            yield "leaves", self._refusal(check_vocabulary, table.vocabulary)
            for machines in table.machines:
                if len(machines) == 1:
                    what = "a single machine cannot be compared"
                    yield "machines", f"{what}: write {sample('fuzz', 'machines')}"
            if table.look:
                yield "look", self._refusal(looking_named, table.look)
        elif name == "catalogue":
            yield "programs", self._refusal(self._files.programs, table.programs)
            if table.look:
                yield "look", self._refusal(look_named, table.look)
        elif name == "sweep":
            for machines in table.machines:
                yield "machines", self._refusal(compared_together, machines)
            for scope in table.scopes:
                yield "scopes", self._refusal(cells_of, scope)
            if table.look:
                yield "look", self._refusal(looking_named, table.look)
        elif name == "review":
            for base, design in product(table.bases, table.designs):
                yield from self._reviewed(base, design)
        else:
            for kernel in table.kernels:
                yield "kernels", self._refusal(_check_machine, f"qemu:{kernel}", self._trust)
            if table.profile:
                yield "profile", self._refusal(model_version, table.profile)

    def _reviewed(self, base: str, design: str) -> Iterator[tuple[str, str]]:
        """The mistakes in the base and the design of one review."""
        yield "bases", self._refusal(_check_base, base, self._trust)
        yield "designs", self._refusal(_check_design, base, design, self._trust)

    def _check_scope(self, scope: str, properties: tuple[str, ...]) -> None:
        questions(list(properties), self._files.scope(scope))

    def _refusal(self, what: Callable[..., Any], *arguments: Hashable) -> str:
        """The error message that *what* gives for these arguments; empty if it accepts them."""
        asked = (what, arguments)
        if asked not in self._known:
            self._known[asked] = _refused(partial(what, *arguments))
        return self._known[asked]


def _refused(what: Callable[[], Any]) -> str:
    try:
        what()
    except (Misuse, KeyError) as wrong:
        words = str(wrong) if isinstance(wrong, Misuse) else f"there is no policy {wrong}: {_POLICIES}"
        # The program and caret below the message do not fit on one line.
        return one_line(words.partition("\n")[0] if isinstance(wrong, ProgramError) else words)
    return ""


def _check_machine(spec: str, trust: bool) -> None:
    """Check a machine's name.

    :param trust: run the policy files that it names
    :raises Misuse: if there is no such machine
    """
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
    _check_machine(f"qemu:{kernel}", trust)
    _check_machine(NightlyTable(kernel).machines[0], trust)


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


def _machines(table: Any) -> list[str]:
    found: list[str] = []
    for one in getattr(table, "machines", ()):
        found += [one] if isinstance(one, str) else one
    return list(dict.fromkeys(found))
