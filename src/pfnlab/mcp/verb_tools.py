"""The verbs that a client may call as tools: their input schemas, and a call as a command.

Both come from the fields of a verb's request, so there is no second description of the options. An argument
has its option's name without the dashes. If an option takes a file, the argument is the file's text: the
client's words never become a path.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import one_line
from pfnlab.base.spelling import nearest
from pfnlab.cli.verbs import HELP, help_of, options_of, verbs_of
from pfnlab.kernel.policies.own import is_path
from pfnlab.programs.lang.library import library_paths, library_programs
from pfnlab.programs.lang.words import MAX_BYTES
from pfnlab.programs.runs.named_machines import full_name
from pfnlab.verbs.verb_option import Option

#: The verbs and groups of verbs that are tools.
OFFERED = ("run", "review", "explain", "bugs", "discussions", "help")

#: Options that no client may give: they write or open files, start processes, or change the form of the
#: answer.
_WITHHELD = frozenset(
    {
        *("--output", "--promote", "--resume", "--store", "--jobs", "--profile"),
        *("--json", "--format", "--mail", "--quiet", "--completion"),
    }
)
#: Options for real kernels.
_OF_KERNELS = frozenset({"--accel", "--look"})

#: The placeholders of arguments that are policy files, machines or policy files, and machines.
_POLICY, _DESIGN = "FILE.py", "DESIGN"
_MACHINES = ("MACHINE", "MODEL", _DESIGN)
#: The placeholders of arguments that are a program, by name or as text, and of log lines.
_PROGRAM, _LOG = "PROGRAM", "FILE|-|LINE"

#: The maximum length of a word, in characters, and of a text, in bytes.
_MOST_WORD, MOST_TEXT = 1000, MAX_BYTES
#: The part of a call's time limit that a verb may use for starting new work.
_WORKING = 0.5

#: Descriptions of arguments that take other things than the command line.
_TAKES = {
    _PROGRAM: "A program's name or text, a pattern, or @all for the whole library.",
    _LOG: "Log lines, or any pasted text; with errno, the call and its file.",
}

#: A command in a text, or the name of an option, or of an argument.
_COMMAND_OR_NAME = re.compile(
    r"(?P<command>`pfnlab [^`]*`)|(?P<name>(?<![\w`-])--[a-z][a-z-]*|(?<![\w=-])[A-Z]+\b)"
)
#: What is said of standard input, which is the client's connection.
_STDIN = re.compile(r" \([^()]*- for standard input\)")

_BEGINS_PROGRAM = ("pfnlab program", "{")


class Grants(NamedTuple):
    """The rights that the user who starts the server grants its clients.

    :param kernels: running programs on real kernels
    :param policies: running policy code that they send
    :param seconds: the time limit of a call, in seconds
    """

    kernels: bool = False
    policies: bool = False
    seconds: float = 300.0


class ToolCall(NamedTuple):
    """A call as a command.

    :param words: the command line after ``pfnlab``
    :param texts: the files that it names, by name, to be written to an empty folder
    :param on_kernel: whether a real kernel runs
    """

    words: tuple[str, ...]
    texts: dict[str, str]
    on_kernel: bool

    @property
    def runs_code(self) -> bool:
        """True if a policy among the texts runs."""
        return any(map(is_path, self.texts))


class VerbTool:
    """A verb as a tool with the fields that *grants* permit.

    :ivar name: the verb's full name with ``_`` between its words
    """

    def __init__(self, verb: str, grants: Grants) -> None:
        self.verb, self.name, self._grants = verb, verb.replace(" ", "_"), grants
        self._fields = {
            _argument(field): field for field in options_of(verb) if not _reason_against(field, grants)
        }
        declared = [self._declared(*item) for item in self._fields.items()]
        self._arguments = msgspec.defstruct(self.name, declared, kw_only=True, forbid_unknown_fields=True)

    @property
    def description(self) -> str:
        """The verb's help."""
        parts = help_of(self.verb).strip().split("\n\n")
        return self.in_arguments("\n\n".join(" ".join(part.split()) for part in parts))

    def in_arguments(self, text: str) -> str:
        """Return *text*, which is meant for the command line, with arguments of this tool instead of options.

        Commands are not changed.
        """
        fields = self._fields.items()
        names = {name: f"`{argument}`" for argument, field in fields for name in field.names}
        names |= {field.metavar: argument for argument, field in fields if not field.names}

        def argument(found: re.Match[str]) -> str:
            return found[0] if found["command"] else names.get(found["name"], found[0])

        return _COMMAND_OR_NAME.sub(argument, _STDIN.sub("", text))

    @property
    def input_schema(self) -> dict[str, Any]:
        """The JSON Schema of the arguments."""
        schema: dict[str, Any] = msgspec.json.schema(self._arguments)["$defs"][self.name]
        return schema

    def _declared(self, name: str, field: Option) -> tuple[str, Any, Any]:
        """Return an argument as a field of a structure; NODEFAULT as the default if it is required."""
        form: Any = field.forms[0] if field.forms else bool
        # A verb must end before the call does.
        limits = (field.max, _WORKING * self._grants.seconds if field.field == "seconds" else None)
        most = min((limit for limit in limits if limit is not None), default=None)
        if form in (int, float):
            form = Annotated[form, msgspec.Meta(ge=field.min, le=most)]
        elif form in (str, Path):
            form = Literal[field.choices] if field.choices else str
        if field.many:
            form = Annotated[tuple[form, ...], msgspec.Meta(min_length=int(field.required))]
        says = _TAKES.get(field.metavar) or self.in_arguments(field.help) + _text_instead(field)
        form = Annotated[form, msgspec.Meta(description=says)]
        if field.required:
            return name, form, msgspec.NODEFAULT
        if field.default in (None, ()):
            return name, form | msgspec.UnsetType, msgspec.UNSET
        return name, form, field.default if most is None else min(field.default, most)

    def call(self, arguments: Mapping[str, Any]) -> ToolCall:
        """Return a call with these arguments as a command.

        :raises Misuse: if the tool has no such argument, or the value is of another type, too long or too
            large, names a file, or needs something that was not granted
        """
        for name in arguments:
            if name not in self._fields:
                raise Misuse(self._unknown(name))
        sent = {name: value for name, value in arguments.items() if value is not None}
        try:
            given = msgspec.structs.asdict(msgspec.convert(sent, self._arguments))
        except msgspec.ValidationError as wrong:
            reason, _, place = str(wrong).partition(" - at `$.")
            reason = reason.replace("Object missing required field", "send the argument")
            raise Misuse(f"{place.rstrip('`') or self.name}: {reason[0].lower()}{reason[1:]}") from None
        # A log has no other source here: standard input is the connection.
        if self._fields.get("words", HELP).metavar == _LOG and not (given["words"] or "errno" in sent):
            raise Misuse(f"{self.name}: send the argument `words`")
        words, texts, named, on_kernel = self.verb.split(), _Texts(), list[str](), False
        for name, field in self._fields.items():
            if given[name] in (field.default, msgspec.UNSET):
                continue
            if field.form is bool:
                words += (field.names if given[name] else field.against)[-1:]
                continue
            values = given[name] if field.many else (given[name],)
            taken = self._taken(name, field, values, texts, is_call="errno" in sent)
            on_kernel |= field.metavar in _MACHINES and any(map(_is_kernel, taken))
            if not field.names:
                named += taken
            else:
                for word in taken:
                    words += [f"{field.names[-1]}={word}"] if word[:1] == "-" else [field.names[-1], word]
        dashes = ["--"] if any(word[:1] == "-" for word in named) else []
        return ToolCall((*words, *dashes, *named), texts.by_name, on_kernel)

    def _taken(
        self, name: str, field: Option, values: Sequence[Any], texts: _Texts, *, is_call: bool
    ) -> list[str]:
        """Return the words for the values of an argument; put those that are texts into *texts*."""
        metavar = field.metavar
        if metavar == _LOG and not is_call:
            return [texts.add("log.txt", "\n".join(values), name)] if values else []
        if field.forms == (Path,):
            return [texts.add(f"{name}.txt", text, name) for text in values]
        if metavar == _POLICY or (metavar == _DESIGN and "\n" in values[0]):
            if not self._grants.policies:
                raise Misuse(
                    f"{name}: a policy's text is code, which this server does not run: name a policy of "
                    "pfnlab, e.g. flush=first_vma, or start the server with `pfnlab mcp --policies`"
                )
            return [texts.add("policy.py", text, name) for text in values]
        taken = []
        for value in values:
            if metavar == _PROGRAM and ("\n" in value or value.lstrip().startswith(_BEGINS_PROGRAM)):
                taken.append(texts.add("program.pfn", value, name))
                continue
            word = _checked_word(name, str(value))
            if metavar == _PROGRAM:
                _check_program(word)
            elif metavar in _MACHINES:
                self._check_machine(word)
            taken.append(word)
        return taken

    def _check_machine(self, word: str) -> None:
        """Refuse a machine that is made from a file, or that needs a kernel which was not granted."""
        if "/" in word or any(map(is_path, word.split(","))) or "config=" in word:
            raise Misuse(
                f"{one_line(word)} names a file, and no client may: write a version with policies of pfnlab, "
                "e.g. model:7.2,flush=first_vma"
            )
        if _is_kernel(word) and not self._grants.kernels:
            raise Misuse(f"{word} is a real kernel: start the server with `pfnlab mcp --kernels`")

    def _unknown(self, name: str) -> str:
        """Return the message for an argument that the tool does not have."""
        shown = one_line(name)[:_MOST_WORD]
        for field in options_of(self.verb):
            if name == _argument(field):
                return f"{self.name} does not take {shown} here: {_reason_against(field, self._grants)}"
        close = nearest(name, self._fields)
        known = f"did you mean {close}?" if close else f"it takes {', '.join(self._fields)}"
        return f"{self.name} has no argument {shown}: {known}"


