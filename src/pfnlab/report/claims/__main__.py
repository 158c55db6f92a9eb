"""``python -m pfnlab.report.claims > docs/claims.md`` writes the page."""

from __future__ import annotations

from pfnlab.report.claims.page import claims

if __name__ == "__main__":
    print(claims(), end="")
