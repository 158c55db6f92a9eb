"""Commands made of the verbs of :mod:`pfnlab.verbs`: options of the fields of a request, written once there.

The module of a verb is imported, and its options are made, when it is called or its own help is wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Annotated, Any, get_args

import typer

from pfnlab.cli.verb_modules import OptionField, option_fields, performed, request_of
from pfnlab.verbs.option import Option


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


def _parameter(field: OptionField) -> Parameter:
    """The parameter that the framework reads for a field of a request."""
    form: Any = field.form
    option = field.option
    default = Parameter.empty if field.required else field.default
    if field.is_several:
        # The framework has lists alone; of an optional one the help shows no default.
        form = list[get_args(form)[0]]  # type: ignore[misc]
        form, default = (form | None, None) if default == () else (form, default)
    if form is bool and default is False and not option.names:
        # Else there would be an option against it too.
        option = option._replace(names=(f"--{field.name.replace('_', '-')}",))
    annotation = Annotated[form, typer_option(option)]
    return Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def function_of(verb: str) -> Callable[..., int]:
    """The function of which the framework makes the command *verb*: its parameters are the options.

    It returns the exit code.
    """
    kind = request_of(verb)
    fields = list(option_fields(kind))
    parameters = [_parameter(field) for field in fields]
    several = {field.name for field in fields if field.is_several}

    def command(**given: Any) -> int:
        values = {name: tuple(value or ()) if name in several else value for name, value in given.items()}
        return performed(verb, kind(**values))

    command.__signature__ = Signature(parameters, return_annotation=int)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command
