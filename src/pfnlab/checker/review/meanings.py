"""The meaning of a violated property: what happens, and who would notice."""

from __future__ import annotations

from typing import NamedTuple


class Meaning(NamedTuple):
    """A violated property in words.

    :param happens: what is there that should not be, or the other way round
    :param noticed: who sees it, and how
    """

    happens: str
    noticed: str


#: By property; tests hold that every property that can be violated is here.
MEANINGS = {
    "no_leak": Meaning(
        "a reservation stays although nothing maps its range any more",
        "whoever maps the range next in another mode gets the old one or EBUSY, until a reboot",
    ),
    "no_loss": Meaning(
        "frames that a mapping shows are not reserved",
        "a second mapping may take another cache mode beside it: aliases, lost or reordered stores",
    ),
    "exact": Meaning(
        "more or fewer frames are reserved than are mapped or can be faulted in again",
        "whoever maps a frame of the difference in another mode",
    ),
    "freed_once": Meaning(
        "the book is asked to free a range that it does not have",
        "the log: x86/PAT: freeing invalid memtype",
    ),
    "no_warning": Meaning("the kernel prints a WARNING", "the log, and machines that panic on warnings"),
    "one_mode": Meaning(
        "one frame is mapped, or remembered by a processor, in two cache modes",
        "the device: stores arrive late, twice or not at all",
    ),
    "direct_map": Meaning(
        "RAM is mapped in another cache mode than the kernel's own mapping of it",
        "the driver and the kernel, which read different contents",
    ),
    "direct_map_back": Meaning(
        "RAM that nothing maps is still not write-back for the kernel", "everybody who gets that page next"
    ),
    "no_stale": Meaning(
        "a processor remembers a translation that the page tables no longer have",
        "a thread that reads on through it",
    ),
    "memory_off": Meaning(
        "a device whose memory is off is still mapped", "the guest or process that reads it: a bus error"
    ),
    "removed_unmapped": Meaning(
        "a removed device is still mapped", "the process that touches it, and the next device at that place"
    ),
    "claimed_unmapped": Meaning(
        "a range that a driver has claimed is still mapped by others", "the driver whose device others touch"
    ),
    "claimed_free": Meaning(
        "the reservation of an earlier user decides the cache mode of a claimed range",
        "the driver, whose mapping gets another mode than it asked for",
    ),
    "fork_whole": Meaning(
        "a fork that fails leaves tasks, mappings or reservations changed",
        "the parent, and whoever maps the range after it",
    ),
    "walks_pages": Meaning(
        "a walker takes a device's frame for a page", "the kernel: bad counters, or an oops in the walker"
    ),
    "walks_all": Meaning(
        "a walker passes a copied page by", "move_pages, numa_maps or smaps, which report too little"
    ),
    "counters": Meaning(
        "a counter is not the number of its users", "memory that is freed too early, or never"
    ),
    "told_free": Meaning(
        "a processor reaches a frame whose owner was told that it is free",
        "whoever gets the frame next: another process reads or writes it",
    ),
    "no_deadlock": Meaning("two operations wait for each other for ever", "hung tasks"),
}
