"""Every meaning of a word that pfnlab prints or accepts, for ``pfnlab help WORD``.

A word is a glossary term, kernel function, property, bug, rule, message, switch, policy, program, errno,
operation, thread or defect of the discussions, or ``--json`` key. The texts come from the data of each part;
this module itself contains no explanations.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from pfnlab.base.inert import shell_word
from pfnlab.base.terminal_text import linkless
from pfnlab.present.document.blocks import Block, named_rows

if TYPE_CHECKING:
    from pfnlab.kernel.functions.rule_texts import Rule

#: The maximum number of JSON keys with one name that are listed, and of lines of a rule's text.
_MOST_KEYS, _MOST_LINES = 6, 16

#: The maximum number of rules that are listed for an identifier.
_MOST_RULES = 4

#: The minimum length of a message part that is looked up.
_LEAST_LETTERS = 6


class WordMeaning(NamedTuple):
    """One meaning of a word.

    :param kind: its kind, e.g. ``property`` or ``bug``
    :param name: the word, spelled as in its source
    :param says: its paragraphs
    :param more: the command that shows everything about it; empty if there is none
    """

    kind: str
    name: str
    says: tuple[str, ...]
    more: str = ""

    def blocks(self) -> Iterator[Block]:
        """Yield its paragraphs, and the command."""
        rows = ((text,) for text in (*self.says, *filter(None, (self.more,))))
        yield from named_rows(f"{self.name} ({self.kind})", rows, ("",))


#: Whether a meaning is of the word that is looked up, given all its names.
_Named = Callable[..., bool]


def meanings(word: str) -> list[WordMeaning]:
    """Return every meaning of *word*, ignoring case."""
    wanted = " ".join(word.split())
    plain = {wanted.casefold(), wanted.casefold().removesuffix("()")}

    def named(*names: str) -> bool:
        return any(name.casefold() in plain for name in names)

    found = [meaning for source in _SOURCES for meaning in source(wanted, named)]
    return found or [*_named_by_rules(wanted), *_messages_with(wanted)]


def known_words() -> list[str]:
    """Return every word that has a meaning, for suggestions."""
    words: list[str] = []

    def noted(*names: str) -> bool:
        words.extend(names)
        return False

    for source in _SOURCES:
        for _ in source("", noted):
            pass
    return words


def _of_glossary(word: str, named: _Named) -> Iterator[WordMeaning]:
    from pfnlab.kernel.functions.rule_texts import glossary, rules_about

    for name, meaning in glossary().items():
        if named(*dict.fromkeys((name, *(part for part in name.split(", ") if part != "...")))):
            rules = rules_about(word)
            more = f"pfnlab help {shell_word(rules[0].number)}" if rules else ""
            yield WordMeaning("word", name, (meaning, *_links(rules), *_related(word)), more)


def _links(rules: Sequence[Rule]) -> Iterator[str]:
    """Yield the rules and their pages: ``Rules: S3.6 untrack_pfn (docs/semantics/S3.md)``."""
    if rules:
        pages = groupby(rules, key=lambda rule: rule.number.partition(".")[0])
        named = (
            f"{', '.join(f'{rule.number} {rule.title}' for rule in members)} (docs/semantics/{page}.md)"
            for page, members in pages
        )
        yield f"Rules: {'; '.join(named)}."


def _related(word: str) -> Iterator[str]:
    """Yield the properties for which the seam of a word is responsible, or whose sentences contain it."""
    from pfnlab.checker.judging.run_properties import PROPERTIES
    from pfnlab.checker.scopes.properties import MODEL_PROPERTIES

    plain = word.casefold()
    # An untrack is the work of a tracker, a walk that of a walker.
    names = [
        one.name
        for one in MODEL_PROPERTIES.values()
        if one.seam is not None and one.seam.removesuffix("er") in plain
    ]
    names = names or [name for name, one in PROPERTIES.items() if plain in one.asks.casefold()]
    if names:
        yield f"Properties: {', '.join(names)}."


def _properties(word: str, named: _Named) -> Iterator[WordMeaning]:
    from pfnlab.checker.judging.run_properties import PROPERTIES
    from pfnlab.kernel.bugs.known_bugs import all_bugs

    for name, one in PROPERTIES.items():
        if not named(name):
            continue
        says = [f"{one.asks}."]
        if one.happens:
            says += [f"Violated: {one.happens}.", f"Noticed by: {one.noticed}."]
        having = [one.number for one in all_bugs() if name in one.breaks]
        if having:
            says.append(f"Bugs that violate it: {', '.join(having)}.")
        more = f"pfnlab bugs list --breaks {name}" if having else ""
        yield WordMeaning("property", name, tuple(says), more)


def _functions(word: str, named: _Named) -> Iterator[WordMeaning]:
    from pfnlab.kernel.functions.function_lines import function_says, releases_of
    from pfnlab.kernel.functions.known_functions import kernel_functions

    for name, one in kernel_functions().items():
        if named(name):
            kind = ", ".join(filter(None, ("kernel function", releases_of(one))))
            yield WordMeaning(
                kind, one.name, tuple(function_says(one)), f"pfnlab help {shell_word(one.rules[0])}"
            )


def _bugs(word: str, named: _Named) -> Iterator[WordMeaning]:
    from pfnlab.kernel.bugs.known_bugs import all_bugs

    for one in all_bugs():
        if named(*filter(None, (one.number, one.cve, one.title))):
            rows = ("Kernels", one.dated.having), ("Triggered by", one.trigger), ("Visible", one.see)
            says = (linkless(one.what), *(f"{name}: {linkless(text)}" for name, text in rows if text))
            title = f"{one.kind}, {one.title}" if one.title else str(one.kind)
            yield WordMeaning(title, one.number, says, f"pfnlab bugs show {one.number}")


def _rules(word: str, named: _Named) -> Iterator[WordMeaning]:
    from pfnlab.kernel.functions.rule_texts import find_rule, rule_numbers

    numbers = rule_numbers()
    for number in numbers:
        if not named(number):
            continue
        rule = find_rule(number)
        steps = [step for step in numbers if step.rpartition(".")[0] == number]
        if not steps:
            says: tuple[str, ...] = tuple(linkless(rule.text).split("\n"))
        else:
            firsts = (find_rule(step) for step in steps)
            says = tuple(f"{one.number} {_first_sentence(one.title, one.text)}" for one in firsts)
        title = rule.title if rule.title not in numbers else find_rule(rule.title).title
        about = (f"Kernel: {rule.kernel.rstrip('.')}.",) if rule.kernel else ()
        left = len(says) - _MOST_LINES
        cut = (f"{left} more in docs/semantics/{number.split('.')[0]}.md.",) if left > 0 else ()
        yield WordMeaning("rule", f"{number} {title}", (*says[:_MOST_LINES], *about, *cut))


def _first_sentence(title: str, text: str) -> str:
    """Return the first sentence of a step, or the title of a section."""
    if re.match(r"[A-Z][a-z ]+:", text):
        return title
    return re.split(r"(?<=[.:]) ", linkless(" ".join(text.split())), maxsplit=1)[0]


def _families(word: str, named: _Named) -> Iterator[WordMeaning]:
    from pfnlab.diagnosis.messages.family_files import families

    for one in families():
        if named(one.name):
            yield _of_family(one)


def _messages_with(text: str) -> Iterator[WordMeaning]:
    """Yield the message that a line belongs to, or the messages that contain *text*."""
    from pfnlab.diagnosis.messages.family_files import families
    from pfnlab.diagnosis.messages.matching import matcher

    if len(text) < _LEAST_LETTERS:
        return
    if match := matcher().whole(text):
        yield _of_family(match.family)
        return
    plain = text.casefold()
    for one in families():
        if any(plain in wording.text.casefold() for wording in one.wording):
            yield _of_family(one)


def _of_family(one: Any) -> WordMeaning:
    says = [
        one.title[:1].upper() + one.title[1:] + ".",
        linkless(one.meaning),
        f"Printed as: {one.wording[0].text}",
    ]
    says += [f"Do: {linkless(advice.do)}" for advice in one.advice[:1]]
    says += [f"Known bugs with this effect: {', '.join(one.bugs)}."] if one.bugs else []
    return WordMeaning("message", one.name, tuple(says), "pfnlab explain 'LINE'")


def _switches(word: str, named: _Named) -> Iterator[WordMeaning]:
    from pfnlab.kernel.policies.switches import SWITCHES, briefly
    from pfnlab.verbs.profile_lines import span

    for one in SWITCHES:
        if named(one.name):
            known = f"; {briefly(one.known_by)}" if one.known_by else ""
            says = (linkless(one.says), f"Kernels: {span(one)} ({one.source}{known}).")
            yield WordMeaning("switch", one.name, says, f"pfnlab run PROGRAM --on model:7.3,{one.name}=on")


def _policies(word: str, named: _Named) -> Iterator[WordMeaning]:
    from pfnlab.kernel.policies import SEAM_OF
    from pfnlab.kernel.policies.seams import VM_PAT_ERAS
    from pfnlab.kernel.policies.shipped_policies import all_policies

    for one in all_policies():
        if named(one.name):
            seam = SEAM_OF.get(one.seam, "report")
            says = tuple(" ".join(part.split()) for part in one.says.replace("``", "").split("\n\n")[:3])
            yield WordMeaning(
                f"policy, {seam}", one.name, says, f"pfnlab policies show {shell_word(one.name)}"
            )
    for name, text in VM_PAT_ERAS.items():
        if named(name):
            yield WordMeaning("policy, tracker", name, (text,), f"pfnlab policies show {shell_word(name)}")


def _errnos(word: str, named: _Named) -> Iterator[WordMeaning]:
    from pfnlab.diagnosis.messages.errno_causes import known_errnos

    for name in known_errnos():
        if named(name):
            says = ("A failed call; its causes depend on the call and the file.",)
            yield WordMeaning("errno", name, says, f"pfnlab explain --errno {name} mmap resource0")


def _programs(word: str, named: _Named) -> Iterator[WordMeaning]:
    from pfnlab.programs.lang.library_list import library_entries

    for one in library_entries():
        if named(one.name):
            yield WordMeaning(
                "program", one.name, (linkless(one.question),), f"pfnlab run {shell_word(one.name)}"
            )


@cache
def _operations_by_word() -> dict[str, str]:
    """Return the first paragraph of each operation's docstring, by word and verb of the language."""
    from inspect import cleandoc

    from pfnlab.programs.lang.words import ROWS, ByHand, verbs_of, word_of

    found = {}
    for kind in (*ROWS, *get_args(ByHand)):
        text = re.split(r"\n\s*\n?:|\n\n", cleandoc(kind.__doc__ or ""))[0]
        text = " ".join(re.sub(r":\w+:`~?([^`]+)`", r"\1", text).replace("``", "`").split())
        words = (word_of(kind), *(verbs_of(kind) if kind in ROWS else ()))
        found.update(dict.fromkeys(words, text))
    return found


