"""Run inside a guest, by its Python: the machine inspected live, as several users, a line of JSON each."""

from __future__ import annotations

import importlib
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence

#: The line behind which the views come.
MARK = "views of this machine"

#: The user without privilege, who has this number everywhere.
NOBODY = 65534

#: The names of views from outside the kernel, and of the one that reads its memory.
PLAIN_VIEWS, DEEP_VIEW = ("root", "nobody"), "deep"

#: What is asked, by the name of the view: the words of the command line, and the user.
VIEWS = {
    "root": (("inspect", "--json"), 0),
    "nobody": (("inspect", "--json"), NOBODY),
    DEEP_VIEW: (("inspect", "--deep", "--json"), 0),
}


def main(names: Sequence[str]) -> None:
    """Ask for each view in a process of its own; a line has its name, exit code, output, errors, seconds."""
    # Only once for all of them: in an emulated guest that takes the longest.
    for module in ("pfnlab.cli.reader", "pfnlab.diagnosis.inspector.inspection"):
        importlib.import_module(module)
    asked = importlib.import_module("pfnlab.cli").main
    print(f"\n{MARK}", flush=True)
    for name in names:
        words, user = VIEWS[name]
        begun = time.monotonic()
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            child = os.fork()
            if child == 0:
                os.dup2(output.fileno(), 1)
                os.dup2(errors.fileno(), 2)
                if user:
                    os.setgroups([])
                    os.setgid(user)
                    os.setuid(user)
                sys.argv = ["pfnlab", *words]
                code = 70
                try:
                    code = asked() or 0
                except SystemExit as end:
                    code = end.code if isinstance(end.code, int) else int(end.code is not None)
                except BaseException:
                    traceback.print_exc()
                finally:
                    sys.stdout.flush()
                    sys.stderr.flush()
                    os._exit(code)
            _, status = os.waitpid(child, 0)
            said = []
            for file in (output, errors):
                file.seek(0)
                said.append(file.read().decode("utf-8", "replace"))
        line = {
            "name": name,
            "code": os.waitstatus_to_exitcode(status),
            "output": said[0],
            "errors": said[1],
            "seconds": round(time.monotonic() - begun, 1),
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
