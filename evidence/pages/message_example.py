"""Lines made from templates, as an example of each message."""

from __future__ import annotations

from collections.abc import Mapping

from pfnlab.diagnosis.messages.family_files import Family
from pfnlab.diagnosis.messages.matching import matcher
from pfnlab.diagnosis.messages.template import PAT_PREFIX, FieldSlot, LineTemplate

#: Default text for a field in a line.
_SAMPLES = {
    "commit": "f8e97613fed2",
    "comm": "main",
    "pid": "177",
    "range": "0xfd000000-0xfd003fff",
    "holder_range": "0xfd000000-0xfdffffff",
    "start": "0xfd000000",
    "end": "0xfd004000",
    "size": "0x4000",
    "bytes": "16384",
    "kib": "16",
    "mib": "64",
    "pfn": "fd000",
    "wanted": "write-combining",
    "granted": "uncached-minus",
    "existing": "uncached-minus",
    "differs": "write-combining",
    "track": "uncached-minus",
    "device": "0000:01:00.0",
    "driver": "vfio-pci",
    "bar": "1",
    "holder": "PCI Bus 0000:00",
    "errno": "-16",
    "slots": "WB  WC  UC- UC  WB  WP  UC- WT",
    "amount": "16K",
    "pat_msr": "0x7010600070106",
    "pci": "0000:01:00.0",
    "prefetch": "prefetchable",
    "device_path": "/dev/mem",
    "perms": "rw-s",
    "path": "/dev/mem",
    "vm_flags": "44644fb",
    "addr": "7f20ae059000",
    "number": "4",
    "symbol": "probe+0x15e/0x890",
    "file": "mm/memory.c",
    "line": "1064",
    "word": "word",
    "failure": "Operation not permitted",
    "node": "/dev/mem",
    "fd": "5",
    "iova": "0xe0000000",
    "entry": "80000000fd000227",
    "version": "6.1.85",
    "function": "track_pfn_insert+0x11/0x30",
    "text": "some words",
}


def rendered(text: str, values: Mapping[str, str] | None = None, choice: int = 0) -> str:
    """Make a line from the template *text*.

    :param values: field texts by name; other fields get samples
    :param choice: index of the literal to use, modulo their number
    """
    parts = [
        (values or {}).get(token.name, _SAMPLES[token.name])
        if isinstance(token, FieldSlot)
        else token.choices[choice % len(token.choices)]
        for token in LineTemplate(text).tokens
    ]
    return (PAT_PREFIX if text.startswith(PAT_PREFIX) else "") + "".join(parts)


def example_of(family: Family) -> str:
    """Return a line that is recognized as this family's; empty if none of its templates yields one.

    Text that a template ignores is shown as three dots.
    """
    lines = (rendered(wording.text, {"text": "..."}) for wording in family.wording)
    return next((line for line in lines if _is_of(family, line)), "")


def _is_of(family: Family, line: str) -> bool:
    found = matcher().whole(line) or matcher().abridged(line)
    return found is not None and found.family is family
