"""Parse the command line into a request, with an argparse parser made from the fields of the request.

argparse separates options and their values. The remaining words are arguments, which this module assigns to
fields. It also converts words to values, so that every mistake is reported in one line with a correction.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pfnlab.base.errors import Misuse
from pfnlab.cli.verbs import (
    MOVED,
    default_of,
    loaded,
    options_of,
    page_of,
    performed,
    renamed,
    request_of,
    verbs_of,
)
from pfnlab.verbs.verb_option import Option

if TYPE_CHECKING:
    from pfnlab.verbs.option import Say


class CommandLine(NamedTuple):
    """A parsed command line.

    :param verb: its full name; empty for pfnlab itself
    :param request: None if help was requested, or no verb was given
    :param of_group: the request of the verb's group, if the group's options are used
    """

    verb: str
    request: Any = None
    is_help: bool = False
    of_group: Any = None


def perform_words(words: Sequence[str], *, pager: bool = False) -> int:
    """Run the command given by the words after ``pfnlab``; return its exit code. Misuse if it is invalid.

    :param pager: whether long output may go through a pager
    """
    if words[:1] == ["--version"]:
        from pfnlab.base.version import VERSION

        print(f"pfnlab {VERSION}")
        return 0
    line = read(words)
    if line.request is None:
        from pfnlab.cli.help import help_text

        if not line.is_help:
            print(help_text(page_of(line.verb)), end="", file=sys.stderr)
            return Misuse.exit_code
        with _paged(pager, line):
            print(help_text(page_of(line.verb)), end="")
        return 0
    if line.of_group is not None:
        loaded(line.verb.split()[0]).prepare(line.of_group)
    with _paged(pager, line) as say:
        return performed(line.verb, line.request, say)


def _paged(pager: bool, line: CommandLine) -> AbstractContextManager[Say | None]:
    """Return the context for a command's output; its value, if any, takes progress lines."""
    # The pager module takes longer to import than a small program takes to run.
    if pager and sys.stdout.isatty():
        from pfnlab.cli.paging import paged, pages

        if pages(line.request):
            return paged()
    return nullcontext()


def read(words: Sequence[str]) -> CommandLine:
    """Parse the command line; Misuse if a word does not fit anywhere, or one is missing."""
    verb, rest, of_group = "", list(words), None
    while names := verbs_of(verb):
        own, rest = _before_verb(verb, rest)
        if own:
            values = _values(verb, own)
            if values is None:
                return CommandLine(verb, is_help=True)
            # Two dashes alone are not an option, and most groups have no options.
            of_group = request_of(verb)(**values) if values else None
        if not rest:
            default = default_of(verb)
            request = None if default is None else request_of(default)()
            return CommandLine(default or verb, request, of_group=of_group)
        name, *rest = rest
        name, rest = (name, rest) if verb else renamed(name, rest)
        if name not in names:
            whole = f"{verb} {name}".strip()
            moved = MOVED.get(f"{whole} {rest[0]}" if rest else whole, MOVED.get(whole))
            instead = _instead(name, names, verb) if moved is None else f": write pfnlab {moved}"
            raise Misuse(f"no verb {whole!r}{instead}")
        verb = f"{verb} {name}".strip()
    values = _values(verb, rest)
    if values is None:
        return CommandLine(verb, is_help=True)
    if verb == "help" and not {*values} - {"words"} and _is_verb(command := values.get("words", ())):
        return CommandLine(" ".join(command), is_help=True)
    return CommandLine(verb, request_of(verb)(**values), of_group=of_group)


def _is_verb(words: Sequence[str]) -> bool:
    """Return True if *words* name a verb; no words name pfnlab itself."""
    known = verbs_of("")
    if len(words) == 2 and words[0] in known:
        return words[1] in verbs_of(words[0])
    return not words or (len(words) == 1 and words[0] in known)


def _before_verb(group: str, words: list[str]) -> tuple[list[str], list[str]]:
    """Return the options of the group itself, and the words after them."""
    at = 0
    while at < len(words) and words[at].startswith("-"):
        takes = next((len(field.forms) for field in options_of(group) if words[at] in field.names), 0)
        at += 1 + takes
    return words[:at], words[at:]


def _values(verb: str, words: Sequence[str]) -> dict[str, Any] | None:
    """Return the given values by field; None if help was requested. Misuse if a word is not valid."""
    fields = options_of(verb)
    # After two dashes there are only arguments.
    ends = words.index("--") if "--" in words else len(words)
    given, others = _options(verb, fields, words[:ends])
    if given.pop("help", False):
        return None
    if unknown := next((word for word in others if word.startswith("-") and word != "-"), None):
        known = [*(name for field in fields for name in field.all_names), "--help"]
        name = unknown.partition("=")[0]
        raise Misuse(f"{_command(verb)} has no option {name}{_instead(name, known, verb)}")
    given |= _arguments(verb, fields, [*others, *words[ends + 1 :]])
    values = {field.field: _value(field, given[field.field]) for field in fields if field.field in given}
    for field in fields:
        if field.required and field.field not in values:
            option = f" {field.names[-1]} {field.metavar}" if field.names else ""
            raise Misuse(f"{field.name} is missing: write {page_of(verb).usage}{option}")
    return values