def _operations(word: str, named: _Named) -> Iterator[WordMeaning]:
    from pfnlab.kernel.functions.rule_texts import rules_about

    for name, text in _operations_by_word().items():
        if named(name):
            yield WordMeaning(
                "operation of programs",
                name,
                (text, *_links(rules_about(name)), "Form: docs/programs.md."),
                f"pfnlab litmus list --grep {shell_word(name)}",
            )


@cache
def _posted() -> dict[str, tuple[str, str]]:
    """Return the kind and the text of each thread and each defect of a posted patch, by number."""
    from pfnlab.discussions.posted_threads import posted_threads

    found = {}
    for thread in posted_threads():
        found[thread.number] = (f"thread of the mailing list, {thread.years}", f"{thread.title}.")
        for defect in thread.defects:
            kind = f"defect of a posted patch, thread {thread.number}"
            found[defect.number] = (kind, linkless(" ".join(defect.scenario.split())))
    return found


def _threads_and_defects(word: str, named: _Named) -> Iterator[WordMeaning]:
    for number, (kind, text) in _posted().items():
        if named(number):
            yield WordMeaning(kind, number, (text,), f"pfnlab discussions show {number}")


def _named_by_rules(word: str) -> Iterator[WordMeaning]:
    """Yield the sections that name an identifier of the kernel, e.g. a function without a text."""
    from pfnlab.kernel.functions.rule_texts import rules_naming

    name = word.removesuffix("()")
    if "_" in name and name.isidentifier() and (rules := rules_naming(name)[:_MOST_RULES]):
        more = f"pfnlab help {shell_word(rules[0].number)}"
        yield WordMeaning("named by the rules", name, tuple(_links(rules)), more)


