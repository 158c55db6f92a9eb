"""Syntax highlighting for programs: a neutral table of the language's words and where they go in a line.

Editor grammars are generated from this table (``tools/make_editors.py``), as is ``tokens.json`` for other
highlighters. Each line starts in the context ``line``. At each character that is not a space, the first
matching rule of the context determines the token, and the context for the rest of the line. The last rules of
each context match anything, so every character belongs to a token.
"""

import re
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, get_args

from pfnlab.programs.lang import words
from pfnlab.programs.lang.areas import VVAR
from pfnlab.programs.lang.device_ops import DRIVER_RAM, IOREMAP_NUMBERS, MEMREMAP_NUMBERS, MOVED_BAR
from pfnlab.programs.lang.fields import Shape, Word
from pfnlab.programs.lang.ops import MAIN_TASK
from pfnlab.programs.lang.process_ops import ADVICE, LIMITS, POLICIES
from pfnlab.programs.lang.walk_ops import CLEARED_REFS

#: The kinds of tokens. ``text`` is a title or question, ``mark`` a bracket or other sign, ``builtin`` memory
#: that needs no declaration, and ``error`` a misplaced token.
TokenKind = Literal[
    "keyword",
    "operation",
    "task",
    "name",
    "builtin",
    "function",
    "mode",
    "option",
    "number",
    "unit",
    "text",
    "mark",
    "comment",
    "error",
]
KINDS_OF_TOKEN: tuple[TokenKind, ...] = get_args(TokenKind)
_WORD = r"[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)*-?"
_END = r"(?![A-Za-z0-9_-])"
_NAME = r"[a-z][a-z0-9_]{0,11}" + _END
_NUMBER = r"-?(?:0[xX][0-9a-fA-F]+|[0-9]+)" + _END


class TokenRule(NamedTuple):
    """One rule in a context: words, or a pattern.

    Patterns use only what Python, JavaScript and Oniguruma regular expressions have in common; they may
    look ahead but not behind.

    :param words: these words, each as a whole; empty if there is a pattern
    :param context: the context for the text that follows; empty to keep the context
    """

    token: TokenKind
    words: tuple[str, ...] = ()
    pattern: str = ""
    context: str = ""

    @property
    def regex(self) -> str:
        """The rule as a single regular expression."""
        return self.pattern or f"(?:{'|'.join(map(re.escape, self.words))}){_END}".replace(r"\-", "-")


