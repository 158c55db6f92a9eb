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

#: Ends or damages its process, and what is said of it.
DAMAGE = {
    "import os; os._exit(0)": "it ended the process it is called in (exit 0)",
    "import os; os._exit(3)": "it ended the process it is called in (exit 3)",
    "import os; os.kill(os.getpid(), 9)": "it was killed by SIGKILL: is memory short?",
    "import ctypes, faulthandler; faulthandler.disable(); ctypes.string_at(0)": (
        "it was killed by SIGSEGV: does it recurse without end?"
    ),
    "import os; os.fork()": "it forked the process it is called in: leave os.fork and multiprocessing out",
    "raise SystemExit(0)": "it raised SystemExit: 0",
    "raise KeyboardInterrupt": "it raised KeyboardInterrupt",
    "raise BaseException": "it raised BaseException",
    "raise ValueError('one\\n' + 'x' * 1000)": f"it raised ValueError: one {'x' * 296}",
    "import os; os.close(1)": "it closed file descriptor 1, which it must leave open",
    "import os; os.close(2)": "it closed file descriptor 2, which it must leave open",
    "import os; os.closerange(3, 500)": "it closed the files of the process it is called in",
    "import os; os.chdir('/')": "it changed the working directory, which it must leave alone",
    "import sys; sys.stdout = open('/dev/null', 'w')": "it changed sys.stdout, which it must leave alone",
    "import sys; sys.stderr = None": "it changed sys.stderr, which it must leave alone",
    "import sys; sys.setrecursionlimit(500)": "it changed the recursion limit, which it must leave alone",
    "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)": (
        "it changed the handling of SIGINT, which it must leave alone"
    ),
    "import threading, time; threading.Thread(target=time.sleep, args=(1000,)).start()": (
        "it started a thread that goes on: a thread has to end before the call does"
    ),
}

#: Does no damage: the streams are closed for the code alone, and what it prints goes elsewhere.
HARMLESS = {
    "print": "print('printed here')",
    "write": "import os; os.write(1, b'printed here\\n')",
    "shell": "import os; os.system('echo printed here')",
    "thread": (
        "import threading\nthread = threading.Thread(target=print, args=('printed here',))\n"
        "thread.start(); thread.join()"
    ),
    "closed": "import sys; sys.stdout.close(); sys.stderr.close(); print('printed here', file=sys.stderr)",
}


def tracker(body: str) -> str:
    """The text of the example, which does *body* before anything else in its method."""
    text = (EXAMPLE / "per_vma.py").read_text()
    assert 1 == text.count(_HEAD)
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    return text.replace(_HEAD, _HEAD + lines)
