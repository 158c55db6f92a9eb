"""Words that every machine may have, so that they say nothing of one: a redacted bundle keeps these alone.

They are in ``public_words.toml``. Whoever adds one asks if it could say whose a machine is.
"""

import tomllib
from pathlib import Path
from typing import Any

_TABLE: dict[str, Any] = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))

#: Names of drivers and modules, options of the kernel's configuration without CONFIG_, folders of debugfs
#: and source files of the kernel.
DRIVERS, CONFIGURATION, DEBUGFS, SOURCES = (
    frozenset(_TABLE[name].split()) for name in ("drivers", "configuration", "debugfs", "sources")
)

#: Hypervisors as the kernel names them in its log, and reasons for what is not read.
HYPERVISORS, REASONS = frozenset(_TABLE["hypervisors"]), frozenset(_TABLE["reasons"])
#: Beginnings of names of resources by which the inspector knows whose they are.
TELLING: tuple[str, ...] = tuple(_TABLE["telling"])

#: Expressions: names of resources, files that are mapped, options of the command line, a kernel's release.
RESOURCES, FILES, OPTIONS, RELEASE = (
    "".join(_TABLE[name]) for name in ("resources", "files", "options", "release")
)
