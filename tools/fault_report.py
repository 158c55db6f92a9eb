"""Campaigns with faults, each resumed and compared with the undisturbed run: ``make fault-report``.

Every campaign runs once undisturbed. It runs again in phases that are disturbed, each begun by ``campaign
resume``, and at last without a fault; then it must have the same results, seen by the same shards, and the
same shards isolated. A row of the page is a kind of fault (:data:`FAULTS`), counted only where it did happen.
What disturbs is in `tools/faults`, one class for each kind of campaign.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from faults.disturbed import Disturbed
from faults.on_cluster import OnCluster
from faults.on_kernel import OnKernel
from faults.on_models import FAKETIME, OnModels

from pfnlab.errors import PfnlabError

#: What is injected, by the name of its row.
FAULTS = {
    "disk full": "a file could grow no further, and the campaign ended with one line",
    "clock jump": "the wall clock went forwards or back by up to ten years while shards ran",
    "worker killed": "kill -9 of a process that ran a shard, or of the one above it",
    "all killed": "kill -9 of the process that ran the campaign, with which all others end",
    "shard crashed": "a shard aborted in the middle, once",
    "shard hung": "a shard hung until its limit, once",
    "shard always crashes": "a shard aborted at every try, and was isolated",
    "store copied": "a plain copy of the file and its log while shards were kept: consistent, or refused",
    "cluster worker killed": "kill -9 of a dask worker with all that it ran; another one began",
    "scheduler restarted": "kill -9 of the dask scheduler and its workers; others began, and it went on",
    "guest hung": "the QEMU of a shard was stopped (SIGSTOP) in the middle of its work",
    "guest killed": "kill -9 of the QEMU of a shard",
}

CAMPAIGNS, LEAST = 20, 200

#: What the campaigns are, in turn.
KINDS: tuple[type[Disturbed], ...] = (OnModels, OnModels, OnCluster, OnModels, OnKernel, OnModels, OnModels)


@contextmanager
def _folder(number: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix=f"pfnlab-faults-{number}-") as name:
        yield Path(name)


def page(campaigns: Sequence[tuple[Counter[str], list[str]]]) -> str:
    """The report."""
    counts: Counter[str] = sum((counts for counts, _ in campaigns), Counter())
    equal = sum(not wrong for _, wrong in campaigns)
    lines = [
        "# Campaigns with faults",
        "",
        "Made by `make fault-report`. Each campaign runs once undisturbed: shards of models (searches,",
        "random programs, programs of the catalogue), some on a cluster of this host, some with a kernel.",
        "It runs again with faults, each phase begun by `pfnlab campaign resume`, and at last to its end.",
        "Then it must have exactly the results of the undisturbed run: the same digests, seen by the same",
        "shards, and the same shards isolated. How campaigns work is in [campaigns](campaigns.md).",
        "",
        f"- campaigns: {len(campaigns)}; equal to the undisturbed run: {equal}",
        f"- faults: {sum(counts.values())}",
        "",
        "| fault | injected | what happened |",
        "| --- | ---: | --- |",
        *(f"| {name} | {counts[name]} | {says} |" for name, says in FAULTS.items()),
        "",
    ]
    for number, (_, wrong) in enumerate(campaigns):
        lines += [f"- campaign {number}: {one}" for one in wrong]
    return "\n".join(lines).rstrip() + "\n"


def main() -> int:
    """Run all; 1 where a campaign is not equal, or too few faults happened."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("page", nargs="?", type=Path, help="the file of the report")
    words.add_argument("--campaigns", type=int, default=CAMPAIGNS)
    asked = words.parse_args()
    if not Path(FAKETIME).exists():
        print("the clock cannot be set: apt-get install faketime", file=sys.stderr)
        return 3
    if importlib.util.find_spec("distributed") is None:
        print("there is no cluster: pip install 'pfnlab[cluster]'", file=sys.stderr)
        return 3
    campaigns = []
    for number in range(asked.campaigns):
        began = time.monotonic()
        with _folder(number) as folder:
            campaign = KINDS[number % len(KINDS)](folder, number)
            try:
                campaign.run()
            except PfnlabError as error:
                campaign.wrong.append(str(error))
        campaigns.append((campaign.counts, campaign.wrong))
        words_of = "equal" if not campaign.wrong else "; ".join(campaign.wrong)
        print(
            f"{number}: {sum(campaign.counts.values())} faults, {words_of}, {time.monotonic() - began:.0f} s",
            file=sys.stderr,
            flush=True,
        )
    text = page(campaigns)
    print(text, end="")
    if asked.page is not None:
        asked.page.write_text(text, encoding="utf-8")
    total = sum(sum(counts.values()) for counts, _ in campaigns)
    return int(any(wrong for _, wrong in campaigns) or total < LEAST * len(campaigns) // CAMPAIGNS)


if __name__ == "__main__":
    sys.exit(main())
