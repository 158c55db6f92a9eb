"""The reasons for violations: the model of the same kernel shows which bug or rule causes each.

A violation is predicted if the model violates the same property at the same step. Its reason is the bug of
that kernel whose entry names the property, and without which the model keeps it there; otherwise a rule of
``rules.toml``. If the model has no rule for the program and does not get to the step, it cannot tell; the
first bug of that kernel, or rule, whose entry names the property then counts.
"""

import re
from collections.abc import Callable, Collection, Sequence
from functools import cache, cached_property, lru_cache
from typing import NamedTuple

import msgspec

from pfnlab.base.errors import PolicyError
from pfnlab.base.terminal_text import first_sentence
from pfnlab.base.toml_text import package_toml
from pfnlab.kernel.bugs.known_bugs import all_bugs
from pfnlab.kernel.bugs.without_bug import flipped, in_profiles, keeps_policies, without_bug
from pfnlab.kernel.mm.profile import Profile
from pfnlab.kernel.policies.switches import SWITCHES
from pfnlab.programs.lang.ops import Program
from pfnlab.programs.lang.printer import device_text, op_lines, thp_lines
from pfnlab.programs.model.model_machine import END, ModelMachine
from pfnlab.programs.runs.look import LookLevel
from pfnlab.programs.runs.observation import Run

#: The reason for violations in programs that make the kernel skip a call.
LEFT_OUT = "the program makes the kernel skip a call"

#: Judges a run of a program: the properties violated after each step.
_Judge = Callable[[Program, Run], Sequence[Collection[str]]]

#: The first letter of a sentence that begins with an ordinary word, not with a name.
_WORD = re.compile(r"\A[A-Z](?=[a-z]* )")


class KnownRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A rule by which every kernel, or every kernel with a switch, violates properties.

    :param rule: a step or section in docs/semantics
    :param breaks: the properties
    :param says: the sentence; if empty, that of the switch
    :param switch: the switch without which the model keeps the property
    :param at: a pattern of the step's operation
    :param where: a pattern of the program's lines up to the step, and of the devices named there
    """

    rule: str
    breaks: tuple[str, ...]
    says: str = ""
    switch: str = ""
    at: str = ""
    where: str = ""


@cache
def known_rules() -> tuple[KnownRule, ...]:
    """The rules, in the order in which they are asked."""
    return msgspec.convert(package_toml(__package__, "rules.toml")["rules"], tuple[KnownRule, ...])


class Reasons:
    """The reasons for one run's violations.

    :param profile: the rules of its machine; None if there are none
    :param judge: judges a run of *program*
    """

    def __init__(self, program: Program, run: Run, profile: Profile | None, judge: _Judge) -> None:
        self._program, self._run, self._profile, self._judge = program, run, profile, judge

    def predicts(self, name: str, step: int) -> bool:
        """True if the model violates property *name* at this step too."""
        return self._profile is not None and self._breaks(self._profile, name, step) is True

    def known(self, name: str, step: int) -> str:
        """The reason why this step violates property *name*, with its identifier; empty if unknown."""
        if any(op.skip is not None for op in self._program.ops[: step + 1]):
            return LEFT_OUT
        if self._profile is None:
            return ""
        predicted = self._breaks(self._profile, name, step)
        if predicted is False:
            return ""
        lines = self._lines[: step + 1]
        text = "\n".join(lines)
        used = [one for one in self._program.devices if re.search(rf"\b{one.name}\b", text)]
        program = "\n".join((*map(device_text, used), *thp_lines(self._program), text))
        return next(
            (
                cause.says
                for cause in _reasons(name, self._profile)
                if re.search(cause.at, lines[-1])
                and re.search(cause.where, program)
                and (
                    predicted is None
                    or cause.without is None
                    or self._breaks(cause.without, name, step) is False
                )
            ),
            "",
        )

    @cached_property
    def _lines(self) -> list[str]:
        return [*op_lines(self._program), END]

    def _breaks(self, profile: Profile, name: str, step: int) -> bool | None:
        """True if the model with these rules violates the property there; None if it does not get there."""
        kind = self._run.machine.partition(":")[0]
        broken = _broken_by_model(self._program, profile, self._run.look, kind, self._judge)
        return name in broken[step] if step < len(broken) else None


@lru_cache(256)
def _broken_by_model(
    program: Program, profile: Profile, look: LookLevel, kind: str, judge: _Judge
) -> Sequence[Collection[str]]:
    """The properties that the model violates after each step, judged as a machine of this *kind* is."""
    try:
        run = model_run(program, profile, look)
    except PolicyError:
        return ()
    return judge(program, msgspec.structs.replace(run, machine=f"{kind}:{profile.version}"))


@lru_cache(64)
def model_run(program: Program, profile: Profile, look: LookLevel) -> Run:
    """The run of *program* by the model with these rules, as far as it has one for each step.

    :raises PolicyError: if user code in them fails
    """
    model = ModelMachine(profile.version, look)
    model.profile = profile
    (run,) = model.run([program])
    return run


class _Reason(NamedTuple):
    """A bug or rule behind violations of one property.

    :ivar without: the rules without it; None if no change of a profile removes it
    """

    says: str
    without: Profile | None
    at: str
    where: str


@lru_cache(256)
def _reasons(name: str, profile: Profile) -> tuple[_Reason, ...]:
    """The reasons that a kernel may have to violate property *name*.

    Those that a switch removes come first, because a policy removes more than one; among bugs, the newest
    entry.
    """
    found = [
        _Reason(_text(bug.number, bug.what), without, "", bug.where)
        for bug in reversed(all_bugs())
        if name in bug.breaks and not bug.same_as
        for without in (without_bug(bug, profile),)
        if without is not None or (bug.where and not in_profiles(bug))
    ]
    for rule in known_rules():
        if name in rule.breaks:
            without = flipped(profile, rule.switch) if rule.switch else None
            says = rule.says or next(one.says for one in SWITCHES if one.name == rule.switch)
            found.append(_Reason(_text(rule.rule, says), without, rule.at, rule.where))
    return tuple(sorted(found, key=lambda one: _rank(one.without, profile)))


def _rank(without: Profile | None, profile: Profile) -> int:
    return 2 if without is None else int(not keeps_policies(without, profile))


def _text(number: str, says: str) -> str:
    """A reason in one sentence: the first of *says*."""
    return f"{number}: {_WORD.sub(lambda letter: letter[0].lower(), first_sentence(says), count=1)}"
