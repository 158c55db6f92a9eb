"""``python -m pfnlab.report.claims [--jobs N] > docs/claims.md`` writes the page."""

from __future__ import annotations

import argparse

from pfnlab.report.claims.page import claims

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m pfnlab.report.claims", description="The page of claims.")
    parser.add_argument("--jobs", type=int, metavar="N", help="questions at a time; one a processor")
    print(claims(parser.parse_args().jobs), end="")
