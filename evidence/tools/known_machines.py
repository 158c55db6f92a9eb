"""Machines in known states for the inspector: QEMU devices, Linux drivers, and the expected findings.

Every expectation follows from the cited rule and what the setup does; none comes from an inspection.
"""

from __future__ import annotations

from typing import NamedTuple

#: A finding, for comparison: its kind, and the pages it is about.
Kind = tuple[str, int]


class EquippedMachine(NamedTuple):
    """Real drivers next to an empty program.

    :param devices: QEMU devices, as arguments of ``-device``
    :param modules: drivers from the plain flavour; if there are none, the cloud flavour is booted
    :param setup: commands that succeed before a bundle is taken
    :param parameters: words of the kernel's command line
    :param expected: the findings
    :param expected_of_nobody: the findings for a user without privileges
    """

    devices: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    setup: str = ""
    parameters: tuple[str, ...] = ()
    expected: tuple[Kind, ...] = ()
    expected_of_nobody: tuple[Kind, ...] = ()


#: The folder of the device under test, whose BAR 2 has no driver.
_UNDER_TEST = "/sys/bus/pci/devices/0000:00:10.0"
_CARD = "until [ -e /dev/dri/card0 ]; do sleep 0.1; done\n"
_BUFFER = "/init --map /dev/dri/card0 buffer 0x8000 &\nsleep 1\n"
_NVME = "until [ -e /dev/nvme0 ]; do sleep 0.1; done\n"


def _mapped(file: str, offset: str = "0", length: str = "0x8000") -> str:
    # A process that maps this much and stays; the setup fails if it cannot.
    return f"/init --map {file} {offset} {length} &\nsleep 1\nkill -0 $!\n"


#: A write-combining MTRR over the BAR of the device under test.
_COMBINING = f"""set -- $(sed -n 3p {_UNDER_TEST}/resource)
echo "base=$1 size=0x4000000 type=write-combining" >/proc/mtrr
"""

#: The start of the second of two adjacent BARs, as $next.
_NEIGHBOURS = """next=$(cat /sys/bus/pci/devices/*/resource | awk '
    $1 != "0x0000000000000000" && substr($3, length($3) - 2, 1) == "2" { ends[$2]; starts[++n] = $1 }
    END { for (at = 1; at <= n; at++) print starts[at]; for (end in ends) print "end", end }' |
while read -r word more; do
    if [ "$word" = end ]; then echo "$(printf '0x%016x' $((more + 1)))"; else echo "$word"; fi
done | sort | uniq -d | head -n 1)
[ -n "$next" ]
"""

#: Displays and other devices, each with its driver, and with its process if it shows a buffer.
_HEALTHY = {
    "bochs display, mapped": EquippedMachine(("bochs-display",), ("bochs",), _CARD + _BUFFER),
    "standard VGA, mapped": EquippedMachine(("VGA",), ("bochs",), _CARD + _BUFFER),
    "qxl display, mapped": EquippedMachine(("qxl-vga",), ("qxl",), _CARD + _BUFFER),
    "virtio display, mapped": EquippedMachine(
        ("virtio-gpu-pci",), ("virtio_pci", "virtio_gpu"), _CARD + _BUFFER
    ),
    "NVMe disk": EquippedMachine(("nvme,serial=x",), ("nvme",), _NVME),
    "NVMe disk with its own memory": EquippedMachine(("nvme,serial=x,cmb_size_mb=16",), ("nvme",), _NVME),
    "display, its driver unbound": EquippedMachine(
        ("bochs-display",),
        ("bochs",),
        _CARD + "for one in /sys/bus/pci/drivers/bochs*/0000:*; do echo ${one##*/} >${one%/*}/unbind; done",
    ),
    "two hundred processes": EquippedMachine(
        setup="at=0\nwhile [ $at -lt 200 ]; do\n"
        f"    /init --map {_UNDER_TEST}/resource2_wc $((at * 8192)) 4096 &\n    at=$((at + 1))\ndone\nsleep 3"
    ),
}

#: Machines with a fault.
_WRONG = {
    # Without PAT nothing is reserved (S2.1): a mapping without a reservation is then correct.
    "nopat": EquippedMachine(
        setup=_mapped(f"{_UNDER_TEST}/resource2"),
        parameters=("nopat",),
        expected=(("pat_without_wc", 0),),
        expected_of_nobody=(("pat_without_wc", 0),),
    ),
    # With UC- the MTRR decides (S1.6): the eight pages are write-combining.
    "MTRR over a mapping": EquippedMachine(
        setup="echo disable=0 >/proc/mtrr\n" + _COMBINING + _mapped(f"{_UNDER_TEST}/resource2"),
        expected=(("mtrr_decides", 8),),
    ),
    # The firmware's MTRR covers everything between RAM and 4 GiB: where MTRRs overlap, UC wins (S1.7).
    "MTRRs that overlap": EquippedMachine(setup=_COMBINING + _mapped(f"{_UNDER_TEST}/resource2")),
    # WC wins over every MTRR (S1.6).
    "MTRR over write-combining": EquippedMachine(
        setup="grep -q uncachable /proc/mtrr\n" + _mapped(f"{_UNDER_TEST}/resource2_wc"),
    ),
    # /dev/mem maps unclaimed memory (S9.3): four pages of each of two BARs, in one reservation.
    "two BARs": EquippedMachine(
        ("secondary-vga", "secondary-vga"),
        setup=_NEIGHBOURS + _mapped("/dev/mem", "$((next - 0x4000))"),
        expected=(("spans_bars", 8),),
    ),
    # The process keeps its VMA and therefore the reservation.
    "removed device": EquippedMachine(
        setup=_mapped(f"{_UNDER_TEST}/resource2") + f"echo 1 >{_UNDER_TEST}/remove",
        expected=(("removed_device", 8),),
    ),
    # vesafb claims all of the card's memory; the firmware reports 16 MiB of it.
    "boot framebuffer": EquippedMachine(
        ("VGA,addr=2",),
        ("uio_pci_generic",),
        "echo uio_pci_generic >/sys/bus/pci/devices/0000:00:02.0/driver_override\n"
        "echo 0000:00:02.0 >/sys/bus/pci/drivers_probe\n"
        "[ -e /sys/bus/pci/drivers/uio_pci_generic/0000:00:02.0 ]",
        ("vga=0x314",),
        (("claimed_by_another", 4096),),
    ),
}

#: All of them by name.
EQUIPMENT = {**_HEALTHY, **_WRONG}
