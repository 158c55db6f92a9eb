"""The kernel's own build: the tools it needs, ``make`` with progress, and the first error if it fails."""

import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pfnlab.base.errors import MissingTool, TimedOut, Undecided
from pfnlab.base.units import number_of
from pfnlab.lab.images.cache import make_cache_folder
from pfnlab.lab.images.tools import run

#: The number of steps in a full build of the lab configuration, measured on 6.12.117, and the CPU seconds per
#: step, from a build that took eight minutes on two cores. Used only for the forecast.
STEPS, SECONDS_PER_STEP = 2131, 0.45

#: Programs that a build calls, and the package that contains each.
_PROGRAMS = {
    **{"make": "make", "gcc": "gcc", "ld": "binutils", "flex": "flex", "bison": "bison", "bc": "bc"},
    **{"pahole": "dwarves", "git": "git", "tar": "tar", "xz": "xz-utils", "perl": "perl"},
}
_HEADERS = {"libelf.h": "libelf-dev", "gelf.h": "libelf-dev"}
_INCLUDE = Path("/usr/include")

_LIMIT = 4 * 3600.0
_CONFIGURE_LIMIT = 300.0
_REMEDY = "a kernel's build needs it"

_STEP = re.compile(r"^  [A-Z][A-Z0-9_+-]* ", re.MULTILINE)
_ERROR = re.compile(r"\berror:|undefined reference|\*\*\* ", re.IGNORECASE)
_NOISE = re.compile(r"^make(?:\[\d+\])?: \*\*\* ")


@dataclass(frozen=True)
class Make:
    """A kernel build from one read-only source in the folder *out*, running *jobs* commands in parallel."""

    source: Path
    out: Path
    jobs: int

    def configure(self, *targets: str) -> None:
        """Run make's configuration targets, e.g. ``tinyconfig``; Undecided if one fails."""
        make_cache_folder(self.out)
        command = [*self._command(), "-s", *targets]
        answer = run(command, limit=_CONFIGURE_LIMIT, remedy=_REMEDY, env=_environment())
        if answer.returncode:
            raise Undecided(f"the tree cannot be configured: {first_error(answer.stdout + answer.stderr)}")

    def build(self, *targets: str, steps: int, say: Callable[[str], None]) -> int:
        """Make *targets*, reporting progress after each tenth of the steps.

        An interrupted or failed build keeps its objects, and the next build resumes from them.

        :param steps: the expected number of steps
        :return: the number of steps done
        :raises Undecided: if it does not build
        :raises TimedOut: if the build takes more than four hours
        """
        log = self.out / "pfnlab.log"
        begin, tenth = time.monotonic(), 0

        def progress() -> None:
            nonlocal tenth
            done = _steps_in(log)
            now = min(9, done * 10 // max(steps, 1))
            if now > tenth:
                tenth = now
                left = (time.monotonic() - begin) * (steps - done) / max(done, 1)
                say(f"{now * 10} % built, about {_minutes(max(left, 0))} left")

        # Output goes to a file, because make's children may outlive the reader of a pipe.
        command = ["sh", "-c", 'exec "$@" >"$0" 2>&1', str(log), *self._command(), *targets]
        try:
            answer = run(command, limit=_LIMIT, remedy=_REMEDY, env=_environment(), meanwhile=progress)
        except TimedOut:
            hours = f"{_LIMIT / 3600:g}"
            raise TimedOut(f"the build did not end within {hours} h; its objects are kept") from None
        if answer.returncode:
            reason = first_error(log.read_text(errors="replace")).replace(f"{self.source}/", "")
            raise Undecided(f"the tree does not build: {reason}")
        return _steps_in(log)

    def _command(self) -> list[str]:
        return ["make", f"-j{self.jobs}", "-C", str(self.source), f"O={self.out}", "ARCH=x86_64"]


def check_tools() -> None:
    """Check that all build tools are installed; MissingTool lists every package to install."""
    missing = [package for program, package in _PROGRAMS.items() if shutil.which(program) is None]
    missing += [package for header, package in _HEADERS.items() if not (_INCLUDE / header).exists()]
    if missing:
        packages = " ".join(dict.fromkeys(missing))
        raise MissingTool(
            f"a kernel's build needs {number_of(len(set(missing)), 'package')} more: "
            f"apt-get install --no-install-recommends {packages}"
        )


def compiler() -> str:
    """The first version lines of the compiler and pahole, which identify a build."""
    lines = []
    for command in (["gcc", "--version"], ["pahole", "--version"]):
        answer = run(command, limit=10.0, remedy=_REMEDY)
        lines.append(answer.stdout.partition("\n")[0])
    return "; ".join(lines)


def first_error(text: str) -> str:
    """The first line of build output that reports an error, or else the last line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if _ERROR.search(line)]
    best = [line for line in telling if not _NOISE.match(line)] or telling or lines[-1:] or ["no message"]
    return best[0]


def forecast(steps: int, jobs: int) -> str:
    """An estimate, in words, of how long a build of *steps* steps takes."""
    cores = min(jobs, os.cpu_count() or 1)
    return f"about {_minutes(steps * SECONDS_PER_STEP / cores)} on {number_of(cores, 'core')}"


def _minutes(seconds: float) -> str:
    return f"{number_of(round(seconds), 'second')}" if seconds < 90 else f"{round(seconds / 60)} minutes"


def _steps_in(log: Path) -> int:
    try:
        return len(_STEP.findall(log.read_text(errors="replace")))
    except OSError:
        return 0


# The caller may itself be running under make, whose flags must not apply here, and the caller's environment
# must not configure the kernel. Names and dates that would otherwise differ from build to build are fixed.
def _environment() -> dict[str, str]:
    return {
        **{"MAKEFLAGS": "", "MAKELEVEL": "", "KCONFIG_CONFIG": ".config", "CROSS_COMPILE": ""},
        **{"LOCALVERSION": "", "KBUILD_BUILD_USER": "pfnlab", "KBUILD_BUILD_HOST": "lab"},
        **{"KBUILD_BUILD_VERSION": "1", "KBUILD_BUILD_TIMESTAMP": "2026-01-01 00:00:00 UTC"},
    }
