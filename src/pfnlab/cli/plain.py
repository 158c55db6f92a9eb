"""The common parts of all groups of verbs: their form, and the verb that is the default."""

import shutil
import textwrap
from collections.abc import Callable, Sequence
from functools import partial
from inspect import cleandoc
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from pfnlab.cli.examples import examples_of
from pfnlab.cli.options import function_of
from pfnlab.cli.verb_modules import help_of, performed, request_of
from pfnlab.cli.word_values import without_pydantic

#: Below so many columns an option stands above its meaning, not beside it.
_NARROW = 60

#: The fewest columns that help is written for.
_LEAST = 20


class _WithExamples:
    """Help that fits the terminal, says each verb in a whole sentence, and ends with examples
    (:mod:`pfnlab.cli.examples`).
    """

    if TYPE_CHECKING:

        def format_help(self, ctx: Any, formatter: Any) -> None: ...

    def get_params(self, ctx: Any) -> list[Any]:
        """Its options and arguments; words that leave no question are converted without pydantic."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]
        return [without_pydantic(parameter) for parameter in parameters]

    def get_help(self, ctx: Any) -> str:
        """The help of the verb that *ctx* stands for."""
        formatter = ctx.make_formatter()
        columns = shutil.get_terminal_size().columns
        if columns < _NARROW:
            # The framework writes for fifty columns at least, in two of its own.
            formatter.width = max(columns - 2, _LEAST)
            formatter.write_dl = partial(_stacked, formatter)
        self.format_help(ctx, formatter)
        return str(formatter.getvalue()).rstrip("\n")

    def get_short_help_str(self, limit: int = 0) -> str:
        """The first sentence of the help, which is never cut."""
        said: str = super().get_short_help_str(1 << 20)  # type: ignore[misc]
        return said

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """Write the examples, each with what it does. A command stays on one line, to be copied."""
        examples = examples_of(ctx.command_path.partition(" ")[2])
        if examples:
            formatter.write("\nExamples:\n")
        for line, says in examples:
            formatter.write(f"  {line}\n{_wrapped(f'{says}.', formatter.width, 6)}")


def _stacked(formatter: Any, rows: Sequence[tuple[str, str]], *_: Any, **__: Any) -> None:
    """Write the rows of a definition list, each meaning below what it is of."""
    for first, second in rows:
        formatter.write(_wrapped(first, formatter.width, 2))
        formatter.write(_wrapped(second, formatter.width, 6))


def _wrapped(text: str, width: int, indent: int) -> str:
    """Text in lines of *width* columns; a word that is longer stays whole."""
    margin = " " * indent
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=margin,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return "".join(f"{line}\n" for line in lines)


class _Verb(_WithExamples, TyperCommand):
    pass


class _Late:
    """A command of which the framework needs no more for the list of verbs than its name and its help.

    The rest is made when it is wanted, by *make*.
    """

    def __init__(self, make: Callable[[], Any], help_text: Callable[[], str], **form: Any) -> None:
        self._make, self._help_text = make, help_text
        for known in ("name", "short_help", "hidden", "deprecated"):
            setattr(self, known, form.get(known))

    @property
    def help(self) -> str:
        """Its help, as help and man pages begin with it."""
        return cleandoc(self._help_text())

    def __getattr__(self, part: str) -> Any:
        # What the framework sets in its own constructors; the methods of this class are its own.
        self._whole = self.__dict__.get("_whole") or self._make()
        return getattr(self._whole, part)


class _LateVerb(_Late, _Verb):  # type: ignore[misc]
    pass


class _VerbGroup(_WithExamples, TyperGroup):
    pass


class _LateGroup(_Late, _VerbGroup):  # type: ignore[misc]
    pass


class Verbs(typer.Typer):
    """A group of verbs, whose helps end with examples."""

    def verb(self, verb: str) -> None:
        """Declare a verb of :mod:`pfnlab.verbs` by its whole name, ``kernels meet``."""
        DECLARED.add(verb)

        def make() -> Any:
            alone = Verbs(**PLAIN)
            alone.command()(function_of(verb))
            return typer.main.get_command(alone)

        late = partial(_LateVerb, make, lambda: help_of(verb))
        self.command(verb.rpartition(" ")[2], cls=late)(_nothing)

    def group(self, name: str, verbs: "Verbs") -> None:
        """Declare a group of verbs."""
        late = partial(_LateGroup, lambda: typer.main.get_command(verbs), lambda: verbs.info.help or "")
        self.command(name, cls=late)(_nothing)

    def command(self, *args: Any, **options: Any) -> Callable[[Any], Any]:
        """Declare a verb, as the framework does."""
        return super().command(*args, **{"cls": _Verb, **options})


#: The verbs of :mod:`pfnlab.verbs` that have their place in help.
DECLARED: set[str] = set()


def _nothing() -> None:
    pass


def by_default(verb: str, context: typer.Context) -> int:
    """Do *verb* where no verb of its group is named; the exit code."""
    return 0 if context.invoked_subcommand else performed(verb, request_of(verb)())


PLAIN: dict[str, Any] = {
    "cls": _VerbGroup,
    "add_completion": False,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}
