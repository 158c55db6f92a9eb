"""Shell completion: possible words at the cursor, and the reply to a shell's script."""

import re
import shlex
from collections.abc import Sequence
from contextlib import suppress

from pfnlab.cli import candidates as values
from pfnlab.cli.candidates import Values
from pfnlab.cli.verbs import ALIASES, HELP, page_of, paragraphs_of
from pfnlab.verbs.verb_option import Option

_FILES = values.paths()
_PROGRAMS = values.either(values.program_names, values.paths(".pfn", ".json"))

#: Possible values, by the placeholder for the value in help.
BY_METAVAR: dict[str, Values] = {
    "MACHINE": values.machines,
    "MODEL": values.models,
    "PROGRAM": _PROGRAMS,
    "SERIES": values.series,
    "VERSION": values.either(values.series, values.versions),
    "OTHER": values.either(values.series, values.versions),
    "PROGRAM|PROPERTY|BUG": values.either(_PROGRAMS, values.properties, values.bug_names),
    "K": values.kernels,
    "A": values.own_kernels,
    "B": values.own_kernels,
    "TREE": values.either(values.series, _FILES),
    "TREE|SERIES": values.either(values.series, values.folders),
    "NAME|FILE": values.either(values.scopes, values.paths(".toml")),
    "FILE.py": values.paths(".py"),
    **dict.fromkeys(("FILE|PATH", "FILE|FOLDER", "COMMIT|FILE", "[DEVICE=]FILE", "FILE|-|LINE"), _FILES),
    **dict.fromkeys(("BUNDLE|VMCORE|SOSREPORT|TEXT", "FILE"), _FILES),
    "FIELD,...": values.fields,
    "RESULT": values.paths(".json"),
    "STORE": values.paths(".db"),
    "DISCUSSION": values.discussions,
    "NUMBER": values.either(values.claim_numbers, values.thread_numbers),
    "BUG": values.bug_names,
    "PROPERTY": values.properties,
    "AUTHOR": values.claim_authors,
    "CAMPAIGN.toml": values.paths(".toml"),
    "CAMPAIGN.toml|hunt": values.paths(".toml"),
    "VERDICT": values.words(
        *("differs", "violated", "alarm", "unexpected", "lost"),
        *("agrees", "holds", "undecided", "unstable", "complete"),
    ),
    "DIR": values.folders,
    "FOLDER": values.folders,
    "SEAM=POLICY": values.changes,
    "FRAGMENT": values.either(values.words("lab", "minimal", "debug"), _FILES),
    "ARCH": values.words("x86_64", "i386", "arm64", "arm", "riscv", "powerpc", "s390", "loongarch"),
    "ERRNO": values.words("EACCES", "EAGAIN", "EBUSY", "EINVAL", "ENODEV", "ENOMEM", "ENXIO", "EPERM"),
    "LEVEL": values.words("memory", "proc", "end"),
    "WORD": values.words(),
    **dict.fromkeys(("N", "A:B", "S", "BDF", "PID", "MIB", "DAYS", "URI"), values.words()),
    **dict.fromkeys(("NAME", "TEXT", "ADDRESS", "CAMPAIGN"), values.words()),
}

#: The same for placeholders that mean something else in one verb.
BY_PLACE: dict[tuple[str, str], Values] = {
    ("help", "WORD"): values.helped_words,
    ("check", "--property"): values.properties,
    ("fuzz", "SCOPE"): values.swept_scopes,
    ("review", "DESIGN"): values.words(),
    ("policies show", "NAME"): values.policies,
    ("litmus show", "NAME"): values.program_names,
    ("litmus copy", "NAME"): values.program_names,
    ("kernels fetch", "K"): values.either(values.words("all", "every", "tested"), values.kernels),
    ("kernels rm", "K"): values.either(values.kernels, values.built),
    ("kernels sizes", "K"): values.either(values.kernels, values.built),
    ("kernels meet", "K"): values.own_kernels,
    ("kernels build", "--like"): values.series,
}


def candidates(before: Sequence[str], typed: str) -> dict[str, str]:
    """Return the candidates for the word *typed* after the words *before*, in the order shown.

    A verb or option has a description.
    """
    return {value: says for value, says in _at(before, typed).items() if value.startswith(typed)}


