"""The table of switches: what differs from kernel to kernel, each behaviour once.

A row says which release first has it and where it came from. Commits and catalogue ids are those of the bug
catalogue where it names them. How each is known is in ``known_by.py``.
"""

from __future__ import annotations

from pfnlab.kernel.policies.device_switches import OF_DEVICES
from pfnlab.kernel.policies.memory_switches import OF_MEMORY

SWITCHES = (*OF_MEMORY, *OF_DEVICES)
