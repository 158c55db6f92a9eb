"""The verbs of :mod:`pfnlab.verbs` as data: requests, options, help and examples; and how to run them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from keyword import iskeyword
from typing import TYPE_CHECKING, Any, NamedTuple

from pfnlab import verbs
from pfnlab.verbs.verb_option import Option

if TYPE_CHECKING:
    from pfnlab.verbs.option import Say

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


def verbs_of(verb: str) -> tuple[str, ...]:
    """Return the verbs of a group in the order used by help; empty if *verb* is not a group."""
    return () if " " in verb else tuple(getattr(loaded(verb), "VERBS", ()))


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


#: The option that every verb has, and the options of pfnlab itself, which come first.
HELP = Option("Show this message and exit.", names=("-h", "--help"))
OWN = (
    Option("Print the version.", names=("--version",)),
    Option("Print long output at once, without a pager.", names=("--no-pager",)),
)


def options_of(verb: str) -> tuple[Option, ...]:
    """Return the options and arguments of *verb*, in the order of its request's fields."""
    if (request := request_of(verb)) is None:
        return ()
    # Help for all verbs works without this import.
    from pfnlab.verbs.option import options_in

    return options_in(request)


# Help.


class VerbPage(NamedTuple):
    """A verb with the paragraphs of its help; a group also has its verbs, as one list and by heading.

    :param examples: complete commands, each with its effect, as a sentence without a full stop
    """

    words: tuple[str, ...]
    says: tuple[str, ...]
    arguments: tuple[Option, ...]
    options: tuple[Option, ...]
    verbs: tuple[str, ...]
    groups: tuple[tuple[str, tuple[str, ...]], ...]
    examples: tuple[tuple[str, str], ...]

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
        """The paragraphs after the first, except the one about exit codes."""
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


def verb_pages(verb: str = "") -> list[VerbPage]:
    """Return *verb* and the verbs below it (by default all), in the order used by help."""
    below = (page for name in verbs_of(verb) for page in verb_pages(f"{verb} {name}".strip()))
    return [page_of(verb), *below]


def page_of(verb: str) -> VerbPage:
    """Return the page of a verb, given its full name."""
    options, names = options_of(verb), verbs_of(verb)
    groups = getattr(loaded(verb), "GROUPS", {"Commands": names}) if names else {}
    return VerbPage(
        tuple(verb.split()),
        paragraphs_of(verb),
        tuple(one for one in options if not one.names),
        tuple(one for one in options if one.names) or (() if verb else OWN),
        names,
        tuple(groups.items()),
        _examples_of(verb),
    )


def paragraphs_of(verb: str) -> tuple[str, ...]:
    """Return the paragraphs of *verb*'s help, each on one line."""
    return tuple(" ".join(part.split()) for part in help_of(verb).strip().split("\n\n"))


def help_of(verb: str) -> str:
    """Return the docstring of *verb*; a module is not imported for that, to keep the list of verbs quick."""
    if " " in verb:
        return str(request_of(verb).__doc__)
    return _text_of(f"{module_of(verb)}.py").split('"""', 2)[1]


def _examples_of(verb: str) -> tuple[tuple[str, str], ...]:
    _, _, behind = _text_of("examples.txt").partition(f"\n[{verb or 'pfnlab'}]\n")
    lines = [line.strip() for line in behind.partition("\n\n")[0].splitlines()]
    return tuple(zip(lines[::2], lines[1::2], strict=True))


def _text_of(name: str) -> str:
    (folder,) = verbs.__path__
    with open(f"{folder}/{name}", encoding="utf-8") as file:
        return file.read()