class _Texts:
    """The texts of a call, each with the name of the file that it becomes."""

    def __init__(self) -> None:
        self.by_name: dict[str, str] = {}

    def add(self, file: str, text: str, argument: str) -> str:
        """Add a text and return its name, a number added if needed; Misuse if it is too long."""
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > MOST_TEXT:
            raise Misuse(f"{argument} has {size:,} bytes: send at most {MOST_TEXT:,}")
        stem, dot, ending = file.partition(".")
        name = f"{stem}-{len(self.by_name) + 1}{dot}{ending}" if file in self.by_name else file
        self.by_name[name] = text
        return name


@cache
def verb_tools(grants: Grants) -> dict[str, VerbTool]:
    """Return the tools by name."""
    verbs = (verb for one in OFFERED for verb in _verbs_in(one))
    tools = (VerbTool(verb, grants) for verb in verbs)
    return {tool.name: tool for tool in tools}


def called(name: str, arguments: Mapping[str, Any], grants: Grants) -> ToolCall:
    """Return a call of the tool *name* as a command.

    :raises Misuse: if there is no such tool, or as for :meth:`VerbTool.call`
    """
    tools = verb_tools(grants)
    if name not in tools:
        close = nearest(name, tools)
        known = f"did you mean {close}?" if close else f"there are {', '.join(tools)}"
        raise Misuse(f"there is no tool {one_line(name)[:_MOST_WORD]}: {known}")
    return tools[name].call(arguments)


