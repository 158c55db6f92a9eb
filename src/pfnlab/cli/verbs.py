"""Every verb as data: what help says of it, for man pages, the reference and shell completion."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, NamedTuple

from pfnlab.cli.examples import Example, examples_of


class VerbOption(NamedTuple):
    """One option or argument of a verb.

    :param names: ``("-o", "--output")``; of an argument none
    :param metavar: what stands for its value, ``FILE``; empty where it takes none
    :param says: its help
    :param values: how many values one use of it takes
    :param many: whether it may be given several times
    :param required: whether it must be given
    """

    names: tuple[str, ...]
    metavar: str
    says: str
    values: int
    many: bool
    required: bool


class VerbPage(NamedTuple):
    """One verb, or a group of them.

    :param words: ``("kernels", "build")``; of pfnlab itself none
    :param summary: the first paragraph of its help
    :param paragraphs: the others
    :param exit_codes: the paragraph about exit codes, empty where those of every verb hold
    :param verbs: the names of the verbs of a group
    """

    words: tuple[str, ...]
    summary: str
    paragraphs: tuple[str, ...]
    exit_codes: str
    arguments: tuple[VerbOption, ...]
    options: tuple[VerbOption, ...]
    verbs: tuple[str, ...]

    @property
    def name(self) -> str:
        """``kernels build``; of pfnlab itself ``""``."""
        return " ".join(self.words)

    @property
    def examples(self) -> tuple[Example, ...]:
        """Its examples."""
        return examples_of(self.name)


def framework_command() -> Any:
    """All of pfnlab as one command of the framework, with its verbs below ``commands``."""
    import typer

    from pfnlab.cli.app import app

    return typer.main.get_command(app)


def verb_pages() -> list[VerbPage]:
    """Every verb in the order of help, pfnlab itself first."""
    return list(_walk(framework_command(), ()))


def _walk(command: Any, words: tuple[str, ...]) -> Iterator[VerbPage]:
    paragraphs = [" ".join(part.split()) for part in inspect.cleandoc(command.help or "").split("\n\n")]
    codes = [text for text in paragraphs if text.startswith("Exit codes")]
    rows = [(parameter, option_of(parameter)) for parameter in command.params]
    verbs = getattr(command, "commands", {})
    yield VerbPage(
        words,
        paragraphs[0],
        tuple(text for text in paragraphs[1:] if text not in codes),
        codes[0] if codes else "",
        tuple(row for parameter, row in rows if is_argument(parameter)),
        tuple(row for parameter, row in rows if not is_argument(parameter)),
        tuple(verbs),
    )
    for name, verb in verbs.items():
        yield from _walk(verb, (*words, name))


def is_argument(parameter: Any) -> bool:
    """True where a parameter of the framework is an argument, not an option."""
    return not str(parameter.opts[0]).startswith("-")


def option_of(parameter: Any) -> VerbOption:
    """A parameter of the framework as data."""
    flag = getattr(parameter, "is_flag", False)
    return VerbOption(
        () if is_argument(parameter) else (*parameter.opts, *parameter.secondary_opts),
        "" if flag else parameter.metavar or parameter.name.upper(),
        getattr(parameter, "help", None) or "",
        0 if flag else abs(parameter.nargs),
        bool(getattr(parameter, "multiple", False)) or parameter.nargs < 0,
        bool(parameter.required),
    )
