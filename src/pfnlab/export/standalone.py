"""A program as a single C file that needs only libc and kernel headers, or as a selftest.

If it needs a driver, a kernel module is written to accompany it (`module_files`).

A program with a single task is a child process that makes its calls in order. If there are several tasks, or
one ends before the program does, the first process schedules each task.
"""

from collections.abc import Iterator, Mapping

import msgspec

from pfnlab.base.inert import c_comment, c_string, shell_path, shell_word
from pfnlab.base.made import command
from pfnlab.base.toml_text import package_tables
from pfnlab.base.version import VERSION
from pfnlab.export.c_plan import CPlan
from pfnlab.export.module_files import LOAD, module_files, module_name
from pfnlab.export.pieces import block, called, comment, function, pieces_called, with_needs
from pfnlab.export.subject import Subject

#: Headers for the code generated here, but not for pieces.
_HEADERS = (
    *("<errno.h>", "<fcntl.h>", "<signal.h>", "<stdbool.h>", "<stdint.h>", "<stdio.h>"),
    *("<stdlib.h>", "<string.h>", "<sys/mman.h>", "<sys/wait.h>", "<unistd.h>"),
)

#: The maximum exit status of the child, which is the number of failed tests.
_MOST_FAILURES = 255


class Dialect(msgspec.Struct, frozen=True):
    """An output format of a C program.

    :param build: the command that builds it, with ``{name}`` and ``{source}``, or ``{folder}``
    :param begin: the statements it starts with
    :param plan: the statement that announces the number of tests, with ``{count}``
    :param child: the statements that include a child's results, which are ``{count}`` tests
    :param instead: pieces that replace others
    """

    build: str
    variables: tuple[str, ...]
    begin: tuple[str, ...]
    plan: str
    child: tuple[str, ...]
    end: str
    headers: tuple[str, ...] = ()
    instead: Mapping[str, str] = {}


class _Dialects(msgspec.Struct, forbid_unknown_fields=True):
    """``dialects.toml``: plain TAP, and kselftest, whose folder has more files.

    :param makefile: with ``{program}``
    """

    tap: Dialect
    ksft: Dialect
    makefile: str
    config: str
    vfio_config: str


_SAID = package_tables(__package__, "dialects.toml", _Dialects)


def as_c(subject: Subject) -> dict[str, str]:
    """The program as C, with the kernel module that acts as its driver.

    :raises Undecided: if neither can perform one of the operations, or the machine gave no answer
    """
    plan = CPlan(subject, drives=True)
    if not plan.work:
        return {f"{subject.name}.c": c_text_of(plan, _SAID.tap)}
    # make does not support names with blanks, nor modules names with dashes.
    return {f"{subject.identifier}.c": c_text_of(plan, _SAID.tap), **module_files(subject, plan.work)}


def c_text_of(plan: CPlan, dialect: Dialect) -> str:
    """The complete file for a program."""
    functions = [*(_coordinated(plan, dialect) if plan.coordinated else _straight(plan, dialect))]
    # What main() uses comes first.
    pieces = with_needs(pieces_called("\n".join(reversed(functions))), dialect.instead)
    headers = sorted({*_HEADERS, *(header for piece in pieces for header in piece.includes)})
    own = [*dialect.headers, *[c_string(f"{module_name(plan.subject)}.h")] * bool(plan.work)]
    includes = [*headers, *([""] if own else []), *own]
    parts = [
        _head(plan, dialect),
        "#define _GNU_SOURCE",
        "\n".join(f"#include {header}" if header else "" for header in includes),
        *plan.constants(),
        *(piece.text for piece in pieces),
        *functions,
    ]
    return "\n\n".join(parts) + "\n"


def _head(plan: CPlan, dialect: Dialect) -> str:
    program, name = plan.program, plan.subject.name
    text = str(program).rstrip("\n")
    build, module = dialect.build, module_name(plan.subject)
    if plan.work:
        build, name = "Build it and its driver: make, or make KDIR=HEADERS", plan.subject.identifier
    usage = shell_word(f"./{name}") + " [PCI ADDRESS | RESOURCE FILE [FIRST PAGE]]" * bool(plan.bars)
    lines = [
        program.title or name,
        "",
        *([program.asks, ""] if program.asks else []),
        _promise(plan),
        "",
        build.format(name=shell_path(name), source=shell_path(f"{name}.c"), folder=plan.subject.identifier),
        *[LOAD.format(module=module)] * bool(plan.work),
        f"Run as root, on x86-64 with debugfs: {usage}",
        "It prints TAP. Exit code: 0 as expected, 1 not as expected, 4 skipped.",
        f"pfnlab {VERSION} made it ({command() or 'as a library'}) of this program:",
        "",
        *(f"    {line}".rstrip() for line in text.split("\n")),
    ]
    return f"// SPDX-License-Identifier: GPL-2.0-or-later\n{comment(lines)}"


