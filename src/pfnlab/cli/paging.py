"""Show output that is longer than the terminal in a pager: ``$PAGER``, or less.

Used only on a terminal, and only for a command that answers once: a served page or a long job prints as it
goes. The exit code is that of the command, whatever the pager does.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from pfnlab.verbs.option import Say

#: Pagers; without PAGER, the first one installed is used.
_PAGERS = ("less", "more")

#: Set as git does: colours are passed through, and the text stays on the screen.
_OPTIONS = {"LESS": "FRX", "LV": "-c"}

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class HeldOutput(io.StringIO):
    """Standard output that is held until the command ends, and still counts as the terminal."""

    def __init__(self, terminal: TextIO) -> None:
        super().__init__()
        self._terminal = terminal
        self.messages: list[str] = []

    def isatty(self) -> bool:
        """Return whether the output is a terminal."""
        return bool(self._terminal.isatty())

    def fileno(self) -> int:
        """Return the terminal's file descriptor."""
        return self._terminal.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The terminal's encoding."""
        return str(self._terminal.encoding)

    def say(self, line: str) -> None:
        """Print a progress line, after the text that is already held."""
        from pfnlab.base.progress import say

        if self.tell():
            self.messages.append(line)
        else:
            say(line)


def pages(request: Any) -> bool:
    """Return True if the output of a command may go through a pager."""
    form = getattr(request, "form", None)
    is_data = (
        getattr(request, "as_json", False)
        or getattr(request, "schema", False)
        or getattr(request, "completion", None)
    )
    is_gradual = getattr(request, "gradual", False)
    return sys.stdout.isatty() and not is_data and not is_gradual and form in (None, "text")


@contextmanager
def paged() -> Iterator[Say]:
    """Hold the output in this context; then print it, through a pager if it is longer than the terminal.

    The context's value takes progress lines.
    """
    terminal = sys.stdout
    held = HeldOutput(terminal)
    sys.stdout = held
    complete = False
    try:
        yield held.say
        complete = True
    finally:
        sys.stdout = terminal
        text = held.getvalue()
        # After an error or Ctrl-C, the message is what matters.
        if not (complete and _is_long(text) and _through_pager(text)):
            print(text, end="", flush=True)
        from pfnlab.base.progress import say

        for line in held.messages:
            say(line)


def _is_long(text: str) -> bool:
    """Return True if *text* and a prompt do not fit on the screen."""
    columns, rows = shutil.get_terminal_size()
    lengths = (len(_COLOUR.sub("", line)) for line in text.splitlines())
    return sum(max(1, -(-length // columns)) for length in lengths) >= rows


def _through_pager(text: str) -> bool:
    """Show *text* in the pager until the user quits it; return False if no pager was found."""
    installed = next(filter(shutil.which, _PAGERS), "")
    try:
        words = shlex.split(os.environ.get("PAGER", installed))
    except ValueError:
        return False
    if not words or words == ["cat"]:
        return False
    sys.stdout.flush()
    try:
        pager = subprocess.Popen(
            words, stdin=subprocess.PIPE, env={**_OPTIONS, **os.environ}, encoding="utf-8", errors="replace"
        )
    except OSError:
        return False
    # Ctrl-C is for the pager, where it stops a search.
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        # The user may quit before the end.
        with suppress(BrokenPipeError):
            pager.communicate(text)
        pager.wait()
    finally:
        signal.signal(signal.SIGINT, before)
    return True
