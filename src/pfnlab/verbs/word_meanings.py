"""Every meaning of a word that pfnlab prints or accepts, for ``pfnlab help WORD``.

A word is a glossary term, kernel function, property, bug, rule, message, switch, policy, program, errno,
operation, thread or defect of the discussions, or ``--json`` key. The texts come from the data of each part;
this module itself contains no explanations.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from importlib.resources import files
from inspect import cleandoc
from itertools import groupby
from typing import Any, NamedTuple, get_args

from pfnlab.base.inert import shell_word
from pfnlab.base.terminal_text import linkless
from pfnlab.checker.judging.run_properties import PROPERTIES
from pfnlab.checker.scopes.properties import MODEL_PROPERTIES
from pfnlab.diagnosis.messages.errno_causes import known_errnos
from pfnlab.diagnosis.messages.family_files import families
from pfnlab.diagnosis.messages.matching import matcher
from pfnlab.discussions.posted_threads import posted_threads
from pfnlab.kernel.bugs.known_bugs import all_bugs
from pfnlab.kernel.functions.function_lines import function_says, releases_of
from pfnlab.kernel.functions.known_functions import kernel_functions
from pfnlab.kernel.functions.rule_texts import (
    Rule,
    find_rule,
    glossary,
    rule_numbers,
    rules_about,
    rules_naming,
)
from pfnlab.kernel.policies import SEAM_OF
from pfnlab.kernel.policies.seams import VM_PAT_ERAS
from pfnlab.kernel.policies.shipped_policies import all_policies
from pfnlab.kernel.policies.switches import SWITCHES, briefly
from pfnlab.present.document.blocks import Block, named_rows
from pfnlab.programs.lang.library_list import library_entries
from pfnlab.programs.lang.words import ROWS, ByHand, verbs_of, word_of
from pfnlab.verbs.profile_lines import span

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


def meanings(word: str) -> list[WordMeaning]:
    """Return every meaning of *word*, ignoring case."""
    wanted = " ".join(word.split())
    plain = {wanted.casefold(), wanted.casefold().removesuffix("()")}
    found = [
        source.meaning(name, thing)
        for source in _SOURCES
        for name, thing in source.things()
        if (name == wanted if source.by_case else name.casefold() in plain)
    ]
    return found or [*_named_by_rules(wanted), *_messages_with(wanted)]


def known_words() -> list[str]:
    """Return every word that has a meaning, for suggestions."""
    return [name for source in _SOURCES for name, _ in source.things()]


def _terms() -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield each row of the glossary by its name and, if it names several words, by each of them."""
    for name, meaning in glossary().items():
        for word in dict.fromkeys((name, *name.split(", "))):
            if word != "...":
                yield word, (name, meaning)


def _of_term(word: str, row: tuple[str, str]) -> WordMeaning:
    name, meaning = row
    rules = rules_about(word)
    more = f"pfnlab help {shell_word(rules[0].number)}" if rules else ""
    return WordMeaning("word", name, (meaning, *_links(rules), *_related(word)), more)


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


def _of_property(name: str, one: Any) -> WordMeaning:
    says = [f"{one.asks}."]
    if one.happens:
        says += [f"Violated: {one.happens}.", f"Noticed by: {one.noticed}."]
    having = [one.number for one in all_bugs() if name in one.breaks]
    if having:
        says.append(f"Bugs that violate it: {', '.join(having)}.")
    return WordMeaning("property", name, tuple(says), f"pfnlab bugs list --breaks {name}" if having else "")


def _of_function(name: str, one: Any) -> WordMeaning:
    kind = ", ".join(filter(None, ("kernel function", releases_of(one))))
    return WordMeaning(kind, name, tuple(function_says(one)), f"pfnlab help {shell_word(one.rules[0])}")


def _of_bug(name: str, one: Any) -> WordMeaning:
    rows = ("Kernels", one.dated.having), ("Triggered by", one.trigger), ("Visible", one.see)
    says = (linkless(one.what), *(f"{name}: {linkless(text)}" for name, text in rows if text))
    title = f"{one.kind}, {one.title}" if one.title else str(one.kind)
    return WordMeaning(title, one.number, says, f"pfnlab bugs show {one.number}")


def _of_rule(number: str, _: None) -> WordMeaning:
    rule, numbers = find_rule(number), rule_numbers()
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
    return WordMeaning("rule", f"{number} {title}", (*says[:_MOST_LINES], *about, *cut))


def _first_sentence(title: str, text: str) -> str:
    """Return the first sentence of a step, or the title of a section."""
    if re.match(r"[A-Z][a-z ]+:", text):
        return title
    return re.split(r"(?<=[.:]) ", linkless(" ".join(text.split())), maxsplit=1)[0]


def _messages_with(text: str) -> Iterator[WordMeaning]:
    """Yield the message that a line belongs to, or the messages that contain *text*."""
    if len(text) < _LEAST_LETTERS:
        return
    if match := matcher().whole(text):
        yield _of_family(match.family.name, match.family)
        return
    plain = text.casefold()
    for one in families():
        if any(plain in wording.text.casefold() for wording in one.wording):
            yield _of_family(one.name, one)


