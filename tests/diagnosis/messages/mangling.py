"""Lines as pastes damage them: quoted, wrapped, marked up, with all that stands before a message."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

#: What stands before a kernel's message in a log.
PREFIXES = (
    "",
    "[   45.321866] ",
    "[ 764.499088] ",
    "Feb  1 20:04:17 Marvin kernel: [  187.217403] ",
    "Jul 07 07:12:58 archbish kernel: ",
    "Okt 12 10:11:12 rechner kernel: [    5.1] ",
    "févr. 03 10:11:12 machine kernel: [   91.314558] ",
    "[Tue Aug 26 16:02:52 2025] ",
    "<4>[   45.321866] ",
    "<6>",
    "[   45.321866][    T0] ",
    "[17368.321951][T3614103] ",
    "kern  :alert : 2023-01-02T03:04:05,678901+00:00 ",
    "kern  :warn  : [   45.321866] ",
    "2023-01-02T03:04:05.678901+00:00 host kernel: [   45.321866] ",
    "[    1.000000] [    2.000000] ",
    "45.321866] ",
    "kernel: ",
    "6,1234,45321866,-;",
    "4,77,9321866,c,caller=T101;",
    "[   45.321866] (3)[2512:acmed]",
    "[   45.321866] [2:    kworker/2:1:  101] ",
    "01-02 03:04:05.678     0     0 W KERNEL  : [   45.321866] ",
    "| 45.3 | ",
    "| 2023-01-02 03:04:05 | warn | ",
    "[Aug26 16:02] ",
    "[  +0.000012] ",
    "[<    0.000012>] ",
    "[   45.321866 <    0.000012>] ",
    "[Tue Aug 26 16:02:52 2025 <    0.000012>] ",
    "Tue 2025-08-26 16:02:52 CEST host kernel: ",
    "1756216972.123456 host kernel: ",
    "2025-08-26T16:02:52.123456789Z stdout F [   45.321866] ",
    "<4>1 2025-08-26T16:02:52.123Z host kernel - - - [   45.321866] ",
    "    MESSAGE=",
    "1234:[   45.321866] ",
    "   1234 [   45.321866] ",
    "[   45.321866]  (2)[1:init]",
    "[   45.321866] c0      1 ",
)

Mangle = Callable[[str], str]


def quoted(depth: int) -> Mangle:
    """Quoted in a mail, so many deep."""
    return lambda line: "\n".join("> " * depth + one for one in line.split("\n"))


def wrapped(width: int) -> Mangle:
    """Wrapped by a mailer at blanks, and after hyphens."""
    return lambda line: "\n".join(textwrap.wrap(line, width)) or line


def cut_hard(width: int) -> Mangle:
    """Broken by a terminal at a column, wherever that is."""
    return lambda line: "\n".join(line[at : at + width] for at in range(0, len(line), width))


def _html(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") + "<br/>"


def _hard_blanks(line: str) -> str:
    return line.replace(" ", "&nbsp;")


def _printable(line: str) -> str:
    return line.replace("=", "=3D") + "=20"


def _entities(line: str) -> str:
    return line.replace("&", "&amp;").replace("'", "&#39;").replace("[", "&#91;").replace("]", "&rsqb;")


def _coloured(line: str) -> str:
    """As dmesg colours a terminal: the subsystem, and the rest."""
    first, colon, rest = line.partition(": ")
    return f"\x1b[33m{first}{colon}\x1b[0m\x1b[1;31m{rest}\x1b[0m"


def _in_json(line: str) -> str:
    escaped = line.replace("\\", "\\\\").replace('"', '\\"')
    return f'{{"stream":"stdout","log":"{escaped}\\n","time":"2023-01-02T03:04:05Z"}}'


def _in_logfmt(line: str) -> str:
    escaped = line.replace("\\", "\\\\").replace('"', '\\"')
    return f'time="2023-01-02T03:04:05Z" level=info msg="reading guest console" vmconsole="{escaped}"'


#: What damages a line without losing any of it.
MARKUP: dict[str, Mangle] = {
    "nothing": lambda line: line,
    "html": _html,
    "nbsp": _hard_blanks,
    "quoted-printable": _printable,
    "bbcode": lambda line: f"[code]{line}[/code]",
    "bold": lambda line: f"**{line}**",
    "backticks": lambda line: f"`{line}`",
    "padding": lambda line: line.ljust(150),
    "indented": lambda line: "    " + line,
    "arrow": lambda line: line.replace("<->", "< - >"),
    "dashes": lambda line: line.replace("-0x", "\u20130x"),
    "colour": lambda line: f"\x1b[33m{line}\x1b[0m",
    "two colours": _coloured,
    "escape printed": lambda line: _coloured(line).replace("\x1b", "^["),
    "escape in octal": lambda line: _coloured(line).replace("\x1b", "\\033"),
    "escape lost": lambda line: _coloured(line).replace("\x1b", ""),
    "entities": _entities,
    "entities twice": lambda line: _entities(_entities(line)),
    "fence": lambda line: f"```text\n{line}\n```",
    "wiki": lambda line: f"{{noformat}}{line}{{noformat}}",
    "row": lambda line: f"| 3 | `{line}` |",
    "blanks": lambda line: line.replace(" ", "  "),
    "diff": lambda line: "+" + line,
    "nul": lambda line: line + "\0",
    "json": _in_json,
    "logfmt": _in_logfmt,
    "crlf": lambda line: line + "\r",
    "quoted": quoted(1),
    "quoted five deep": quoted(5),
}
