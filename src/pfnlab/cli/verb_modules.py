"""The verbs of :mod:`pfnlab.verbs` by name: modules, help, examples, requests, and how to run them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from keyword import iskeyword
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Union, get_args, get_origin

from pfnlab import verbs

if TYPE_CHECKING:
    from pfnlab.verbs.option import Option, Say

#: Former names of verbs: accepted for one more release, not listed in help.
ALIASES = {"claims": "discussions"}


#: Verbs that are now part of another: not accepted, but the message names the present form.
MOVED = {
    "cache": "kernels list --cache",
    "cache clean": "kernels rm --older DAYS",
    "campaign check": "campaign run --check",
    "campaign report": "report --store STORE",
    "completion": "help --completion",
    "kernels tested": "kernels list --tested",
    "new": "litmus new",
    "results": "campaign results --store STORE",
    "schema": "help --schema",
}


def renamed(name: str, rest: list[str]) -> tuple[str, list[str]]:
    """Replace a verb's former name by the present one, with the words that have the old effect."""
    if name == "claims" and rest[:1] in ([], ["list"]):
        rest = ["list", "--claims", *rest[1:]]
    return ALIASES.get(name, name), rest


def module_of(verb: str) -> str:
    """Return the name of *verb*'s module: ``kernels`` for ``kernels fetch``, ``try_`` for ``try``.

    The empty verb is pfnlab itself, in the module ``pfnlab``.
    """
    word = verb.partition(" ")[0]
    return f"{word}_" if iskeyword(word) else word.replace("-", "_") or "pfnlab"


def loaded(verb: str) -> Any:
    """Import and return the module of *verb*."""
    return import_module(f"{verbs.__name__}.{module_of(verb)}")


def help_of(verb: str) -> str:
    """Return the docstring of *verb*; a module is not imported for that, to keep the list of verbs quick."""
    if " " in verb:
        return str(request_of(verb).__doc__)
    (folder,) = verbs.__path__
    with open(f"{folder}/{module_of(verb)}.py", encoding="utf-8") as file:
        return file.read().split('"""', 2)[1]


def verbs_of(verb: str) -> tuple[str, ...]:
    """Return the verbs of a group in the order used by help; empty if *verb* is not a group."""
    return () if " " in verb else tuple(getattr(loaded(verb), "VERBS", ()))


def groups_of(verb: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the verbs of a group by heading; empty if *verb* is not a group."""
    names = verbs_of(verb)
    return tuple(getattr(loaded(verb), "GROUPS", {"Commands": names}).items()) if names else ()


def default_of(group: str) -> str | None:
    """Return the verb to run if only *group* is given; None if its help is shown instead."""
    if hasattr(loaded(group), "perform"):
        return group
    return f"{group} list" if "list" in verbs_of(group) else None


def function_of(verb: str) -> Any:
    """Return the function that handles requests for *verb*; None for a group without one."""
    module, (_, _, name) = loaded(verb), verb.partition(" ")
    if name:
        return getattr(module, f"perform_{name}")
    return getattr(module, "perform", getattr(module, "prepare", None))


def request_of(verb: str) -> Any:
    """Return the request class of *verb*; None for a group without one."""
    taken_by = function_of(verb)
    return taken_by and taken_by.__globals__[taken_by.__annotations__["request"]]


def examples_of(verb: str) -> tuple[tuple[str, str], ...]:
    """Return example command lines for *verb*, with their descriptions."""
    (folder,) = verbs.__path__
    with open(f"{folder}/examples.txt", encoding="utf-8") as file:
        _, _, behind = file.read().partition(f"\n[{verb or 'pfnlab'}]\n")
    lines = [line.strip() for line in behind.partition("\n\n")[0].splitlines()]
    return tuple(zip(lines[::2], lines[1::2], strict=True))


class OptionField(NamedTuple):
    """A request field that is an option: its type without annotations, its option, its default."""

    name: str
    form: Any
    option: Option
    required: bool
    default: Any

    @property
    def is_several(self) -> bool:
        """True if it may be repeated, i.e. its value is a tuple."""
        return get_origin(self.form) is tuple and get_args(self.form)[1:] == (...,)

    @property
    def forms(self) -> tuple[Any, ...]:
        """The types of the words in one use: two for a pair, none for a flag."""
        if self.form is bool:
            return ()
        (form,) = (
            [one for one in get_args(self.form) if one is not NoneType]
            if get_origin(self.form) in (Union, UnionType)
            else [self.form]
        )
        if get_origin(form) is not tuple:
            return (form,)
        return get_args(form)[:1] if self.is_several else get_args(form)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of an option; empty for an argument."""
        if self.option.positional:
            return ()
        return self.option.names or (f"--{self.name.replace('_', '-')}",)

    @property
    def against(self) -> tuple[str, ...]:
        """The names that unset a flag."""
        is_set = self.form is bool and self.default is True
        return tuple(f"--no-{name.removeprefix('--')}" for name in self.names if is_set)


def option_fields(verb: str) -> list[OptionField]:
    """Return the option fields of *verb*'s request, in order."""
    if (request := request_of(verb)) is None:
        return []
    # Help for all verbs works without this import.
    from msgspec.structs import fields

    from pfnlab.verbs.option import Option

    found = []
    for field in fields(request):
        form, *notes = get_args(field.type) if get_origin(field.type) is Annotated else (field.type,)
        found += [
            OptionField(field.name, form, note, field.required, field.default)
            for note in notes
            if isinstance(note, Option)
        ]
    return found


def performed(verb: str, request: Any, held: Say | None = None) -> int:
    """Run *verb* with *request* and show the results; return the exit code.

    :param held: takes progress lines instead of standard error
    """
    from pfnlab.base.progress import say
    from pfnlab.base.result import Outcome
    from pfnlab.cli.showing import show

    outcomes: list[Outcome] = []

    def results() -> Iterator[Any]:
        for result in function_of(verb)(request, held or say):
            outcomes.append(result.outcome)
            yield result

    show(verb, request, results())
    return Outcome.of_all(outcomes).value
