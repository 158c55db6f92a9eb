"""The verbs of :mod:`pfnlab.verbs` by name: their modules, help, examples and requests, and doing them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from keyword import iskeyword
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, Union, get_args, get_origin

from pfnlab import verbs

if TYPE_CHECKING:
    from pfnlab.verbs.option import Option

#: Earlier names of verbs, which are read for one release more and stand in no help.
ALIASES = {"claims": "discussions"}


def renamed(name: str, rest: list[str]) -> tuple[str, list[str]]:
    """A verb as it is called now, and the words behind it: those of an earlier name do what they did."""
    if name == "claims" and rest[:1] in ([], ["list"]):
        rest = ["list", "--claims", *rest[1:]]
    return ALIASES.get(name, name), rest


def module_of(verb: str) -> str:
    """The name of the module of *verb*: ``kernels`` for ``kernels fetch``, ``try_`` for ``try``.

    That of pfnlab itself, whose verb is empty, is ``pfnlab``.
    """
    word = verb.partition(" ")[0]
    return f"{word}_" if iskeyword(word) else word.replace("-", "_") or "pfnlab"


def loaded(verb: str) -> Any:
    """The module of *verb*."""
    return import_module(f"{verbs.__name__}.{module_of(verb)}")


def help_of(verb: str) -> str:
    """The docstring of *verb*; that of a module without an import: the list of all verbs has it quickly."""
    if " " in verb:
        return str(request_of(verb).__doc__)
    (folder,) = verbs.__path__
    with open(f"{folder}/{module_of(verb)}.py", encoding="utf-8") as file:
        return file.read().split('"""', 2)[1]


def verbs_of(verb: str) -> tuple[str, ...]:
    """The verbs of a group in the order of help; of a verb that is no group none."""
    return () if " " in verb else tuple(getattr(loaded(verb), "VERBS", ()))


def default_of(group: str) -> str | None:
    """The verb that is done where none of *group* is named; None where its help is shown instead."""
    if hasattr(loaded(group), "perform"):
        return group
    return f"{group} list" if "list" in verbs_of(group) else None


def function_of(verb: str) -> Any:
    """The function that takes the requests of *verb*; None of a group that has none."""
    module, (_, _, name) = loaded(verb), verb.partition(" ")
    if name:
        return getattr(module, f"perform_{name}")
    return getattr(module, "perform", getattr(module, "prepare", None))


def request_of(verb: str) -> Any:
    """The class of the requests of *verb*; None of a group that has none."""
    taken_by = function_of(verb)
    return taken_by and taken_by.__globals__[taken_by.__annotations__["request"]]


def examples_of(verb: str) -> tuple[tuple[str, str], ...]:
    """Command lines of *verb*, and what each shows."""
    (folder,) = verbs.__path__
    with open(f"{folder}/examples.txt", encoding="utf-8") as file:
        _, _, behind = file.read().partition(f"\n[{verb or 'pfnlab'}]\n")
    lines = [line.strip() for line in behind.partition("\n\n")[0].splitlines()]
    return tuple(zip(lines[::2], lines[1::2], strict=True))


class OptionField(NamedTuple):
    """A field of a request that is given from outside: its type without notes, its option, its default."""

    name: str
    form: Any
    option: Option
    required: bool
    default: Any

    @property
    def is_several(self) -> bool:
        """True where it may be given several times, and is a tuple."""
        return get_origin(self.form) is tuple and get_args(self.form)[1:] == (...,)

    @property
    def forms(self) -> tuple[Any, ...]:
        """The types of the words that one use of it takes: of a pair two, of a flag none."""
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
        """The names of an option; of an argument none."""
        if self.option.positional:
            return ()
        return self.option.names or (f"--{self.name.replace('_', '-')}",)

    @property
    def against(self) -> tuple[str, ...]:
        """The names by which a flag that is set is taken back."""
        is_set = self.form is bool and self.default is True
        return tuple(f"--no-{name.removeprefix('--')}" for name in self.names if is_set)


def option_fields(verb: str) -> list[OptionField]:
    """The fields of the requests of *verb* that have an option, in their order."""
    if (request := request_of(verb)) is None:
        return []
    # Help of all verbs does without it.
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


def performed(verb: str, request: Any) -> int:
    """Do what *request* asks of *verb*, and show the results; the exit code."""
    from pfnlab.base.progress import say
    from pfnlab.base.result import Outcome
    from pfnlab.cli.showing import show

    outcomes: list[Outcome] = []

    def results() -> Iterator[Any]:
        for result in function_of(verb)(request, say):
            outcomes.append(result.outcome)
            yield result

    show(verb, request, results())
    return Outcome.of_all(outcomes).value
