"""Explain a word: a term, command, kernel function, operation, property, bug, rule, message or JSON key.

A log line or part of one is looked up among the messages. Without a word, list the commands.

Exit codes: 0 explained, 2 unknown word (the nearest known words are suggested).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pfnlab.base.errors import Misuse
from pfnlab.base.result import PlainText
from pfnlab.verbs.option import Option, Request, Say

#: An identifier of the kernel.
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]*(?:\(\))?")


class HelpRequest(Request, frozen=True, kw_only=True):
    words: Annotated[
        tuple[str, ...],
        Option(
            "A word, e.g. book, untrack_pfn, A06, no_leak or S9.3; or a command, e.g. kernels build.",
            "WORD",
            positional=True,
        ),
    ] = ()
    schema: Annotated[
        bool, Option("Print the JSON Schema of a command's JSON results, e.g. run or kernels meet.")
    ] = False
    completion: Annotated[
        str | None, Option("Print the completion script for a shell.", "bash|zsh|fish", takes="")
    ] = None


def perform(request: HelpRequest, say: Say) -> Iterator[PlainText]:
    """Print every meaning of the word, a schema or a script; Misuse if there is no meaning or schema.

    Help for commands is printed by the command line itself.
    """
    word = " ".join(request.words)
    if request.completion is not None:
        from importlib.resources import files

        script = files(__package__).joinpath("shells", f"pfnlab.{request.completion}")
        yield PlainText(script.read_text(encoding="utf-8"))
        return
    if request.schema:
        from pfnlab.base.schema_files import schema_text

        yield PlainText(schema_text(word))
        return
    from pfnlab.base.terminal_text import PROSE, terminal_width
    from pfnlab.present.document.terminal import text_of
    from pfnlab.verbs.word_meanings import meanings

    found = meanings(word)
    if not found:
        raise Misuse(f"no help for {word!r}{_instead(word)}")
    blocks = (block for one in found for block in one.blocks())
    yield PlainText(text_of(blocks, terminal_width(PROSE)))


def _instead(word: str) -> str:
    """Return the end of a message: the nearest known words, or the command that searches texts."""
    from pfnlab.base.inert import shell_word
    from pfnlab.base.spelling import near_words
    from pfnlab.kernel.functions.known_functions import kernel_functions
    from pfnlab.verbs.pfnlab import VERBS
    from pfnlab.verbs.word_meanings import known_words

    # An identifier that is only somewhat like a known word is more often another function than a misspelling.
    is_identifier = _IDENTIFIER.fullmatch(word) is not None
    close = near_words(word, (*VERBS, *known_words()), likeness=0.8 if is_identifier else 0.7)
    if not close:
        described = f"it is not one of the {len(kernel_functions())} that pfnlab describes"
        outside = f" if it is a kernel function, {described};" if is_identifier else ""
        return (
            f":{outside} `pfnlab bugs find {shell_word(word)}` searches bugs, messages, programs and claims"
        )
    return f": did you mean {', '.join(close[:-1])}{' or ' * bool(close[:-1])}{close[-1]}?"
