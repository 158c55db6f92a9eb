"""JSON Schemas (2020-12) for ``--json`` output, one file per format.

Keys are never renamed; removing a key, or changing what it means, changes the number in the format's name.
"""

import json
from importlib.resources import files
from typing import Any

from pfnlab.base.errors import Misuse

#: The schema file for each verb.
FORMS = {
    "run": "run",
    "fmt": "fmt",
    "check": "check",
    "review": "review",
    "replay": "replay",
    "fuzz": "fuzz",
    "litmus list": "litmus-list",
    "discussions list": "discussions-list",
    "discussions list --claims": "claims-list",
    "discussions by": "claims-list",
    "discussions show": "claims-show",
    "discussions show T2": "discussions-thread",
    "discussions show R11": "discussions-defect",
    "discussions review": "discussions-review",
    "bugs list": "bugs-list",
    "bugs find": "bugs-find",
    "bugs show": "bugs-show",
    "bugs affects": "bugs-affects",
    "bugs run": "bugs-run",
    "inspect": "inspect",
    "explain": "explain",
    "try": "try",
    "kernels meet": "kernels-meet",
    "kernels diff": "kernels-meet",
    "bisect": "bisect",
    "kernels diff --model": "kernels-diff-model",
    "kernels sizes": "kernels-sizes",
    "campaign results": "results",
    "campaign status": "campaign-status",
}

#: Old names of verbs, accepted for one more release.
_EARLIER = {"claims list": "claims-list", "claims by": "claims-list", "claims show": "claims-show"}


def schema_text(verb: str) -> str:
    """The schema for a verb's ``--json`` output, given the verb as typed; Misuse if it prints no JSON."""
    form = FORMS.get(verb) or _EARLIER.get(verb)
    if form is None:
        raise Misuse(f"{verb} prints no JSON: there are schemas for {', '.join(FORMS)}")
    return files("pfnlab.base").joinpath("schemas", f"{form}.schema.json").read_text(encoding="utf-8")


def campaign_file_text() -> str:
    """The schema for campaign files, for editors that support TOML."""
    return files("pfnlab.base").joinpath("schemas", "campaign-file.schema.json").read_text(encoding="utf-8")


def schema(verb: str) -> dict[str, Any]:
    """The schema as an object."""
    read: dict[str, Any] = json.loads(schema_text(verb))
    return read
