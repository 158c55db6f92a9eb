"""The verbs of :mod:`pfnlab.verbs` by name: their modules, their help, their requests, and doing them.

Nothing here needs the framework, which takes longer to import than many a verb runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from keyword import iskeyword
from os import listdir
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, get_args, get_origin

from pfnlab import verbs

if TYPE_CHECKING:
    from pfnlab.verbs.option import Option

#: The groups of verbs.
GROUPS = ("kernels", "cache", "policies", "litmus", "bugs", "claims", "campaign")

#: Modules beside those of verbs.
_NO_VERBS = ("__init__", "option")


def module_of(verb: str) -> str:
    """The name of the module of *verb*: ``kernels_meet`` for ``kernels meet``, ``try_`` for ``try``."""
    return f"{verb}_" if iskeyword(verb) else verb.replace(" ", "_").replace("-", "_")


def verb_of(module: str) -> str:
    """The verb that a module is of: ``kernels meet`` of ``kernels_meet``, ``try`` of ``try_``."""
    first, _, rest = module.removesuffix("_").partition("_")
    if first in GROUPS and rest:
        return f"{first} {rest.replace('_', '-')}"
    return module.removesuffix("_").replace("_", "-")


def verb_modules() -> list[str]:
    """The names of the modules of verbs."""
    files = sorted(name for folder in verbs.__path__ for name in listdir(folder))
    return [name[:-3] for name in files if name.endswith(".py") and name[:-3] not in _NO_VERBS]


def loaded(verb: str) -> Any:
    """The module of *verb*."""
    return import_module(f"{verbs.__name__}.{module_of(verb)}")


def help_of(verb: str) -> str:
    """The docstring of the module of *verb*, read without an import: the list of all verbs has it quickly."""
    (folder,) = verbs.__path__
    with open(f"{folder}/{module_of(verb)}.py", encoding="utf-8") as file:
        return file.read().split('"""', 2)[1]


def request_of(verb: str) -> Any:
    """The class of the requests of *verb*: that of the first argument of its ``perform``."""
    module = loaded(verb)
    return getattr(module, module.perform.__annotations__["request"])


class OptionField(NamedTuple):
    """A field of a request that is given from outside.

    :param form: its type, without notes
    :param default: its value where nothing is given
    """

    name: str
    form: Any
    option: Option
    required: bool
    default: Any

    @property
    def is_several(self) -> bool:
        """True where it may be given several times, and is a tuple."""
        return get_origin(self.form) is tuple and get_args(self.form)[1:] == (...,)


def option_fields(request: Any) -> Iterator[OptionField]:
    """The fields of a class of requests that have an option, in their order."""
    # Help of all verbs does without it.
    from msgspec.structs import fields

    from pfnlab.verbs.option import Option

    for field in fields(request):
        form, *notes = get_args(field.type) if get_origin(field.type) is Annotated else (field.type,)
        for option in notes:
            if isinstance(option, Option):
                yield OptionField(field.name, form, option, field.required, field.default)


def performed(verb: str, request: Any) -> int:
    """Do what *request* asks of *verb*, and show the results; the exit code."""
    from pfnlab.cli.showing import show
    from pfnlab.progress import say
    from pfnlab.result import Outcome

    outcomes: list[Outcome] = []

    def results() -> Iterator[Any]:
        for result in loaded(verb).perform(request, say):
            outcomes.append(result.outcome)
            yield result

    show(verb, request, results())
    return Outcome.of_all(outcomes).value
