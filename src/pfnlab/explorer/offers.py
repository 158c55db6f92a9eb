"""The choices that the page offers, and the texts it looks up; answered immediately."""

import shutil
from collections.abc import Sequence
from typing import Any

import msgspec

from pfnlab.base.errors import Misuse
from pfnlab.base.inert import one_line
from pfnlab.base.version import VERSION
from pfnlab.explorer import questions
from pfnlab.explorer.serving import MOST_SENT
from pfnlab.explorer.stories import SEAMS, series_on_offer
from pfnlab.explorer.walk import walkable_scopes
from pfnlab.kernel.functions.rule_texts import find_rule
from pfnlab.kernel.policies.releases import CONFIRMED
from pfnlab.programs.lang.library_list import library_entries
from pfnlab.programs.lang.tokens import token_table
from pfnlab.programs.lang.words import HEADERS, MODES, VERBS, VIAS


class Offers:
    """Answers that need no run; the page starts with *opened* if that is not a program in the library."""

    def __init__(
        self, given: Sequence[str] = (), opened: str | None = None, bundle: str | None = None
    ) -> None:
        self._given, self._opened, self._bundle = tuple(given), opened, bundle

    def start(self, question: questions.StartQuestion) -> Any:
        """Return everything that can be chosen."""
        lab = shutil.which("qemu-system-x86_64") is not None
        return {
            "version": VERSION,
            "programs": [
                {"name": entry.name, "section": entry.section, "asks": entry.question}
                for entry in library_entries()
            ],
            "series": series_on_offer(),
            "seams": SEAMS,
            "given": list(self._given),
            "opened": self._opened,
            "bundle": self._bundle,
            "most_sent": MOST_SENT,
            "kernels": list(reversed(CONFIRMED)) if lab else [],
            "scopes": walkable_scopes(),
            "depth": questions.MOST_DEPTH,
            "tokens": token_table(),
            "words": {"operation": VERBS, "keyword": HEADERS, "mode": MODES, "option": tuple(VIAS)},
        }

    def program(self, question: questions.ProgramQuestion) -> Any:
        """Return a library program's text; its name is looked up, never turned into a path."""
        for entry in library_entries():
            if question.name in (entry.name, f"{entry.folder}/{entry.name}"):
                return {"name": entry.name, "text": entry.path.read_text(encoding="utf-8")}
        raise Misuse(f"the library has no program {one_line(question.name)}: choose one of its list")

    def rule(self, question: questions.RuleQuestion) -> Any:
        """Return the text of a rule."""
        return msgspec.to_builtins(find_rule(question.rule))