def contexts() -> dict[str, tuple[TokenRule, ...]]:
    """All contexts by name, starting with the one for the beginning of a line."""
    name, number = TokenRule("name", pattern=_NAME), TokenRule("number", pattern=_NUMBER)
    brackets = TokenRule("mark", pattern=r"[:\[\]]")
    modes = TokenRule("mode", _once((*words.MODES, *IOREMAP_NUMBERS, *MEMREMAP_NUMBERS, *words.DRIVER_MODES)))
    builtin = TokenRule("builtin", (*words.NO_DEVICE, VVAR, DRIVER_RAM, MOVED_BAR), context="arguments")
    by_word = [(words.word_of(kind), row) for kind, row in words.ROWS.items()]
    verbs_on = {
        "end": words.PLAIN_VERBS,
        "birth": ("fork", "thread"),
        "protected": tuple(word for word, row in by_word if row.fields[:2] == (Shape.RANGE, Shape.PROT)),
        "advised": ("madvise",),
        "remote": ("process_madvise",),
        "bound": ("mbind",),
        "cleared": ("clear_refs",),
        "limited": ("setrlimit",),
        "reaping": words.TASK_VERBS,
        "released": words.HELD_VERBS,
        "mapped": ("remap_file_pages",),
    }
    special = {verb for verbs in verbs_on.values() for verb in verbs}
    others = [field for word, row in by_word if word not in special for field in row.fields]
    declared = (word for field in others if isinstance(field, Word) for word in field.numbers)
    options = (
        *words.VIAS,
        *words.DRIVER_HOW,
        *words.MMAP_WORDS,
        *words.MREMAP_WORDS,
        *words.UNMAP_WORDS,
        *words.FLAGS,
        *words.NODES,
        *declared,
    )
    return {
        "line": _closed(
            TokenRule("keyword", ("title", "asks"), context="text"),
            # A word before `=` or `:` is a name, or meant to be one.
            TokenRule("name", pattern=r"[a-z][a-z0-9_]{0,11}(?=[ \t]*=)"),
            TokenRule("task", (MAIN_TASK,)),
            TokenRule("task", pattern=r"[a-z][a-z0-9_]{0,11}(?=[ \t]*:)"),
            TokenRule("mark", pattern=r"[=:]"),
            TokenRule("keyword", ("pfnlab",), context="version"),
            TokenRule("keyword", ("thp",), context="setting"),
            TokenRule("keyword", ("device", "area"), context="declaration"),
            TokenRule("keyword", ("expect",), context="expectation"),
            TokenRule("keyword", tuple(words.PREFIXES), context="call"),
            *(TokenRule("operation", verbs, context=context) for context, verbs in verbs_on.items()),
            TokenRule(
                "operation", tuple(verb for verb in words.VERBS if verb not in special), context="operand"
            ),
            TokenRule("comment", pattern="#.*"),
            # Not an operation, or not yet: the rest is coloured as if it were one.
            TokenRule("error", pattern=_WORD, context="operand"),
        ),
        "text": (TokenRule("text", pattern=r"[^ \t].*"),),
        "version": _closed(TokenRule("keyword", ("program",)), number),
        "setting": _closed(TokenRule("option", tuple(words.THP))),
        "declaration": _closed(
            TokenRule("name", pattern=_NAME[: -len(_END)] + r"(?=[ \t]*:)"),
            TokenRule("option", tuple(words.KINDS)),
            TokenRule("unit", tuple(words.UNITS)),
            number,
            TokenRule("mark", pattern="[:,]"),
        ),
        "expectation": _closed(
            TokenRule("number", pattern=r"[0-9]+\.[0-9]+(?:\.[0-9]+|-rc[0-9]+)?" + r"(?![A-Za-z0-9_])"),
            TokenRule("mark", pattern=r"\.\.|[,:\[\]]"),
            TokenRule("keyword", ("nothing", "left", "leaked", "keeps")),
            modes,
            name,
            number,
        ),
        # The kernel function call in a prefix, up to the colon.
        "call": _closed(
            TokenRule("keyword", ("in", "return")),
            TokenRule("mark", pattern=":", context="line"),
            TokenRule("function", pattern=r"[A-Za-z_][A-Za-z0-9_]{0,63}" + _END),
            number,
        ),
        # An area or a device, whose name may be any word that is not in the language.
        "operand": _closed(builtin, TokenRule("name", pattern=_NAME, context="arguments")),
        "mapped": _closed(brackets, number, TokenRule("name", pattern=_NAME, context="source")),
        # For remap_file_pages: the rest of the area's pages, then the device.
        "source": _closed(brackets, number, builtin, TokenRule("name", pattern=_NAME, context="arguments")),
        "protected": _closed(TokenRule("name", pattern=_NAME, context="protection")),
        "protection": _closed(
            brackets, number, TokenRule("option", tuple(sorted(words.PROTS)), context="arguments")
        ),
        "advised": _closed(TokenRule("name", pattern=_NAME, context="advice")),
        "advice": _closed(brackets, number, TokenRule("option", tuple(ADVICE))),
        "remote": _closed(TokenRule("name", pattern=_NAME, context="remote_advice")),
        "remote_advice": _closed(brackets, number, TokenRule("option", tuple(ADVICE), context="target")),
        "target": _closed(TokenRule("task", pattern=_NAME)),
        "bound": _closed(TokenRule("name", pattern=_NAME, context="policy")),
        "policy": _closed(brackets, number, TokenRule("option", tuple(POLICIES), context="arguments")),
        "cleared": _closed(TokenRule("option", tuple(CLEARED_REFS))),
        "limited": _closed(TokenRule("option", tuple(LIMITS), context="room")),
        "room": _closed(
            TokenRule("mark", pattern=r"\+"),
            TokenRule("option", (words.UNLIMITED,)),
            TokenRule("unit", tuple(words.UNITS)),
            number,
        ),
        "reaping": _closed(TokenRule("task", pattern=_NAME, context="arguments")),
        "released": _closed(TokenRule("task", pattern=_NAME)),
        "birth": _closed(TokenRule("option", tuple(words.FORK_WORDS))),
        "end": _closed(),
        "arguments": _closed(
            TokenRule("option", tuple(words.SHARING), context="protection"),
            TokenRule("keyword", ("over",), context="operand"),
            TokenRule("keyword", ("at", "bytes", "byte")),
            modes,
            TokenRule(
                "option", _once(word for word in options if word not in modes.words and word != "over")
            ),
            TokenRule("unit", tuple(words.UNITS)),
            number,
            brackets,
        ),
    }


def _closed(*rules: TokenRule) -> tuple[TokenRule, ...]:
    """*rules*, followed by rules for a comment and for anything else."""
    return (
        *rules,
        TokenRule("comment", pattern="#.*"),
        TokenRule("error", pattern=_WORD),
        TokenRule("error", pattern=r"[^ \t]"),
    )


def _once(words: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(words))


def token_table() -> dict[str, Any]:
    """The table as in ``tokens.json``: the rules of every context, each as ``[token, pattern, context]``."""
    return {
        "format": "pfnlab-tokens/1",
        "start": "line",
        "space": "[ \\t]+",
        "tokens": list(KINDS_OF_TOKEN),
        "contexts": {
            context: [[rule.token, rule.regex, rule.context or context] for rule in rules]
            for context, rules in contexts().items()
        },
    }
