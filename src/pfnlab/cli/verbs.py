"""Every verb as data for help, man pages, the reference and completion."""

from collections.abc import Iterator
from typing import NamedTuple

from pfnlab.cli.verb_modules import OptionField, examples_of, groups_of, help_of, option_fields, verbs_of


class Example(NamedTuple):
    """An example of a verb: a complete command and its effect, as a sentence without a full stop."""

    line: str
    says: str


class VerbOption(NamedTuple):
    """One option or argument of a verb.

    :param names: ``("-o", "--output")``; empty for an argument
    :param metavar: the placeholder for its value in help, e.g. ``FILE``; empty if it takes none
    :param says: its help text
    :param values: the number of values in one use
    :param many: whether it may be repeated
    :param required: whether it is required
    :param limits: its default and bounds, e.g. ``default: 30; x>=0``; empty if it has none
    """

    names: tuple[str, ...]
    metavar: str
    says: str
    values: int = 0
    many: bool = False
    required: bool = False
    limits: str = ""

    @property
    def word(self) -> str:
        """Return an argument as shown in a command: ``PROGRAM...``, or ``[OTHER]`` if it is optional."""
        word = self.metavar + ("..." if self.many and not self.metavar.endswith("...") else "")
        return word if self.required or word.startswith("[") else f"[{word}]"


#: The option that every verb has, and the options of pfnlab itself, which come first.
HELP = VerbOption(("-h", "--help"), "", "Show this message and exit.")
OWN = (
    VerbOption(("--version",), "", "Print the version."),
    VerbOption(("--no-pager",), "", "Print long output at once, without a pager."),
)


class VerbPage(NamedTuple):
    """A verb with the paragraphs of its help; a group also has its verbs, as one list and by heading."""

    words: tuple[str, ...]
    says: tuple[str, ...]
    arguments: tuple[VerbOption, ...]
    options: tuple[VerbOption, ...]
    verbs: tuple[str, ...]
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    examples: tuple[Example, ...]

    @property
    def name(self) -> str:
        """The full name, e.g. ``kernels build``; ``""`` for pfnlab itself."""
        return " ".join(self.words)

    @property
    def summary(self) -> str:
        """The first paragraph of the help text."""
        return self.says[0]

    @property
    def paragraphs(self) -> tuple[str, ...]:
        """The other paragraphs, except the one about exit codes."""
        return tuple(text for text in self.says[1:] if not text.startswith("Exit codes"))

    @property
    def exit_codes(self) -> str:
        """The paragraph about exit codes; empty if the verb has the usual ones."""
        return next((text for text in self.says if text.startswith("Exit codes")), "")

    @property
    def usage(self) -> str:
        """The usage line, e.g. ``pfnlab kernels rm [OPTIONS] K...``."""
        words = [row.word for row in self.arguments] or (["COMMAND [ARGS]..."] if self.verbs else [])
        return " ".join(["pfnlab", *self.words, "[OPTIONS]", *words])


def verb_pages() -> list[VerbPage]:
    """Return every verb in the order used by help, pfnlab itself first."""
    return list(_walk(""))


def _walk(verb: str) -> Iterator[VerbPage]:
    yield page_of(verb)
    for name in verbs_of(verb):
        yield from _walk(f"{verb} {name}".strip())


def page_of(verb: str) -> VerbPage:
    """Return the page of a verb, given its full name."""
    rows = [(field.option.positional, option_of(field)) for field in option_fields(verb)]
    return VerbPage(
        tuple(verb.split()),
        paragraphs_of(verb),
        tuple(row for is_argument, row in rows if is_argument),
        tuple(row for is_argument, row in rows if not is_argument) or (OWN if not verb else ()),
        verbs_of(verb),
        groups_of(verb),
        tuple(Example(*example) for example in examples_of(verb)),
    )


def paragraphs_of(verb: str) -> tuple[str, ...]:
    """Return the paragraphs of *verb*'s help, each on one line."""
    return tuple(" ".join(part.split()) for part in help_of(verb).strip().split("\n\n"))


def option_of(field: OptionField) -> VerbOption:
    """Return a field of a request in the form that help describes."""
    option = field.option
    return VerbOption(
        (*field.names, *field.against),
        "" if field.form is bool else option.metavar or field.name.upper(),
        option.help,
        len(field.forms),
        field.is_several,
        field.required,
        "; ".join(_limits(field)),
    )


def _limits(field: OptionField) -> Iterator[str]:
    least, largest = field.option.min, field.option.max
    if field.required and field.names:
        yield "required"
    if field.against:
        yield f"default: {field.names[0]}"
    elif not field.required and not (field.default in (None, ()) or field.default is False):
        yield f"default: {field.default}"
    if least is not None and largest is not None:
        yield f"{least:g}<=x<={largest:g}"
    elif least is not None or largest is not None:
        yield f"x>={least:g}" if least is not None else f"x<={largest:g}"
