"""Verbs done without the framework, which a command line that leaves no question does not need.

The framework is half of the start of a small run. It reads whatever is left: help, groups, mistakes and
their messages, and what is written in a rare way. Both read the same fields of requests, and where this
module gives a request it is the one that the framework gives (``tests/cli/test_direct.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args, get_origin

from pfnlab.cli.verb_modules import GROUPS, module_of, performed, verb_modules, verb_of

if TYPE_CHECKING:
    from pfnlab.cli.verb_modules import OptionField


def performed_directly(words: Sequence[str]) -> int | None:
    """Do what the words after ``pfnlab`` say; the exit code, or None where the framework has to read them."""
    if list(words) == ["--version"]:
        print_version()
        return 0
    verb = _verb(words)
    if verb is None:
        return None
    request = request_directly(verb, words[len(verb.split()) :])
    return None if request is None else performed(verb, request)


def print_version() -> None:
    """Print what ``--version`` says."""
    from pfnlab.version import VERSION

    print(f"pfnlab {VERSION}")


def _verb(words: Sequence[str]) -> str | None:
    """The verb with which *words* begin, as it is written in the list of verbs."""
    verb = " ".join(words[: 2 if words[:1] and words[0] in GROUPS else 1])
    module = module_of(verb)
    return verb if module in verb_modules() and verb_of(module) == verb else None


def request_directly(verb: str, words: Sequence[str]) -> Any:
    """The request of *verb* that its options and arguments make; None where there is any question."""
    from pfnlab.cli.verb_modules import option_fields, request_of
    from pfnlab.cli.word_values import InQuestion
    from pfnlab.errors import PfnlabError

    kind = request_of(verb)
    fields = list(option_fields(kind))
    try:
        request = kind(**_values(fields, words))
        for field in fields:
            value = getattr(request, field.name)
            if field.option.check is not None and value is not None:
                field.option.check(value)
    except (InQuestion, PfnlabError):
        # The framework finds the first mistake, and says it.
        return None
    return request


def _values(fields: Sequence[OptionField], words: Sequence[str]) -> dict[str, Any]:
    """The values that are given, by field.

    :raises InQuestion: a word fits nothing for certain, or something is missing
    """
    from pfnlab.cli.word_values import InQuestion

    options = {name: (field, flag) for field in fields for name, flag in _names(field)}
    given: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    positional: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            positional += rest
            break
        if word == "" or _is_value(word):
            positional.append(word)
            continue
        name, equals, value = word.partition("=") if word.startswith("--") else (word, "", "")
        if name not in options:
            raise InQuestion
        field, flag = options[name]
        if flag is not None:
            if equals:
                raise InQuestion
            values[field.name] = flag
            continue
        number = len(_forms(field))
        if equals and number > 1:
            raise InQuestion
        taken, rest = ([value], rest) if equals else (rest[:number], rest[number:])
        # An option that follows may stand where a value was forgotten.
        if len(taken) < number or not all(_is_value(value) or (value and equals) for value in taken):
            raise InQuestion
        given.setdefault(field.name, []).extend(taken)
    _place([field for field in fields if field.option.positional], positional, given)
    for field in fields:
        if field.name in given:
            values[field.name] = _value(field, given[field.name])
        elif field.required and field.name not in values:
            raise InQuestion
    return values


def _is_value(word: str) -> bool:
    """True for what is no option, and not empty."""
    return word == "-" or (word != "" and not word.startswith("-"))


def _forms(field: OptionField) -> tuple[Any, ...]:
    """The types of the words that one use of an option takes: of a pair two."""
    from pfnlab.cli.word_values import without_none

    if field.is_several:
        return get_args(field.form)[:1]
    form = without_none(field.form)
    return get_args(form) if get_origin(form) is tuple else (form,)


def _names(field: OptionField) -> list[tuple[str, bool | None]]:
    """The names of an option, each with the value that it stands for where it takes none."""
    if field.option.positional:
        return []
    long = field.name.replace("_", "-")
    names = field.option.names or (f"--{long}",)
    if field.form is not bool:
        return [(name, None) for name in names]
    against = (f"--no-{long}",) if field.default and not field.option.names else ()
    return [*((name, True) for name in names), *((name, False) for name in against)]


def _place(fields: Sequence[OptionField], words: list[str], given: dict[str, list[str]]) -> None:
    """Put arguments into *given* by their places; one that is several takes all that are left."""
    from pfnlab.cli.word_values import InQuestion

    rest = list(words)
    for place, field in enumerate(fields):
        if field.is_several and place < len(fields) - 1:
            raise InQuestion
        taken, rest = (rest, []) if field.is_several else (rest[:1], rest[1:])
        if taken:
            given[field.name] = taken
    if rest or "" in words:
        raise InQuestion


def _value(field: OptionField, words: Sequence[str]) -> Any:
    """The value of a field; of several for one, the last that is given.

    :raises InQuestion: a word stands for none
    """
    from pfnlab.cli.word_values import plain_value

    forms = _forms(field)
    if field.is_several:
        forms *= len(words)
    last = words[len(words) - len(forms) :]
    option = field.option
    values = tuple(
        plain_value(form, word, option.min, option.max) for form, word in zip(forms, last, strict=True)
    )
    return values if field.is_several or len(forms) > 1 else values[0]
