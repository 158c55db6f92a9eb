"""The programs that show each switch: ``find_shown.py [--write]``.

Runs each program on the model of every confirmed series, with and without each change. Keeps the shortest
program in which a user sees the change, or else the shortest that differs at all. ``--write`` writes the
result to ``src/pfnlab/kernel/policies/shown_by.toml``; without it the file is only compared. Takes several
minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from pathlib import Path

import pfnlab.kernel.policies
from pfnlab.base.processes import in_order
from pfnlab.hunt.meeting.holding import Programs
from pfnlab.hunt.meeting.rules_between import first_change, run_with_rules
from pfnlab.kernel.policies.changes import FILE, field_of, key_of, single_changes
from pfnlab.kernel.policies.releases import CONFIRMED
from pfnlab.programs.model.model_machine import ModelMachine
from pfnlab.programs.runs.look import LookLevel

PATH = Path(pfnlab.kernel.policies.__file__).with_name(FILE)

_HEAD = "# Made by `python tools/find_shown.py --write`; do not edit.\n"


def shown_on(series: str) -> dict[str, str]:
    """Return the shortest program that shows each change to a series' rules, by change."""
    programs = Programs.of()
    by_size = sorted(programs.litmus, key=lambda name: (len(programs.litmus[name].ops), name))

    def machine(spec: str, name: str) -> ModelMachine:
        return ModelMachine(spec, programs.looks.get(name, LookLevel.PROC))

    before = {name: run_with_rules(machine(series, name), programs.litmus[name]) for name in by_size}
    found: dict[str, str] = {}
    for change in single_changes(series):
        inside: str | None = None
        for name in by_size:
            run, asked = before[name]
            if run.unfinished is not None or field_of(change) not in asked:
                continue
            (changed,) = machine(f"{series},{change}", name).run([programs.litmus[name]])
            seen = None if changed.unfinished is not None else first_change((run, changed))
            if seen is not None and seen.by_user:
                found[change] = name
                break
            if seen is not None:
                inside = inside or name
        if change not in found and inside is not None:
            found[change] = inside
    return found


def found_text() -> str:
    """Return the text of the file: the programs for each change, newest series first."""
    by_key: defaultdict[str, dict[str, None]] = defaultdict(dict)
    for found in reversed(list(in_order(shown_on, CONFIRMED))):
        for change, name in found.items():
            by_key[key_of(change)][name] = None
    return _HEAD + "".join(f"{key} = {json.dumps(list(names))}\n" for key, names in sorted(by_key.items()))


def main() -> int:
    """Write the file, or report whether it is up to date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    found = found_text()
    if parser.parse_args().write:
        PATH.write_text(found, encoding="utf-8")
        return 0
    current = PATH.exists() and PATH.read_text(encoding="utf-8") == found
    print(f"{FILE} is {'current' if current else 'not current: run with --write'}")
    return 0 if current else 1


if __name__ == "__main__":
    sys.exit(main())
