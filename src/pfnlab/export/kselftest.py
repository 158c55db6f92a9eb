"""A program as a folder of the kernel's selftests, ``tools/testing/selftests/NAME``, with its kselftest.h."""

from __future__ import annotations

from pfnlab.export.c_plan import CPlan
from pfnlab.export.standalone import Dialect, c_text_of
from pfnlab.export.subject import Subject

#: The words of the kernel's own header. What a child told has its numbers there, and is counted here.
KSFT = Dialect(
    build="Build: make -C tools/testing/selftests TARGETS={folder}",
    variables=(),
    begin=("setvbuf(stdout, NULL, _IOLBF, 0);", "ksft_print_header();"),
    plan="ksft_set_plan({count});",
    child=(
        "ksft_cnt.ksft_fail += WEXITSTATUS(status);",
        "ksft_cnt.ksft_pass += {count} - WEXITSTATUS(status);",
    ),
    end="ksft_finished();",
    headers=('"../kselftest.h"',),
    instead={"check": "check_ksft", "skip": "skip_ksft", "give_up": "give_up_ksft"},
)

_MAKEFILE = """\
# SPDX-License-Identifier: GPL-2.0
CFLAGS += -Wall -O2 $(KHDR_INCLUDES)

TEST_GEN_PROGS := {program}

include ../lib.mk
"""

_CONFIG = """\
CONFIG_X86_PAT=y
CONFIG_DEBUG_FS=y
"""


def as_kselftest(subject: Subject) -> dict[str, str]:
    """The program as a folder of selftests: its C, ``Makefile`` and ``config``.

    :raises Undecided: user space cannot do an operation of the program, or the machine gave no answer
    """
    plan = CPlan(subject)
    config = _CONFIG + "CONFIG_VFIO_PCI=m\n" * plan.has_vfio
    return {
        f"{subject.identifier}.c": c_text_of(plan, KSFT),
        "Makefile": _MAKEFILE.format(program=subject.identifier),
        "config": config,
    }