def _options(verb: str, fields: Sequence[Option], words: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return each option's words, one list per use, and the other words; Misuse if a value is missing."""
    from argparse import SUPPRESS, ArgumentError, ArgumentParser

    parser = ArgumentParser(
        prog="pfnlab", add_help=False, allow_abbrev=False, argument_default=SUPPRESS, exit_on_error=False
    )
    parser.add_argument("-h", "--help", action="store_true")
    for field in fields:
        if field.form is bool:
            parser.add_argument(*field.names, dest=field.field, action="store_true")
            if field.against:
                parser.add_argument(*field.against, dest=field.field, action="store_false")
        elif field.names:
            # With a number, even 1, Python 3.13 mistakes an option for a value.
            number = len(field.forms) if len(field.forms) > 1 else None
            parser.add_argument(*field.names, dest=field.field, action="append", nargs=number)
    try:
        given, others = parser.parse_known_args(words)
    except ArgumentError as trouble:
        names = (trouble.argument_name or "").split("/")
        valued = [field for field in fields if {*names} & {*field.names} and field.forms]
        if not valued:
            raise Misuse(f"{' or '.join(names)} takes no value: drop it") from None
        raise _lacking(valued[0], words) from None
    uses = vars(given)
    options = {name for field in fields for name in field.all_names}
    for field in fields:
        if field.field not in uses or field.form is bool:
            continue
        if len(field.forms) == 1:
            uses[field.field] = [[word] for word in uses[field.field]]
        elif any(options & {*use} for use in uses[field.field]):
            raise _lacking(field, words)
    return uses, others


def _lacking(field: Option, words: Sequence[str]) -> Misuse:
    """Return the Misuse for an option with too few values."""
    number, name = len(field.forms), field.names[-1]
    needs = "a value" if number == 1 else f"{number} values"
    dashed = [after for word, after in pairwise(words) if word in field.names and after.startswith("-")]
    meant = f", or {name}={dashed[0]} if that is the value" if dashed and number == 1 else ""
    return Misuse(f"{name} needs {needs}: write {name} {field.metavar}{meant}")


def _arguments(verb: str, fields: Iterable[Option], words: list[str]) -> dict[str, Any]:
    """Return the words for each argument; the last argument may take several. Misuse if too many."""
    given: dict[str, Any] = {}
    for field in fields:
        if not field.names and words:
            taken, words = (words, []) if field.many else (words[:1], words[1:])
            given[field.field] = [[word] for word in taken]
    if words:
        raise Misuse(f"unexpected argument: {words[0]!r}; usage: {page_of(verb).usage}")
    return given


def _value(field: Option, uses: Any) -> Any:
    """Return the value of a field; Misuse if a word is not valid.

    :param uses: the value of a flag, otherwise a list of words for each use; the last use counts
    """
    if field.form is bool:
        return uses
    values = [
        tuple(_value_of_word(field, form, word) for form, word in zip(field.forms, use, strict=True))
        for use in (uses if field.many else uses[-1:])
    ]
    if field.many:
        return tuple(value for (value,) in values)
    return values[0] if len(values[0]) > 1 else values[0][0]


def _value_of_word(field: Option, form: Any, word: str) -> Any:
    """Return *word* as a value of type *form*; Misuse if it is not valid."""
    name = field.name
    if word == "":
        wanted = f"{name} {field.metavar}" if field.names else "one"
        raise Misuse(f"{name} is empty: write {wanted}{', or drop it' * (not field.required)}")
    if form is str:
        return word
    if form is Path:
        if os.path.exists(word) and not os.access(word, os.R_OK):
            raise Misuse(f"{name}: {word} is not readable: name another, or change its permissions")
        return Path(word)
    kind = "a whole number" if form is int else "a number"
    try:
        # 7.0 counts as an integer too.
        return form(word.removesuffix(".0") if form is int else word)
    except ValueError:
        raise Misuse(f"{name} {word} is not {kind}: write {name} {field.metavar}") from None


def _command(verb: str) -> str:
    return f"pfnlab {verb}".rstrip()


def _instead(name: str, known: Sequence[str], verb: str) -> str:
    """Return the end of a message: the nearest of *known*, or the command that lists them."""
    from pfnlab.base.spelling import nearest

    by_word = {one.lstrip("-"): one for one in known}
    close = nearest(name.lstrip("-"), by_word)
    if close is None:
        return f": `{_command(verb)} --help` lists them"
    return f": did you mean {by_word[close]}?"