def _promise(plan: CPlan) -> str:
    if plan.run is not None:
        return f"Expected results: those of {plan.run.machine}."
    if plan.subject.right is not None:
        return "Results are only printed; a leak is compared with what a kernel without a fault leaves."
    if plan.by_release:
        return "Results are only printed; a leak is compared with what is expected for the kernel's version."
    return "It prints what it observes, and expects nothing."


def _end(plan: CPlan, dialect: Dialect) -> list[str]:
    lines = ["end_vfio();"] * plan.program.needs.vfio + ["restore_thp();"] * (plan.program.thp is not None)
    lines += ['match_driver("\\n");'] * plan.work.binds
    lines.append(f'check("left reserved", {plan.expected_left}, left());')
    lines += [f"tell_known({plan.expected_left}, left());"] * plan.tells_known
    return [*lines, dialect.end]


def _straight(plan: CPlan, dialect: Dialect) -> Iterator[str]:
    lines = ["catch_faults();"] * plan.faults + ["forget_vfio();"] * plan.program.needs.vfio
    lines += [""] if lines else []
    for step in plan.steps:
        known = f"here.blank ? {step.expected} : NULL" if step.call.reads and plan.reads else step.expected
        lines += called(f"step({c_string(step.text)}, {known}, ", step.call.text, ");", 1)
    yield function("static void program(void)", lines)
    count = len(plan.steps)
    yield function(
        "int main(int argc, char **argv)",
        [
            *(*dialect.variables, "int status;", "pid_t child;", ""),
            *(*dialect.begin, *plan.setup(), dialect.plan.format(count=count + 1), ""),
            "/* What the program maps is gone when its process is. */",
            "child = fork();",
            *block("if (!child)", ["program();", f"_exit(failures < {_MOST_FAILURES} ? failures : 1);"]),
            "if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))",
            '\tgive_up("the program did not come to its end");',
            *(line.format(count=count) for line in dialect.child),
            *_end(plan, dialect),
        ],
    )


def _coordinated(plan: CPlan, dialect: Dialect) -> Iterator[str]:
    cases = ["switch (number) {"]
    for number, step in enumerate(plan.steps):
        if step.call.ends in ("", "EXITS"):
            cases.append(f"case {number}: /* {c_comment(step.text)} */")
            doing = ["_exit(0);"] if step.call.ends else called("return ", step.call.text, ";", 2)
            cases += [f"\t{line}" for line in doing]
    yield function("static long do_step(int number)", [*cases, "default:", "\treturn 0;", "}"])
    catches = ["catch_faults();"] * plan.faults
    goes_on = block('if (argc == 4 && !strcmp(argv[1], "--task"))', [*catches, "go_on(argv);"])
    expected = (
        "steps[i].reads && !here.blank ? NULL : steps[i].expected" if plan.reads else "steps[i].expected"
    )
    closes = any(step.call.ends == "CLOSES" for step in plan.steps)
    operated = "steps[i].ends == CLOSES ? close_vfio() : operate(i)" if closes else "operate(i)"
    shown = called("", f"step(steps[i].text, {expected}, {operated})", ";", 2)
    opens = [f"if (i == {plan.opened_at})", "\topen_vfio();"] if plan.program.needs.vfio else []
    yield function(
        "int main(int argc, char **argv)",
        [
            *(*dialect.variables, "int i;", "pid_t child;", ""),
            *(goes_on if "become" in plan.called else []),
            *(*dialect.begin, *plan.setup()),
            "for (i = 0; i < TASKS; i++)",
            *("\tif (pipe(here.turn[i]))", '\t\tskip("there are no pipes");'),
            *("if (pipe(here.answers))", '\tskip("there are no pipes");'),
            *(dialect.plan.format(count=len(plan.steps) + 1), ""),
            *("signal(SIGCHLD, SIG_IGN);", "child = fork();"),
            *block("if (!child)", [*catches, *["forget_vfio();"] * plan.program.needs.vfio, "serve(0);"]),
            "adopt(0, child);",
            *block(f"for (i = 0; i < {len(plan.steps)}; i++)", [*opens, *shown]),
            *("end_tasks();", *_end(plan, dialect)),
        ],
    )


def as_kselftest(subject: Subject) -> dict[str, str]:
    """The program as a selftest folder: its C, ``Makefile`` and ``config``.

    :raises Undecided: if user space cannot perform one of the operations, or the machine gave no answer
    """
    plan = CPlan(subject)
    return {
        f"{subject.identifier}.c": c_text_of(plan, _SAID.ksft),
        "Makefile": _SAID.makefile.format(program=subject.identifier),
        "config": _SAID.config + _SAID.vfio_config * plan.program.needs.vfio,
    }