def values_of(verb: str, row: Option) -> Values | None:
    """Return the possible values of an option or argument; None if they are unknown."""
    for place in (*row.names, row.metavar):
        if (verb, place) in BY_PLACE:
            return BY_PLACE[verb, place]
    return values.words(*row.choices) if row.choices else BY_METAVAR.get(row.metavar)


def _at(before: Sequence[str], typed: str) -> dict[str, str]:
    page = page_of("")
    awaited: list[Option] = []
    used: set[str] = set()
    given, ended = 0, False
    for word in before:
        if awaited:
            awaited.pop()
        elif word == "--":
            ended = True
        elif word.startswith("-") and len(word) > 1 and not ended:
            name, equals, _ = word.partition("=")
            row = next((row for row in page.options if name in row.all_names), None)
            used |= set(row.all_names) if row is not None and not row.many else set()
            awaited = [row] * (len(row.forms) - bool(equals)) if row is not None else []
        elif page.verbs:
            verb = word if page.name else ALIASES.get(word, word)
            if verb not in page.verbs:
                return {}
            page, used = page_of(f"{page.name} {verb}".strip()), set()
        else:
            given += 1
    if awaited:
        return _values(page.name, awaited[0], typed)
    name, equals, value = typed.partition("=")
    if typed.startswith("-") and not ended:
        row = next((row for row in page.options if equals and name in row.names and row.forms), None)
        if row is not None:
            return {f"{name}={one}": "" for one in _values(page.name, row, value)}
        return _options(page.options, used)
    if page.verbs:
        return {name: _sentence(paragraphs_of(f"{page.name} {name}".strip())[0]) for name in page.verbs}
    row = next((row for number, row in enumerate(page.arguments) if row.many or number == given), None)
    return _values(page.name, row, typed) if row is not None else _options(page.options, used)


def _options(rows: Sequence[Option], used: set[str]) -> dict[str, str]:
    free = (row for row in (*rows, HELP) if not used.intersection(row.all_names))
    return {name: _sentence(row.help) for row in free for name in row.all_names if name.startswith("--")}


def _values(verb: str, row: Option, typed: str) -> dict[str, str]:
    known = values_of(verb, row)
    return dict.fromkeys(known(typed), "") if known is not None else {}


def _sentence(text: str) -> str:
    """Return the first sentence."""
    return re.split(r"(?<=[.;:]) ", text, maxsplit=1)[0].rstrip(".;:")


# Requests from shells, and the replies.

#: Characters that are special to bash, in a word that it inserts verbatim.
_SPECIAL = re.compile(r"([^A-Za-z0-9_@%+=:,./~-])")


def answer(words: Sequence[str]) -> str:
    """Return the reply to a completion script: one candidate per line.

    bash sends its word breaks and the line up to the cursor, and gets the replacement for the last word (as
    split by bash). Other shells send the words, ending with the one at the cursor, and also get descriptions.

    After an error there are no candidates, because a message would end up in the line being typed.
    """
    with suppress(Exception):
        shell, *rest = words
        if shell == "bash":
            breaks, line = rest
            before, typed = _cut(line)
            return "".join(f"{_for_bash(one, typed, breaks)}\n" for one in candidates(before, typed))
        found = candidates(rest[:-1], rest[-1])
        return "".join(f"{one}\t{says}".rstrip("\t") + "\n" for one, says in found.items())
    return ""


def _cut(line: str) -> tuple[list[str], str]:
    """Split a line into the words before the last one and the last one, without quotes and ``pfnlab``."""
    reader = shlex.shlex(line, posix=True, punctuation_chars=False)
    reader.whitespace_split, reader.commenters = True, ""
    words: list[str] = []
    try:
        words += reader
        open_quote = False
    except ValueError:
        # The quote of the last word is still open.
        words.append(reader.token or "")
        open_quote = True
    if not open_quote and line[-1:].isspace() and not line.endswith("\\ "):
        words.append("")
    return words[1:-1], words[-1] if len(words) > 1 else ""


def _for_bash(candidate: str, typed: str, breaks: str) -> str:
    """Return the replacement for the last part of *typed* in bash; a complete word is followed by a space."""
    kept = max((typed.rfind(letter) for letter in ":=" if letter in breaks), default=-1) + 1
    value = _SPECIAL.sub(r"\\\1", candidate[kept:])
    return value if candidate.endswith(values.OPEN) else f"{value} "
