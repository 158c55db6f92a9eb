"""Commands made of the verbs of :mod:`pfnlab.verbs`: options of the fields of a request, written once there.

The module of a verb is imported, and its options are made, when it is called or its own help is wanted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module
from inspect import Parameter, Signature
from keyword import iskeyword
from os import listdir
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer

from pfnlab import verbs
from pfnlab.verbs.option import Option

if TYPE_CHECKING:
    from msgspec.structs import FieldInfo

#: Modules beside those of verbs.
_NO_VERBS = ("__init__", "option")


def module_of(verb: str) -> str:
    """The name of the module of *verb*: ``kernels_meet`` for ``kernels meet``, ``try_`` for ``try``."""
    return f"{verb}_" if iskeyword(verb) else verb.replace(" ", "_").replace("-", "_")


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


def typer_option(option: Option) -> Any:
    """An option as the framework has it."""
    bounds = {"min": option.min, "max": option.max}
    form: dict[str, Any] = {"help": option.help, "metavar": option.metavar}
    form |= {name: bound for name, bound in bounds.items() if bound is not None}
    if option.check is not None:
        form["callback"] = _checking(option.check)
    return typer.Argument(**form) if option.positional else typer.Option(*option.names, **form)


def _checking(check: Callable[[Any], object]) -> Callable[[Any], Any]:
    def checked(value: Any) -> Any:
        if value is not None:
            check(value)
        return value

    return checked


def _parameter(field: FieldInfo, form: Any, option: Option) -> Parameter:
    """The parameter that the framework reads for a field of a request.

    :param form: the type of the field
    """
    default = Parameter.empty if field.required else field.default
    if _is_several(form):
        # The framework has lists alone; of an optional one the help shows no default.
        form = list[get_args(form)[0]]  # type: ignore[misc]
        form, default = (form | None, None) if default == () else (form, default)
    if form is bool and default is False and not option.names:
        # Else there would be an option against it too.
        option = option._replace(names=(f"--{field.name.replace('_', '-')}",))
    annotation = Annotated[form, typer_option(option)]
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _is_several(form: Any) -> bool:
    return get_origin(form) is tuple and get_args(form)[1:] == (...,)


def function_of(verb: str) -> Callable[..., int]:
    """The function of which the framework makes the command *verb*: its parameters are the options.

    It returns the exit code.
    """
    # Help of all verbs does without it.
    from msgspec.structs import fields

    kind = request_of(verb)
    parameters, several = [], set()
    for field in fields(kind):
        form, *notes = get_args(field.type) if get_origin(field.type) is Annotated else (field.type,)
        for option in notes:
            if isinstance(option, Option):
                parameters.append(_parameter(field, form, option))
                several |= {field.name} if _is_several(form) else set()

    def command(**given: Any) -> int:
        values = {name: tuple(value or ()) if name in several else value for name, value in given.items()}
        return performed(verb, kind(**values))

    command.__signature__ = Signature(parameters, return_annotation=int)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


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