def _verbs_in(word: str) -> Iterable[str]:
    names = verbs_of(word)
    return (f"{word} {name}" for name in names) if names else (word,)


def _argument(field: Option) -> str:
    """Return the name of a field as an argument."""
    return field.names[-1].lstrip("-").replace("-", "_") if field.names else field.field


def _is_kernel(word: str) -> bool:
    return full_name(word).startswith("qemu:")


def _reason_against(field: Option, grants: Grants) -> str:
    """Return why no client may give this option; empty if it may."""
    names = {*field.names}
    if names & _WITHHELD:
        return "it is for the command line"
    if names & _OF_KERNELS and not grants.kernels:
        return "it is for real kernels, which need `pfnlab mcp --kernels`"
    if field.metavar == _POLICY and not grants.policies:
        return "a policy's text is code, which needs `pfnlab mcp --policies`"
    return ""


def _text_instead(field: Option) -> str:
    """Return what the description of an argument adds to the option's help: the text replaces the file."""
    metavar = field.metavar
    if field.forms == (Path,) or metavar == _POLICY:
        return " Here: the text itself."
    if metavar in _MACHINES:
        return " Here: without files."
    return ""


def _checked_word(name: str, word: str) -> str:
    if len(word) > _MOST_WORD:
        raise Misuse(f"{name} has {len(word):,} characters: write at most {_MOST_WORD:,}")
    if not word.isprintable():
        raise Misuse(f"{name} is not a line of printable text: {one_line(word)[:80]}")
    return word


def _check_program(word: str) -> None:
    """Refuse a word that selects no program of the library."""
    try:
        library_programs([word])
    except Misuse:
        close = nearest(word, (path.stem for path in library_paths()))
        instead = f"did you mean {close}?" if close else "send the program's text, or a name"
        raise Misuse(f"no program {one_line(word)} comes with pfnlab: {instead}") from None
