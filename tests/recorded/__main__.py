"""``python -m tests.recorded FILE.jsonl... [--json] [--jobs N]``: see ``README.md``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pfnlab.base.errors import PfnlabError
from pfnlab.base.inert import message
from pfnlab.base.progress import working
from tests.recorded.matrix import predict_files


def main(words: Sequence[str]) -> int:
    """Predict the cases of all files together, and print what comes of it; the exit code, as of a verb."""
    parser = argparse.ArgumentParser(prog="python -m tests.recorded", description="Predict recorded cases.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.jsonl")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--jobs", type=int, metavar="N", help="processes at a time")
    asked = parser.parse_args(words)
    try:
        with working("predicting recorded cases") as work:
            result = predict_files(asked.files, asked.jobs, work)
    except PfnlabError as trouble:
        print(f"pfnlab: {message(str(trouble))}", file=sys.stderr)
        return trouble.exit_code
    print(result.as_json() if asked.json else result)
    return result.outcome.value


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
