"""The forms of what ``--json`` prints, as JSON Schema (2020-12): a file for each, for tools that read it.

Keys are never renamed; one that goes or changes its meaning makes a new number after the form's name.
"""

import json
from importlib.resources import files
from typing import Any

from pfnlab.base.errors import Misuse

_PRINTING = (
    *("run", "fmt", "check", "review", "check --differ", "replay", "fuzz", "litmus list", "policies matrix"),
    *(
        "discussions list",
        "discussions list --claims",
        "discussions by",
        "discussions show",
        "discussions show T2",
        "discussions show R11",
        "bugs list",
        "bugs show",
        "bugs affects",
        "bugs run",
    ),
    *("inspect", "explain", "try", "kernels meet", "kernels diff", "bisect", "kernels diff --model"),
    *("kernels sizes", "results", "campaign results", "campaign status"),
)

#: Verbs that print the form of another.
_LIKE = {
    "discussions list --claims": "claims list",
    "discussions by": "claims list",
    "discussions show": "claims show",
    "discussions show T2": "discussions thread",
    "discussions show R11": "discussions defect",
    "kernels diff": "kernels meet",
    "campaign results": "results",
}

#: The file of each verb's form.
FORMS = {verb: _LIKE.get(verb, verb).replace(" --", " ").replace(" ", "-") for verb in _PRINTING}


def schema_text(verb: str) -> str:
    """The schema of what a verb, as typed, prints with ``--json``; Misuse if it prints no JSON."""
    if verb not in FORMS:
        raise Misuse(f"{verb} prints no JSON: there are schemas for {', '.join(FORMS)}")
    return files("pfnlab.base").joinpath("schemas", f"{FORMS[verb]}.schema.json").read_text(encoding="utf-8")


def campaign_file_text() -> str:
    """The schema of the file of a campaign, for editors that know TOML."""
    return files("pfnlab.base").joinpath("schemas", "campaign-file.schema.json").read_text(encoding="utf-8")


def schema(verb: str) -> dict[str, Any]:
    """The same as an object."""
    read: dict[str, Any] = json.loads(schema_text(verb))
    return read