def _of_family(name: str, one: Any) -> WordMeaning:
    says = [
        one.title[:1].upper() + one.title[1:] + ".",
        linkless(one.meaning),
        f"Printed as: {one.wording[0].text}",
    ]
    says += [f"Do: {linkless(advice.do)}" for advice in one.advice[:1]]
    says += [f"Known bugs with this effect: {', '.join(one.bugs)}."] if one.bugs else []
    return WordMeaning("message", name, tuple(says), "pfnlab explain 'LINE'")


def _of_switch(name: str, one: Any) -> WordMeaning:
    known = f"; {briefly(one.known_by)}" if one.known_by else ""
    says = (linkless(one.says), f"Kernels: {span(one)} ({one.source}{known}).")
    return WordMeaning("switch", name, says, f"pfnlab run PROGRAM --on model:7.3,{name}=on")


def _policies() -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the seam and the text of each policy, by name; vm_pat has eras."""
    for one in all_policies():
        yield one.name, (SEAM_OF.get(one.seam, "report"), one.says.replace("``", ""))
    for name, text in VM_PAT_ERAS.items():
        yield name, ("tracker", text)


def _of_policy(name: str, policy: tuple[str, str]) -> WordMeaning:
    seam, text = policy
    says = tuple(" ".join(part.split()) for part in text.split("\n\n")[:3])
    return WordMeaning(f"policy, {seam}", name, says, f"pfnlab policies show {shell_word(name)}")


def _of_errno(name: str, _: None) -> WordMeaning:
    says = ("A failed call; its causes depend on the call and the file.",)
    return WordMeaning("errno", name, says, f"pfnlab explain --errno {name} mmap resource0")


def _of_program(name: str, one: Any) -> WordMeaning:
    return WordMeaning("program", name, (linkless(one.question),), f"pfnlab run {shell_word(name)}")


@cache
def _operations_by_word() -> dict[str, str]:
    """Return the first paragraph of each operation's docstring, by word and verb of the language."""
    found = {}
    for kind in (*ROWS, *get_args(ByHand)):
        text = re.split(r"\n\s*\n?:|\n\n", cleandoc(kind.__doc__ or ""))[0]
        text = " ".join(re.sub(r":\w+:`~?([^`]+)`", r"\1", text).replace("``", "`").split())
        words = (word_of(kind), *(verbs_of(kind) if kind in ROWS else ()))
        found.update(dict.fromkeys(words, text))
    return found


def _of_operation(name: str, text: str) -> WordMeaning:
    says = (text, *_links(rules_about(name)), "Form: docs/programs.md.")
    return WordMeaning("operation of programs", name, says, f"pfnlab litmus list --grep {shell_word(name)}")


@cache
def _posted() -> dict[str, tuple[str, str]]:
    """Return the kind and the text of each thread and each defect of a posted patch, by number."""
    found = {}
    for thread in posted_threads():
        found[thread.number] = (f"thread of the mailing list, {thread.years}", f"{thread.title}.")
        for defect in thread.defects:
            kind = f"defect of a posted patch, thread {thread.number}"
            found[defect.number] = (kind, linkless(" ".join(defect.scenario.split())))
    return found


def _of_posted(number: str, posted: tuple[str, str]) -> WordMeaning:
    kind, text = posted
    return WordMeaning(kind, number, (text,), f"pfnlab discussions show {number}")


def _named_by_rules(word: str) -> Iterator[WordMeaning]:
    """Yield the sections that name an identifier of the kernel, e.g. a function without a text."""
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


def _of_key(name: str, said: dict[str, list[str]]) -> WordMeaning:
    rows = [f"{', '.join(forms)}: {text}" for text, forms in said.items()]
    left = len(rows) - _MOST_KEYS
    cut = (f"{left} more formats have this key.",) if left > 0 else ()
    form = next(iter(said.values()))[0].replace("-", " ")
    return WordMeaning("key of --json", name, (*rows[:_MOST_KEYS], *cut), f"pfnlab help --schema {form}")


class WordSource(NamedTuple):
    """The words of one kind.

    :param things: returns each word, and what it names
    :param meaning: returns the meaning of a word
    :param by_case: whether the case of a word counts
    """

    things: Callable[[], Iterable[tuple[str, Any]]]
    meaning: Callable[[str, Any], WordMeaning]
    by_case: bool = False


def _named(things: Callable[[], Iterable[Any]], *names: str) -> Callable[[], Iterator[tuple[str, Any]]]:
    """Return a function that yields each thing by its name, or by each of its *names* that is not empty."""
    return lambda: (
        (name, one) for one in things() for field in names or ("name",) if (name := getattr(one, field))
    )


#: The kinds of words, in the order of an answer.
_SOURCES = (
    WordSource(_terms, _of_term),
    WordSource(lambda: kernel_functions().items(), _of_function),
    WordSource(_named(all_bugs, "number", "cve", "title"), _of_bug),
    WordSource(lambda: dict.fromkeys(rule_numbers()).items(), _of_rule),
    WordSource(PROPERTIES.items, _of_property),
    WordSource(_named(families), _of_family),
    WordSource(_named(lambda: SWITCHES), _of_switch),
    WordSource(_policies, _of_policy),
    WordSource(lambda: dict.fromkeys(known_errnos()).items(), _of_errno),
    WordSource(lambda: _operations_by_word().items(), _of_operation),
    WordSource(lambda: _posted().items(), _of_posted),
    WordSource(_named(library_entries), _of_program),
    WordSource(lambda: _keys().items(), _of_key, by_case=True),
)