@cache
def _keys() -> dict[str, dict[str, list[str]]]:
    """Return the keys of every ``--json`` output, each with its descriptions and the formats that have it."""
    keys: dict[str, dict[str, list[str]]] = {}
    for file in sorted(files("pfnlab.base").joinpath("schemas").iterdir(), key=lambda file: file.name):
        _note(json.loads(file.read_text(encoding="utf-8")), file.name.partition(".")[0], keys)
    return keys


def _note(schema: Any, form: str, keys: dict[str, dict[str, list[str]]]) -> None:
    """Record the keys in one part of a schema."""
    if isinstance(schema, list):
        for part in schema:
            _note(part, form, keys)
    if not isinstance(schema, dict):
        return
    properties = schema.get("properties")
    for name, about in properties.items() if isinstance(properties, dict) else ():
        if isinstance(about, dict) and "description" in about:
            forms = keys.setdefault(name, {}).setdefault(about["description"], [])
            if form not in forms:
                forms.append(form)
    for part in schema.values():
        _note(part, form, keys)


def _json_keys(word: str, named: _Named) -> Iterator[WordMeaning]:
    for name, said in _keys().items():
        # The case of a key counts.
        if named(name) and word == name:
            rows = [f"{', '.join(forms)}: {text}" for text, forms in said.items()]
            left = len(rows) - _MOST_KEYS
            cut = (f"{left} more formats have this key.",) if left > 0 else ()
            form = next(iter(said.values()))[0].replace("-", " ")
            yield WordMeaning(
                "key of --json", name, (*rows[:_MOST_KEYS], *cut), f"pfnlab help --schema {form}"
            )


#: The lookups, in the order of an answer.
_SOURCES: tuple[Callable[[str, _Named], Iterator[WordMeaning]], ...] = (
    *(_of_glossary, _functions, _bugs, _rules, _properties, _families, _switches, _policies, _errnos),
    *(_operations, _threads_and_defects, _programs, _json_keys),
)
