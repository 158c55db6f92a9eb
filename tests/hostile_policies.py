"""Policies of users whose methods do what no method should."""

from __future__ import annotations

from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "docs" / "own-policy"

#: The method that does it, and its head in the example.
METHOD = "unmap_vmas"
_HEAD = f"    def {METHOD}(self, vma):\n"

#: Never returns: where Python sees signals, without the timer, in C alone, whatever is raised, stopped.
ENDLESS = {
    "loop": "while True: pass",
    "sleep": "import time; time.sleep(1000)",
    "no timer": "import signal; signal.setitimer(signal.ITIMER_REAL, 0)\nwhile True: pass",
    "no signal": "import itertools; sum(itertools.count())",
    "swallows": "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    "stopped": "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)",
}

#: Ends its process without a word, and what is said of its file.
ENDS = {
    "import os; os._exit(0)": "it ended the process it runs in (exit 0)",
    "import os; os._exit(3)": "it ended the process it runs in (exit 3)",
    "import ctypes, faulthandler; faulthandler.disable(); ctypes.string_at(0)": (
        "it was killed by SIGSEGV: does it recurse without end?"
    ),
    "import os; os.closerange(3, 500)": "it closed the files of the process it is called in",
    "import os; os.close(1)": "it closed standard output, which it must leave open",
    "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))": (
        "it changed the limit of open files (RLIMIT_NOFILE), which it must leave alone"
    ),
}

#: Raises what is no errno, or takes too much, and what is said of its method.
RAISES = {
    "raise SystemExit(0)": "it raised SystemExit: 0 (line 70)",
    "raise BaseException": "it raised BaseException (line 70)",
    "raise ValueError('one\\n' + 'x' * 1000)": f"it raised ValueError: one {'x' * 296} (line 70)",
    "self.taken = bytearray(10 << 30)": "it took more than 8 GiB of memory: does it grow without end?",
}

#: Does no damage: what it prints goes elsewhere.
HARMLESS = {
    "print": "print('printed here')",
    "write": "import os; os.write(1, b'printed here\\n')",
    "shell": "import os; os.system('echo printed here')",
    "thread": (
        "import threading\nthread = threading.Thread(target=print, args=('printed here',))\n"
        "thread.start(); thread.join()"
    ),
}


def tracker(body: str) -> str:
    """The text of the example, which does *body* before anything else in its method."""
    text = (EXAMPLE / "per_vma.py").read_text()
    assert 1 == text.count(_HEAD)
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    return text.replace(_HEAD, _HEAD + lines)
