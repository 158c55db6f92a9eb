"""Trackers: policies that record which pfns a mapping has reserved. One module per policy."""

from pfnlab.kernel.mm.tracker import TrackerPolicy
from pfnlab.kernel.policies.shipped_policies import policies_in

TRACKERS: dict[str, TrackerPolicy] = policies_in("trackers")
