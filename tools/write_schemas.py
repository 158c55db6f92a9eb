"""The schemas of ``--json`` output, generated from the results' structures: ``write_schemas.py [--write]``.

Each key is a field, and its description is the field's ``:param`` in the docstring. Without ``--write``,
files that differ are listed and the exit code is 1.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from pfnlab.base.result import PrintedStruct
from pfnlab.campaign.campaigns import ListedResults, StatusResult
from pfnlab.checker.check import CheckResult
from pfnlab.checker.replay import ReplayResult
from pfnlab.checker.review.review_result import ReviewResult
from pfnlab.diagnosis.explanation import ExplainResult
from pfnlab.diagnosis.inspector.inspection import InspectionResult
from pfnlab.discussions.claim_results import ClaimResult
from pfnlab.discussions.lookup import ClaimList
from pfnlab.discussions.thread_result import DefectResult, DiscussionList, ThreadResult
from pfnlab.discussions.thread_reviews import PostedReviews
from pfnlab.hunt.fuzz.hunt_state import FuzzResult
from pfnlab.hunt.meeting.bisect import BisectResult
from pfnlab.hunt.meeting.bug_run import BugRunResult
from pfnlab.hunt.meeting.meet import MeetingResult
from pfnlab.hunt.meeting.rules_between import RulesBetween
from pfnlab.hunt.meeting.trial import TrialResult
from pfnlab.kernel.bugs.affected import AffectsResult
from pfnlab.programs.lang.library_list import LibraryList
from pfnlab.programs.lang.problems import FmtResult
from pfnlab.programs.runs.compared import RunResult
from pfnlab.verbs.bug_entry import BugEntry
from pfnlab.verbs.bug_list import BugList
from pfnlab.verbs.bug_search import BugFindings
from pfnlab.verbs.patch_review import PatchReview

FOLDER = Path(__file__).resolve().parents[1] / "src" / "pfnlab" / "base" / "schemas"

#: The structure in each file.
RESULTS: dict[str, type[PrintedStruct]] = {
    "check": CheckResult,
    "review": ReviewResult,
    "review-patch": PatchReview,
    "kernels-diff-model": RulesBetween,
    "bisect": BisectResult,
    "run": RunResult,
    "replay": ReplayResult,
    "results": ListedResults,
    "campaign-status": StatusResult,
    "litmus-list": LibraryList,
    "kernels-meet": MeetingResult,
    "discussions-list": DiscussionList,
    "discussions-thread": ThreadResult,
    "discussions-defect": DefectResult,
    "discussions-review": PostedReviews,
    "claims-list": ClaimList,
    "claims-show": ClaimResult,
    "bugs-list": BugList,
    "bugs-show": BugEntry,
    "bugs-affects": AffectsResult,
    "bugs-find": BugFindings,
    "bugs-run": BugRunResult,
    "try": TrialResult,
    "fuzz": FuzzResult,
    "inspect": InspectionResult,
    "explain": ExplainResult,
    "fmt": FmtResult,
}

#: The line length in the files.
_WIDTH = 110

_PARAM = re.compile(r"^:(?:param|ivar) (\w+): (.+?)(?=^:|^\S|\Z)", re.DOTALL | re.MULTILINE)


def schema_of(kind: type[PrintedStruct]) -> dict[str, Any]:
    """The schema of a result: it requires every key of this version that has no default, and allows no
    others.
    """
    _, parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    printed = _printed_types(kind)
    described = {
        one.__name__: _described(one, parts[one.__name__])
        for one in printed
        if issubclass(one, msgspec.Struct)
    }
    root = described.pop(kind.__name__)
    # The others are words, one of which is a field's value.
    described |= {
        name: {"description": _sentence(part["description"]), "enum": part["enum"]}
        for name, part in parts.items()
        if "enum" in part and name in {one.__name__ for one in printed}
    }
    content = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": kind.form(),
        "title": root.pop("description").rstrip("."),
        **root,
    }
    return {**content, "$defs": dict(sorted(described.items()))} if described else content


def _described(struct: type[msgspec.Struct], part: dict[str, Any]) -> dict[str, Any]:
    """The schema of a structure, with descriptions of it and its fields."""
    says = dict(param for base in reversed(struct.__mro__) for param in _params(base))
    keys = part["properties"]
    for field in msgspec.structs.fields(struct):
        key = keys[field.encode_name]
        if "unprinted" in key:
            del keys[field.encode_name]
            continue
        key.pop("default", None)
        # msgspec 0.23 also refers to the type of keys; older releases name only the limits of texts.
        if "$ref" in key.get("propertyNames", {}):
            del key["propertyNames"]
        if key.pop("always", False):
            part["required"].append(field.encode_name)
        if field.name in says:
            key["description"] = says[field.name]
    return {
        "description": _sentence((struct.__doc__ or "").partition("\n")[0]),
        "type": "object",
        "required": [key for key in keys if key in part["required"]],
        "additionalProperties": False,
        "properties": keys,
    }


def _params(kind: type[Any]) -> Iterator[tuple[str, str]]:
    return ((name, _sentence(text)) for name, text in _PARAM.findall(inspect.cleandoc(kind.__doc__ or "")))


def _sentence(text: str) -> str:
    """Docstring text as a Markdown sentence."""
    words = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", " ".join(text.split())).replace("``", "`")
    return f"{words[:1].upper()}{words[1:].rstrip('.')}." if words else words


def _printed_types(kind: Any) -> list[type[Any]]:
    """Return a structure and all structures and words in its printed fields."""
    found: dict[type[Any], None] = {}

    def look(info: Any) -> None:
        if isinstance(info, msgspec.inspect.Metadata) and "unprinted" in (info.extra_json_schema or {}):
            return
        if isinstance(info, msgspec.inspect.StructType | msgspec.inspect.EnumType):
            if info.cls in found:
                return
            found[info.cls] = None
        if isinstance(info, tuple):
            for one in info:
                look(one)
        elif isinstance(info, msgspec.inspect.Type | msgspec.inspect.Field):
            for name in info.__struct_fields__:
                look(getattr(info, name))

    look(msgspec.inspect.type_info(kind))
    return list(found)


def schema_text_of(kind: type[PrintedStruct]) -> str:
    """The schema as file text."""
    return _laid_out(schema_of(kind)) + "\n"


def _laid_out(value: Any, depth: int = 0) -> str:
    """JSON, on one line if it fits."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) <= _WIDTH - depth or not isinstance(value, dict | list):
        return flat
    inner = [_laid_out(one, depth + 1) for one in (value.values() if isinstance(value, dict) else value)]
    if isinstance(value, dict):
        inner = [f"{json.dumps(key)}: {text}" for key, text in zip(value, inner, strict=True)]
    lines = ",\n".join(" " * (depth + 1) + text for text in inner)
    begin, end = "{}" if isinstance(value, dict) else "[]"
    return f"{begin}\n{lines}\n{' ' * depth}{end}"


def main(argv: Sequence[str]) -> int:
    """Write the files, or list those that differ.

    :return: 1 if one differs and is not written
    """
    status = 0
    for name, kind in RESULTS.items():
        path, text = FOLDER / f"{name}.schema.json", schema_text_of(kind)
        if path.exists() and path.read_text(encoding="utf-8") == text:
            continue
        if "--write" in argv:
            path.write_text(text, encoding="utf-8")
        else:
            status = 1
        print(path.name)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
