"""Lines about resources: which slot of a device they name, its kind, and whether it has addresses now."""

from __future__ import annotations

from for_each import for_each

from pfnlab.diagnosis.messages.resource_words import ResourceWord, resource_word

LINES: dict[str, tuple[bool, ResourceWord]] = {
    "pci X: BAR 2: assigned [mem 0x90000000-0x9000ffff]": (
        False,
        ResourceWord("BAR 2", "mem", 0x10000, True),
    ),
    "pci X: BAR 2 [mem 0x90000000-0x9000ffff]: releasing": (
        False,
        ResourceWord("BAR 2", "mem", 0x10000, False),
    ),
    "pci X: BAR 2: can't assign mem pref (size 0x8000)": (False, ResourceWord("BAR 2", "mem", 0x8000, False)),
    "pci X: BAR 7: no space for [mem size 0x4000]": (False, ResourceWord("VF BAR 0", "mem", 0x4000, False)),
    "pci X: BAR 7: no space for [mem size 0x5000]": (True, ResourceWord("window", "mem", 0x5000, False)),
    "pci X: BAR 7: no space for [io  size 0x1000]": (False, ResourceWord("window", "io", 0x1000, False)),
    "pci X: bridge window [mem 0xa0000000-0xa00fffff]: assigned": (
        True,
        ResourceWord("window", "mem", 0x100000, True),
    ),
    "pci X: no compatible bridge window for [mem 0xe0000000-0xe0000fff]": (
        False,
        ResourceWord("", "mem", 0x1000, False),
    ),
    "pci X: bridge window [mem 0xa0000000-0xa00fffff]: can't claim; no compatible bridge window": (
        True,
        ResourceWord("window", "mem", 0x100000, False),
    ),
    "pci X: BAR 0 [mem size 0x1000]: failed to assign": (False, ResourceWord("BAR 0", "mem", 0x1000, False)),
    "pci X: can't enable device: BAR 1 [mem 0x1000-0x1fff] not assigned": (
        False,
        ResourceWord("BAR 1", "mem", 0x1000, False),
    ),
    "pci X: ROM [mem size 0x20000 pref]: can't assign; no space": (
        False,
        ResourceWord("ROM", "mem", 0x20000, False),
    ),
    "pci X: VF BAR 4 [mem 0xa0000000-0xa00fffff 64bit pref]: assigned": (
        False,
        ResourceWord("VF BAR 4", "mem", 0x100000, True),
    ),
}


@for_each("text", LINES)
def test_a_line_names_a_resource(text: str) -> None:
    """In the wordings of old and new kernels."""
    is_bridge, word = LINES[text]

    assert word == resource_word(text, is_bridge)
