"""Redact a bundle: change names and addresses but keep how they relate.

Only the awk program does it, here and in the script that collects where nothing is installed.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from random import Random
from typing import Any

from pfnlab.base.errors import MissingTool, TimedOut, Undecided
from pfnlab.base.inert import visible_name
from pfnlab.base.memory_limit import limit_memory
from pfnlab.diagnosis.inspector.joined_host import BOOT_FRAMEBUFFERS
from pfnlab.diagnosis.inspector.parsing import machine_facts
from pfnlab.diagnosis.inspector.parsing.process_files import DEVICE_FILE
from pfnlab.diagnosis.inspector.sources.bundle import ended
from pfnlab.diagnosis.messages.family_files import FamilyKind, RangeEnd, families
from pfnlab.diagnosis.messages.template import PAT_PREFIX, FieldSlot, LineTemplate, Literal
from pfnlab.diagnosis.messages.template_fields import ERRORS, FIELDS

_PARTS = ("pfnlab-redact.awk", "pfnlab-redact-log.awk", "pfnlab-redact-shift.awk")
_PLACE = re.compile(r"@([A-Z]+)@")
#: Seconds and bytes of memory that the program may take, and the random bytes that it gets.
_SECONDS, _MEMORY, _RANDOM_BYTES = 300, 4 << 30, 4096


def redacted(bundle: bytes) -> bytes:
    """Return a bundle with other names and addresses; the same bundle always gives the same result.

    :raises MissingTool: if there is no awk
    :raises Undecided: if it fails, or a limit passes
    """
    awk = shutil.which("awk")
    if awk is None:
        raise MissingTool("`awk` is not on this machine, and redacts bundles: install mawk")
    # Seeded from the content, so that two parts of a bundle agree with no stored state.
    pool = Random(hashlib.sha256(bundle).digest()).randbytes(_RANDOM_BYTES).hex()
    with subprocess.Popen(
        [awk, program_text()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "PFNLAB_RANDOM": pool},
    ) as process:
        limit_memory(_MEMORY, process.pid)
        try:
            text, errors = process.communicate(bundle, timeout=_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise TimedOut(
                f"awk did not redact the bundle in {_SECONDS} s: collect it without --redact"
            ) from None
    if process.returncode or errors:
        why = errors.decode(errors="replace").strip().partition("\n")[0] or f"exit {process.returncode}"
        raise Undecided(f"awk could not redact the bundle: {visible_name(why)}")
    return ended(text)


def program_text() -> str:
    """Return the program, with its words filled in; it has no apostrophe."""
    folder = files("pfnlab.diagnosis.inspector")
    program = "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in _PARTS)
    table: dict[str, Any] = tomllib.loads(
        folder.joinpath("sources/public_words.toml").read_text(encoding="utf-8")
    )
    lists = {name: "|".join(words) for name, words in table.items() if not isinstance(words, str)}
    names = {name: " ".join(words.split()) for name, words in table.items() if isinstance(words, str)}
    words = {
        **{name: names[name] for name in ("drivers", "configuration", "debugfs", "sources")},
        **{name: lists[name] for name in ("hypervisors", "reasons")},
        "telling": "|".join((*table["telling"], *BOOT_FRAMEBUFFERS)),
        "guests": machine_facts.GUESTS,
        "errors": "|".join(sorted(ERRORS)),
        **{
            name: plain_expression("".join(table[name]))
            for name in ("files", "resources", "release", "options")
        },
        "devices": plain_expression(DEVICE_FILE.decode()),
    }
    text = {name: _quoted(value) for name, value in words.items()}
    text["messages"] = "\n".join(_messages())
    text["fields"] = "\n".join(
        f'    fields["{name}"] = "^({_quoted(plain_expression(FIELDS[name].pattern))})$"'
        for name in _fields()
    )
    return _PLACE.sub(lambda found: text[found[1].lower()], program)


def _quoted(text: str) -> str:
    """Return text for a string of awk between apostrophes of the shell."""
    return text.translate({ord(letter): f"\\{ord(letter):03o}" for letter in "\\\"'"})


def _templates() -> Iterator[tuple[LineTemplate, str, str]]:
    """Yield the log's messages, each with its unit and second number, those with most literal text first."""
    found = [
        (
            LineTemplate(wording.text),
            "b" if wording.unit == 1 else "p",
            "s" if wording.end is RangeEnd.SIZE else "e",
        )
        for family in families()
        if family.kind is FamilyKind.LOG
        for wording in family.wording
    ]
    # A form of fields alone is no message of the kernel.
    return iter(sorted((one for one in found if _key(one[0])), key=lambda one: -_letters(one[0])))


def _letters(template: LineTemplate) -> int:
    return sum(min(map(len, one.choices)) for one in template.tokens if isinstance(one, Literal))


def _key(template: LineTemplate) -> tuple[str, ...]:
    return max(template.needed, key=lambda group: min(map(len, group)), default=())


def _messages() -> Iterator[str]:
    for template, unit, end in _templates():
        words = "|".join(_key(template))
        # Blanks do not count: the program reads one where there are several.
        text = re.sub(" +", " ", template.text.removeprefix(PAT_PREFIX))
        yield f'    message("{unit}", "{end}", "{_quoted(words)}", "{_quoted(text)}")'


def _fields() -> list[str]:
    tokens = (token for template, *_ in _templates() for token in template.tokens)
    return sorted({token.name for token in tokens if isinstance(token, FieldSlot)})


_LOOKING = re.compile(r"\(\?<?[=!](?:\\.|[^()\\])*\)")
_CLASS = re.compile(r"\\([dws])|\\S|\\b|\\.|\[(?:\\.|[^\]\\])*\]")
_INSIDE = {"d": "0-9", "w": "A-Za-z0-9_", "s": " \t"}
_TIMES = re.compile(r"(\[[^\]]+\]|\)|\\.|[^\\)\]])\{([0-9]+)(,?)([0-9]*)\}")
_SPECIAL = ".[]()*+?|^$\\"
#: Optional repetitions that an expression spells out; with more of them mawk takes exponential time.
_MOST_TIMES = 5


def plain_expression(expression: str) -> str:
    """Rewrite a regex for any awk: only capturing groups, no {n} and no context; it may match more."""

    def one_class(found: re.Match[str]) -> str:
        text = found[0]
        if text.startswith("["):
            inner = re.sub(r"\\([dws])", lambda name: _INSIDE[name[1]], text[1:-1])
            return f"[{inner}]"
        if text in (r"\S", r"\b"):
            return "[^ \t]" if text == r"\S" else ""
        if found[1]:
            return f"[{_INSIDE[found[1]]}]"
        return text if text[1] in _SPECIAL else text[1]

    def times(found: re.Match[str]) -> str:
        atom, least = found[1], int(found[2])
        more = int(found[4] or 99) - least if found[3] else 0
        if atom == ")":
            return ")+" if least else ")*"
        return atom * least + (f"{atom}?" * more if more <= _MOST_TIMES else f"{atom}*")

    plain = _LOOKING.sub("", expression).replace("(?:", "(").replace("(?i:", "(").replace(r"[^\n]", ".")
    plain = _CLASS.sub(one_class, plain)
    return _TIMES.sub(times, re.sub(r"(?<!\\)([*+?}])\?", r"\1", plain)).replace("|)", ")?")
